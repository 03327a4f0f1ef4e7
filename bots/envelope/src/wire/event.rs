//! What comes back while a turn runs.

use serde::{Deserialize, Serialize};

use super::{Decision, Usage};
use crate::{InboundId, Timestamp};

/// One event of a turn. `seq` counts from 1 without gaps, so that a reader can resume after any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnEvent {
    /// Position in the turn; also the SSE `id`.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: TurnEventKind,
}

/// What happened in a turn. `Final` and `Error` end it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TurnEventKind {
    /// The sandbox is not up yet.
    Waking {
        /// How far it is.
        stage: WakeStage,
        /// How many others start before it, while it is queued and that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ahead: Option<u32>,
    },
    /// The agent has taken the turn.
    Started {
        /// Who answers.
        agent: AgentInfo,
    },
    /// More of the answer.
    Delta {
        /// Text to append; with `replace`, the whole text so far.
        text: String,
        /// The text so far is void.
        #[serde(default)]
        replace: bool,
    },
    /// The agent uses a tool.
    Tool {
        /// Its name.
        name: String,
        /// `start`, `update` or `result`.
        phase: String,
    },
    /// The agent asks before it acts, and waits for a [`Decision`] until then. Void once the turn
    /// has ended.
    Approval {
        /// To answer with: 1 to 128 of `[A-Za-z0-9:_.-]`.
        id: String,
        /// What it wants to run.
        command: String,
        /// What it may be answered.
        #[serde(default)]
        decisions: Vec<Decision>,
        /// When it will count as denied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// The agent made a file, which goes with the answer. Kept where the event is told, so that
    /// the bytes can be had by their hash.
    Media {
        /// Hash of its bytes, lowercase hex; fetched by it.
        sha256: String,
        /// Its type.
        mime: String,
        /// Its name.
        name: String,
        /// Its bytes, counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A further message has become part of the turn; the end of the turn is also its end.
    Steered {
        /// The [`SteerRequest`](super::SteerRequest)'s id.
        steer: InboundId,
    },
    /// The whole answer. Empty text: there is nothing to say.
    Final {
        /// Markdown.
        text: String,
        /// What it cost, as the edge's model proxy metered it.
        #[serde(default)]
        usage: Usage,
        /// Somebody stopped it; `text` is what there was.
        #[serde(default)]
        aborted: bool,
    },
    /// No answer.
    Error {
        /// Which kind of failure.
        code: ErrorCode,
        /// For the log; never message text or secrets.
        message: String,
        /// What it cost all the same.
        #[serde(default)]
        usage: Usage,
    },
}

impl TurnEventKind {
    /// The SSE `event` names a reader of this release knows. Others are skipped, so that a newer
    /// writer can tell more.
    pub(super) const NAMES: [&str; 9] =
        ["waking", "started", "delta", "tool", "approval", "media", "steered", "final", "error"];

    /// Whether no further event follows.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Final { .. } | Self::Error { .. })
    }

    /// The SSE `event` name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waking { .. } => "waking",
            Self::Started { .. } => "started",
            Self::Delta { .. } => "delta",
            Self::Tool { .. } => "tool",
            Self::Approval { .. } => "approval",
            Self::Media { .. } => "media",
            Self::Steered { .. } => "steered",
            Self::Final { .. } => "final",
            Self::Error { .. } => "error",
        }
    }
}

/// How far a sandbox has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeStage {
    /// Other sandboxes start first.
    Queued,
    /// It starts.
    Starting,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// `openclaw`, or `echo` for measurements.
    pub name: String,
    /// As the agent reports it.
    pub version: String,
}

/// Why a turn has no answer. The hub words it for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The sandbox did not start or went away.
    Sandbox,
    /// The agent or its model failed.
    Agent,
    /// It took longer than the budget.
    Timeout,
    /// Its events are no longer kept.
    Gone,
    /// It asks for a model that is not offered.
    Model,
    /// It would use more than is left to the person.
    Budget,
    /// The person's sandbox is kept, but runs no more: they were merged into another person.
    Retired,
    /// The person is being erased.
    Erased,
    /// Anything else; look in the log. So reads what a newer edge says.
    #[serde(other)]
    Internal,
}
