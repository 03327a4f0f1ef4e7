//! What a message does that arrives while a turn runs.

use std::{fmt, str::FromStr};

/// What a message does that arrives while a turn runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It waits, and is part of the next turn.
    #[default]
    Queue,
    /// It joins the running turn, or waits when that cannot be joined any more.
    Steer,
    /// It ends the running turn and begins the next one.
    Interrupt,
}

/// Somebody named a mode that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl Mode {
    /// All modes, in the order they are shown to people.
    pub const ALL: [Self; 3] = [Self::Queue, Self::Steer, Self::Interrupt];

    /// Its name in commands, in the configuration and where a person's choice is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Steer => "steer",
            Self::Interrupt => "interrupt",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(UnknownMode)
    }
}

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of queue, steer, interrupt")
    }
}

impl std::error::Error for UnknownMode {}
