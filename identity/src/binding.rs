//! Senders as the directory knows them.

use serde::Serialize;
use zaki_envelope::{ChannelKind, SenderId, SenderScope, Timestamp, ZakiUserId};

/// A sender that is a person's. `(channel, scope, sender)` is bound to one person at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// The platform.
    pub channel: ChannelKind,
    /// The space the id is unique in.
    pub scope: SenderScope,
    /// The platform's id.
    pub sender: SenderId,
    /// How good a key it is.
    pub kind: BindingKind,
    /// When it was bound to this person.
    pub bound_at: Timestamp,
}

/// How good a key an id is.
///
/// WhatsApp replaces phone numbers with business-scoped ids, and numbers get new owners. So a
/// number is [`Primary`](Self::Primary) only until the better id appears with it; from then on it
/// is an [`Alias`](Self::Alias), which still finds its person when it comes alone but never hands
/// that person to another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingKind {
    /// The best id seen for this sender.
    Primary,
    /// A second id, of an older scheme.
    Alias,
}

impl BindingKind {
    /// As the stores keep it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Alias => "alias",
        }
    }

    pub(crate) fn of_str(word: &str) -> Option<Self> {
        [Self::Primary, Self::Alias].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A person with all that is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Ours.
    pub user: ZakiUserId,
    /// When they first wrote.
    pub created_at: Timestamp,
    /// Their senders; none once all of them have been linked to somebody else.
    pub bindings: Vec<Binding>,
}
