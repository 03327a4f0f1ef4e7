//! What leaves. A new ability is a variant here and a capability, never a new method.

use serde::{Deserialize, Serialize};

use crate::{MessageId, Part};

/// One thing to do in a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outbound {
    /// A new message. Text is Markdown; `fit` has already brought it within the limits.
    Post {
        /// Content.
        parts: Vec<Part>,
        /// The message it answers.
        reply_to: Option<MessageId>,
    },
    /// New content for a message of ours.
    Edit {
        /// Our message.
        target: MessageId,
        /// The whole new content.
        parts: Vec<Part>,
    },
    /// Take a message of ours back.
    Retract {
        /// Our message.
        target: MessageId,
    },
    /// React to a message; `None` removes our reaction.
    React {
        /// The message.
        target: MessageId,
        /// An emoji.
        emoji: Option<String>,
    },
    /// Show that something is going on.
    Presence {
        /// What.
        presence: Presence,
        /// The message being worked on, for platforms that tie presence to one.
        about: Option<MessageId>,
    },
    /// Close a press or command without a message.
    Answer {
        /// A short note, where the platform shows one.
        text: Option<String>,
    },
}

impl Outbound {
    /// A plain message.
    pub fn post(text: impl Into<String>) -> Self {
        Self::Post { parts: vec![Part::text(text)], reply_to: None }
    }
}

/// What the person sees while they wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// The bot is writing.
    Typing,
    /// It is no more. For platforms whose sign does not go by itself.
    Done,
}
