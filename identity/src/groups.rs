//! What the bot does in a group: who decided it, and who may decide otherwise.

mod rights;
mod store;

use serde::Serialize;
use zaki_envelope::{ChannelKind, ConversationId, Inbound, SenderScope, Timestamp, ZakiUserId};
use zaki_store::{Row, Text};

use crate::actor::words;
use crate::{Actor, DirectoryError};

pub(crate) use rights::may_change;
pub(crate) use store::find;

/// What names a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct GroupKey {
    /// The platform.
    pub channel: ChannelKind,
    /// The space its senders are unique in.
    pub scope: SenderScope,
    /// The platform's id; threads belong to their conversation.
    pub conversation: ConversationId,
}

impl GroupKey {
    /// Where this was written.
    pub fn of(inbound: &Inbound) -> Self {
        Self {
            channel: inbound.channel,
            scope: inbound.sender.scope.clone(),
            conversation: inbound.conversation.id.clone(),
        }
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Which.
    pub key: GroupKey,
    /// What it takes notice of.
    pub mode: GroupMode,
    /// For whom it is there.
    pub who: Who,
    /// Whose sandbox serves all; `None`: each speaker's own.
    pub owner: Option<ZakiUserId>,
    /// Who may change this.
    pub changers: Changers,
    /// When it was changed last; `None`: it is as the configuration says.
    pub changed_at: Option<Timestamp>,
    /// By whom.
    pub changed_by: Actor,
}

words! {
    /// What the bot takes notice of in a group.
    GroupMode("mode of a group") {
        /// Nothing.
        Off = "off",
        /// What is said to it.
        Mention = "mention",
        /// Everything.
        Always = "always",
    }
}

words! {
    /// Whom the bot serves in a group.
    Who("choice of people") {
        /// Whoever writes there; strangers sign up for groups alone.
        Everyone = "everyone",
        /// Those who were let in by direct messages, and those who are listed.
        Known = "known",
        /// Those who were let in in this group.
        Listed = "listed",
    }
}

words! {
    /// Who may change a group. Operators always may.
    Changers("choice of changers") {
        /// Nobody else.
        Operators = "operators",
        /// Owners of the house, and the one whose sandbox serves the group.
        Owners = "owners",
        /// Everybody who is served there.
        Anyone = "anyone",
    }
}

/// What a group is as long as nobody has changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRules {
    /// What it takes notice of.
    pub mode: GroupMode,
    /// For whom it is there.
    pub who: Who,
    /// Who may change it.
    pub changers: Changers,
}

/// Only what is said to the bot, by people who are known; owners may change it.
impl Default for GroupRules {
    fn default() -> Self {
        Self { mode: GroupMode::Mention, who: Who::Known, changers: Changers::Owners }
    }
}

impl GroupRules {
    pub(crate) fn group(self, key: GroupKey) -> Group {
        let Self { mode, who, changers } = self;
        let (owner, changed_at, changed_by) = (None, None, Actor::System);
        Group { key, mode, who, owner, changers, changed_at, changed_by }
    }
}

/// What is to be otherwise; the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupChange {
    /// What it takes notice of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<GroupMode>,
    /// For whom it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// Whose sandbox serves all; `Some(None)`: each speaker's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Option<ZakiUserId>>,
    /// Who may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changers: Option<Changers>,
}

impl Group {
    const COLUMNS: &str =
        "channel, scope, conversation, mode, who, owner_id, changers, changed_at, changed_by";

    fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let (Text(channel), Text(mode), Text(who)) = (row.get(0)?, row.get(3)?, row.get(4)?);
        let (Text(changers), Text(changed_by)) = (row.get(6)?, row.get(8)?);
        let owner: Option<Text<ZakiUserId>> = row.get(5)?;
        let key = GroupKey {
            channel,
            scope: SenderScope::new(row.get::<String>(1)?),
            conversation: ConversationId::new(row.get::<String>(2)?),
        };
        Ok(Self {
            key,
            mode,
            who,
            owner: owner.map(|Text(user)| user),
            changers,
            changed_at: Some(Timestamp::from_ms(row.get(7)?)),
            changed_by,
        })
    }

    fn changed(mut self, change: GroupChange, by: Actor, now: Timestamp) -> Self {
        self.mode = change.mode.unwrap_or(self.mode);
        self.who = change.who.unwrap_or(self.who);
        self.owner = change.owner.unwrap_or(self.owner);
        self.changers = change.changers.unwrap_or(self.changers);
        Self { changed_at: Some(now), changed_by: by, ..self }
    }
}
