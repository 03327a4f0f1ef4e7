//! `/feedback`.

use crate::{Say, Voice};

/// After `/feedback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// It is kept.
    Thanks,
    /// There was none.
    Empty,
}

impl Say for Feedback {
    fn say(&self, voice: Voice) -> String {
        voice.text(match self {
            Self::Thanks => "feedback-thanks",
            Self::Empty => "feedback-empty",
        })
    }
}
