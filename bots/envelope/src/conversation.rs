//! Where a message was written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConversationId, SpaceId, ThreadId};

/// Who can read along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// One person and the bot.
    Direct,
    /// Several people.
    Group,
    /// A broadcast: few write, many read.
    Channel,
}

/// A place on a platform, with the thread in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Conversation {
    /// The platform's id.
    pub id: ConversationId,
    /// Who can read along.
    pub kind: ConversationKind,
    /// The thread or topic, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// What it is a part of, where the platform groups conversations: a Discord guild, a Slack
    /// workspace. Not part of its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<SpaceId>,
}

impl Conversation {
    /// A conversation outside of any thread and space.
    pub const fn new(id: ConversationId, kind: ConversationKind) -> Self {
        Self { id, kind, thread: None, space: None }
    }
}
