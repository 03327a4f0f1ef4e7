//! What stands on buttons.

use crate::{Say, Voice};

/// The label of a button: plain text, at most 20 characters (WhatsApp's limit, the shortest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// `/approve`: this time.
    Allow,
    /// `/approve … always`.
    AllowAlways,
    /// `/deny`.
    Deny,
    /// `/link yes`.
    Join,
    /// `/link no`.
    Leave,
    /// `/approve` of a stranger.
    LetIn,
    /// `/deny` of a stranger.
    TurnAway,
}

impl Button {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Allow,
        Self::AllowAlways,
        Self::Deny,
        Self::Join,
        Self::Leave,
        Self::LetIn,
        Self::TurnAway,
    ];
}

impl Say for Button {
    fn say(&self, voice: Voice) -> String {
        voice.text(match self {
            Self::Allow => "button-allow",
            Self::AllowAlways => "button-allow-always",
            Self::Deny => "button-deny",
            Self::Join => "button-join",
            Self::Leave => "button-leave",
            Self::LetIn => "button-let-in",
            Self::TurnAway => "button-turn-away",
        })
    }
}
