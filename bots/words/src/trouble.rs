//! When a command cannot be carried out, for reasons that are not the person's.

use crate::{Say, Voice};

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something of ours does not work; the log says what.
    Failed,
    /// It is not done yet, and still being tried.
    Later,
    /// The person may not do this.
    NotAllowed,
}

impl Say for Trouble {
    fn say(&self, voice: Voice) -> String {
        voice.text(match self {
            Self::Failed => "trouble-failed",
            Self::Later => "trouble-later",
            Self::NotAllowed => "trouble-not-allowed",
        })
    }
}
