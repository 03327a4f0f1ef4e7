//! What the hub asks of the edge.

use serde::{Deserialize, Serialize};

use crate::{ChannelKind, ConversationKind, Part, SandboxKind, SessionKey, TraceContext, TurnId};

/// `POST turns`. The turn id is the idempotency key at every hop: the same id never runs twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRequest {
    /// Which turn.
    pub turn: TurnId,
    /// In which of the person's sandboxes.
    #[serde(default)]
    pub sandbox: SandboxKind,
    /// In which conversation of that sandbox.
    pub session: SessionKey,
    /// What the person said.
    pub parts: Vec<Part>,
    /// Where they said it.
    pub origin: Origin,
    /// What it may cost.
    #[serde(default)]
    pub budget: Budget,
    /// Trace to hand on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// Where a turn came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The platform.
    pub channel: ChannelKind,
    /// Who reads along.
    pub conversation: ConversationKind,
}

/// What a turn may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// How long the agent may think, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Budget {
    /// Ten minutes.
    fn default() -> Self {
        Self { timeout_ms: 600_000 }
    }
}

/// The answer to `POST wake`: the sandbox is up or coming up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeAnswer {
    /// Whether it can take a turn right now.
    pub ready: bool,
}
