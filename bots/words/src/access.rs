//! Who may use the bot: what strangers are told, and what those are told who come in.

use zaki_envelope::Timestamp;

use crate::{
    Say, Voice,
    link::{alone, timed},
    paragraphs,
};

/// What is said at the door. No `Debug`: it holds codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    /// Nobody new is taken.
    Closed,
    /// The bot is for certain people.
    NotListed,
    /// An invitation is wanted.
    InviteWanted,
    /// An operator or an owner has to say yes.
    Pairing {
        /// What the stranger gives them.
        code: &'a str,
        /// When it stops working.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// They would have to, and too many wait for that already.
    Crowded,
    /// They said yes.
    Approved,
    /// An operator has blocked this person.
    Blocked,
    /// Somebody signed up.
    Welcome,
    /// Somebody signed up with an invitation.
    WelcomeInvited,
}

impl Say for Access<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Closed => voice.text("access-closed"),
            Self::NotListed => voice.text("access-not-listed"),
            Self::InviteWanted => voice.text("access-invite"),
            Self::Pairing { code, until, now } => {
                let terms = timed("access-pairing-terms", until, now, voice);
                paragraphs([voice.text("access-pairing"), alone(code), terms])
            }
            Self::Crowded => voice.text("access-crowded"),
            Self::Approved => voice.text("access-approved"),
            Self::Blocked => voice.text("access-blocked"),
            Self::Welcome => voice.text("access-welcome"),
            Self::WelcomeInvited => voice.text("access-invited"),
        }
    }
}
