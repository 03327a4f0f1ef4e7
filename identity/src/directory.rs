//! The trait, and what its calls return.

use async_trait::async_trait;
use zaki_envelope::{ChannelKind, Sender, Timestamp, ZakiUserId};

use crate::{Binding, DirectoryError, Person};

/// Who is who. Needs no fence: what it promises under several hubs (one person per sender, one
/// mint per person) are uniqueness rules of its store.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The person a sender is; a stranger is treated as the [`Policy`] says. All first messages of
    /// one sender, however many at a time, make one person.
    ///
    /// Ids that a platform shows together (`sender.id` and `sender.aliases`) are bound together: a
    /// person known by an alias alone is found again by the better id, once, with an audit entry.
    async fn resolve(
        &self,
        channel: ChannelKind,
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Resolution, DirectoryError>;

    /// Whether the sender is this person right now, read from the store. To be asked when a lane
    /// is claimed: another process may have moved the binding. When the answer is no, `resolve`
    /// no longer remembers the old one: ask it again.
    async fn verify(
        &self,
        user: ZakiUserId,
        channel: ChannelKind,
        sender: &Sender,
    ) -> Result<bool, DirectoryError>;

    /// Makes a sender (with its aliases) this person's. A binding to another person is moved, with
    /// an audit entry: this one alone, whatever else the other person has, and none of their data.
    async fn link(
        &self,
        user: ZakiUserId,
        channel: ChannelKind,
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Linked, DirectoryError>;

    /// Moves all bindings of `from` to `into`, with an audit entry each; returns how many. `from`
    /// stays, without any; neither sandbox is touched.
    async fn link_people(
        &self,
        into: ZakiUserId,
        from: ZakiUserId,
        now: Timestamp,
    ) -> Result<usize, DirectoryError>;

    /// Everybody, in order of first contact.
    async fn list(&self) -> Result<Vec<Person>, DirectoryError>;

    /// What is bound to a person; nothing for an unknown one.
    async fn bindings(&self, user: ZakiUserId) -> Result<Vec<Binding>, DirectoryError>;

    /// What a person has chosen for their messages that arrive mid-turn, as the text that was set;
    /// none when they have chosen nothing or are unknown.
    async fn mode(&self, user: ZakiUserId) -> Result<Option<String>, DirectoryError>;

    /// Keeps that choice, or takes it back.
    async fn set_mode(&self, user: ZakiUserId, mode: Option<&str>) -> Result<(), DirectoryError>;
}

/// What becomes of a stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// They sign up by writing.
    #[default]
    Open,
    /// They are refused; an operator links people.
    Closed,
}

/// Who a sender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Somebody we know.
    Known {
        /// Who.
        user: ZakiUserId,
    },
    /// A stranger who has just become somebody.
    Created {
        /// Who.
        user: ZakiUserId,
    },
    /// A stranger who stays one.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why a stranger stays one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// [`Policy::Closed`].
    Closed,
}

impl Resolution {
    /// The person, unless refused.
    pub const fn user(self) -> Option<ZakiUserId> {
        match self {
            Self::Known { user } | Self::Created { user } => Some(user),
            Self::Refused { .. } => None,
        }
    }
}

/// What linking a sender changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was theirs already.
    Already,
    /// It was nobody's.
    Bound,
    /// It was another person's.
    Moved {
        /// Whose.
        from: ZakiUserId,
        /// How many bindings they still have; with 0, nobody can reach that person any more.
        left: usize,
    },
}
