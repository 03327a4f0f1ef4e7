//! What model calls used.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What model calls used, as far as the model said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens written.
    #[serde(default)]
    pub output_tokens: u64,
    /// What they cost, in millionths of the currency of the edge's prices.
    #[serde(default)]
    pub cost_micros: u64,
}

impl Usage {
    /// Tokens of both kinds.
    pub const fn tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Whether nothing was used.
    pub const fn is_nothing(self) -> bool {
        self.tokens() == 0 && self.cost_micros == 0
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The answer to `GET usage`: what a person has used, whatever sandbox or turn it was in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// Since the UTC day began.
    pub day: Usage,
    /// Since the calendar month began, in UTC.
    pub month: Usage,
    /// What of it no turn has told.
    #[serde(default)]
    pub unasked: Unasked,
}

/// What agents have used by themselves, outside a turn: for a reminder, say, or after a turn's end
/// was told. Whoever counts adds what turns tell, each once, and what is new of this: it only grows
/// within a day or a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unasked {
    /// When it was so: that says which day and which month are meant.
    pub at: Timestamp,
    /// Since the UTC day began.
    pub day: Usage,
    /// Since the calendar month began, in UTC.
    pub month: Usage,
}
