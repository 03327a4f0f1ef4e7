//! Senders as the directory knows them.

use serde::Serialize;
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, Timestamp};
use zaki_store::{Row, Text};

use crate::actor::words;
use crate::{Actor, DirectoryError, How};

/// What names a sender on its platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BindingKey {
    /// The platform.
    pub channel: ChannelKind,
    /// The space the id is unique in.
    pub scope: SenderScope,
    /// The platform's id.
    pub sender: SenderId,
}

impl BindingKey {
    /// The best id of a sender.
    pub fn of(channel: ChannelKind, sender: &Sender) -> Self {
        Self { channel, scope: sender.scope.clone(), sender: sender.id.clone() }
    }
}

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
    /// Of an older id, the best one it was shown with last; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<SenderId>,
    /// What the platform showed of them when it was bound: their handle or their name.
    pub label: Option<String>,
    /// When it was bound to this person.
    pub bound_at: Timestamp,
    /// In which way.
    pub how: How,
    /// By whom.
    pub by: Actor,
    /// When they last wrote, to the hour.
    pub last_seen_at: Option<Timestamp>,
}

words! {
    /// How good a key an id is.
    ///
    /// WhatsApp replaces phone numbers with business-scoped ids, and numbers get new owners. So a
    /// number is [`Primary`](Self::Primary) only until the better id appears with it; from then on
    /// it is an [`Alias`](Self::Alias), which still finds its person when it comes alone but never
    /// hands that person to another id.
    BindingKind("kind of binding") {
        /// The best id seen for this sender.
        Primary = "primary",
        /// A second id, of an older scheme.
        Alias = "alias",
    }
}

impl Binding {
    /// The columns that [`of_row`](Self::of_row) reads.
    pub(crate) const COLUMNS: &str =
        "channel, scope, sender, kind, label, bound_at, how, by_whom, last_seen_at, best";

    pub(crate) fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let (Text(channel), Text(kind)) = (row.get(0)?, row.get(3)?);
        let (Text(how), Text(by)) = (row.get(6)?, row.get(7)?);
        Ok(Self {
            channel,
            scope: SenderScope::new(row.get::<String>(1)?),
            sender: SenderId::new(row.get::<String>(2)?),
            kind,
            best: row.get::<Option<String>>(9)?.map(SenderId::new),
            label: row.get(4)?,
            bound_at: Timestamp::from_ms(row.get(5)?),
            how,
            by,
            last_seen_at: row.get::<Option<i64>>(8)?.map(Timestamp::from_ms),
        })
    }

    /// What names it.
    pub fn key(&self) -> BindingKey {
        let Self { channel, scope, sender, .. } = self;
        BindingKey { channel: *channel, scope: scope.clone(), sender: sender.clone() }
    }
}

/// What the platform shows of a sender.
pub(crate) fn label(sender: &Sender) -> Option<&str> {
    sender.handle.as_deref().or(sender.display_name.as_deref())
}
