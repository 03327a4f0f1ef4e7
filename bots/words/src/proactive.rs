//! What is said beside what an agent says by itself.

use zaki_envelope::ChannelKind;

use crate::{Say, Voice};

/// Why it is said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// It was asked for on a channel where the person cannot be written to now.
    Elsewhere(ChannelKind),
    /// Nobody knows where it was asked for; here they wrote last.
    Unknown,
    /// Nothing came of what they had asked for, whose name follows.
    Failed,
}

impl Say for Unasked {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Elsewhere(channel) => voice.phrase("unasked-elsewhere").channel(channel).said(),
            Self::Unknown => voice.text("unasked-unknown"),
            Self::Failed => voice.text("unasked-failed"),
        }
    }
}
