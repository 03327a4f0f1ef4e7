//! What arrived: one logical message or event, whatever the platform.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AccountName, ChannelKind, Conversation, DedupeKey, DeliveryId, GroupId, InboundId, MessageId,
    Part, Sender, Timestamp, TraceContext,
};

/// The envelope. Additive within a version; read older ones with [`Inbound::from_json`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inbound {
    /// Format version, 1.
    pub v: Version,
    /// Ours; see [`InboundId::derive`].
    pub id: InboundId,
    /// Where it came in.
    pub channel: ChannelKind,
    /// By which of our bots.
    pub account: AccountName,
    /// One key per logical message.
    pub dedupe: DedupeKey,
    /// The platform's time of writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When it reached us.
    pub received_at: Timestamp,
    /// The place it was written in.
    pub conversation: Conversation,
    /// Who wrote it.
    pub sender: Sender,
    /// What happened.
    pub kind: InboundKind,
    /// The platform's id of the message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// Content, in reading order.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The album it is a piece of, where the platform sends one as several messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// Whether the bot is meant: direct messages, mentions, replies to it, its commands.
    pub addressed: bool,
    /// Trace to hand on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

impl Inbound {
    /// Reads a stored envelope, upcasting older versions.
    pub fn from_json(json: &str) -> Result<Self, EnvelopeError> {
        Ok(serde_json::from_str(json)?)
    }
}

/// Why a stored envelope cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not an envelope this version can read: {0}")]
pub struct EnvelopeError(#[from] serde_json::Error);

/// The envelope's version on the wire: the number 1. A newer one is refused, never guessed at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(with = "u32")]
pub struct Version;

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(v: u32) -> Result<Self, String> {
        match v {
            1 => Ok(Self),
            newer => Err(format!("envelope version {newer} is newer than this program (1)")),
        }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        1
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboundKind {
    /// Somebody wrote.
    Message,
    /// Somebody changed what they wrote; `parts` is the new content.
    Edit {
        /// The changed message.
        target: MessageId,
    },
    /// Somebody took a message back.
    Delete {
        /// The removed message.
        target: MessageId,
    },
    /// Somebody reacted.
    Reaction {
        /// The message reacted to.
        target: MessageId,
        /// The emoji or its platform name.
        emoji: String,
        /// Taken back instead of given.
        removed: bool,
    },
    /// A native command (Discord and Slack slash commands); its words are in `parts`.
    Command {
        /// Without the slash.
        name: String,
    },
    /// A press on something the bot sent.
    Button {
        /// What the bot put behind it.
        data: String,
    },
    /// Somebody joined, left, started or blocked the bot.
    Membership {
        /// The platform's name for it.
        change: String,
    },
    /// What became of something we sent.
    Status {
        /// Our message.
        target: MessageId,
        /// How far it came.
        status: StatusKind,
        /// Our delivery it was sent as, where the platform hands its id back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryId>,
        /// Why it failed, in the platform's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An event this version does not know, by the platform's name.
    Other {
        /// The platform's name for it.
        name: String,
    },
}

/// How far a sent message came, in rising order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StatusKind {
    /// The platform has it.
    Sent,
    /// The person's device has it.
    Delivered,
    /// The person has seen it.
    Read,
    /// It will not arrive.
    Failed,
}
