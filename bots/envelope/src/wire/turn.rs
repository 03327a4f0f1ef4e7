//! What the hub asks of the edge.

use serde::{Deserialize, Serialize};

use crate::{
    ChannelKind, ConversationKind, InboundId, Part, PlaceId, SandboxKind, SessionKey, TraceContext,
    TurnId,
};

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
    /// Which of the models the edge offers is to answer; its default otherwise. One that is not
    /// offered: the turn ends with [`ErrorCode::Model`](super::ErrorCode::Model).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
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
    /// The place, as the hub calls it: what the agent plans in this turn goes there once it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceId>,
}

impl Origin {
    /// Somewhere on a platform; nothing goes there but the answer.
    pub const fn new(channel: ChannelKind, conversation: ConversationKind) -> Self {
        Self { channel, conversation, place: None }
    }
}

/// What a turn may cost. What is left to the person is what its asker knows when the turn begins;
/// the edge takes off what it meters meanwhile, in all of the person's turns, until the UTC day
/// ends. Model calls beyond are refused, and the turn ends with
/// [`ErrorCode::Budget`](super::ErrorCode::Budget).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// How long the agent may think, in milliseconds.
    pub timeout_ms: u64,
    /// Tokens, read and written, that are left to the person; `None`: as many as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// What is left to them to cost, in millionths of the currency of the edge's prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
}

impl Default for Budget {
    /// Ten minutes, and whatever it costs.
    fn default() -> Self {
        Self { timeout_ms: 600_000, tokens: None, cost_micros: None }
    }
}

/// `POST turns/{turn}/steer`: more of what the person said, for a turn that runs.
///
/// Answers, after which the outcome is durable where the turn is:
/// - 202: it is part of the turn; so says [`Steered`](super::TurnEventKind::Steered) among its
///   events, before the end whose text answers it. The same id again: 202, also after the end.
/// - 404: no such turn of this person.
/// - 409: the turn has ended without it, or takes no more. Let it be a turn of its own.
/// - 503 with `Retry-After`: the sandbox is not there yet. Ask again, or wait for the turn's end.
///
/// Whatever the answer, or none: a message is answered by the turn if and only if a `Steered` with
/// its id comes before the end. A reader who lost answers needs nothing but the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteerRequest {
    /// The message, or the first of several that belong together; the idempotency key.
    pub steer: InboundId,
    /// What the person said.
    pub parts: Vec<Part>,
}

/// The answer to `POST wake`: the sandbox is up or coming up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeAnswer {
    /// Whether it can take a turn right now.
    pub ready: bool,
}
