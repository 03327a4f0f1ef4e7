//! What is kept of a person, thing by thing.

use serde::Serialize;
use zaki_envelope::{
    Address, ChannelKind, Inbound, MessageId, Outbound, SandboxKind, SessionKey, Timestamp, TurnId,
};

/// One thing.
#[derive(Debug, Serialize)]
#[serde(tag = "kept", rename_all = "snake_case")]
pub enum Kept {
    /// What they sent.
    Message(Box<KeptMessage>),
    /// What an agent was asked.
    Turn(Box<KeptTurn>),
    /// What was sent to them.
    Delivery(Box<KeptDelivery>),
    /// What came in and made no sense, where it names them.
    DeadLetter(KeptLetter),
    /// Something that this release cannot read, or not all of: it is damaged, or of one that knows
    /// more.
    Illegible(KeptIllegible),
}

impl Kept {
    pub(super) const fn illegible(what: &'static str, id: String) -> Self {
        Self::Illegible(KeptIllegible { what, id })
    }
}

/// A message.
#[derive(Debug, Serialize)]
pub struct KeptMessage {
    /// The envelope.
    pub message: Inbound,
    /// The request that brought it, as text: where nobody else's message can be in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// There is one, which may hold what others said, or cannot be read.
    pub raw_withheld: bool,
    /// Until when a right to answer it is kept. The right itself is the platform's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_until: Option<Timestamp>,
}

/// A turn.
#[derive(Debug, Serialize)]
pub struct KeptTurn {
    /// Ours.
    pub id: TurnId,
    /// In which conversation with the agent.
    pub session: SessionKey,
    /// In which sandbox.
    pub sandbox: SandboxKind,
    /// Where the answer went.
    pub address: Address,
    /// The message it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// How it stands.
    pub state: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// A delivery.
#[derive(Debug, Serialize)]
pub struct KeptDelivery {
    /// Ours.
    pub id: String,
    /// The turn it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// Where to.
    pub address: Address,
    /// What.
    pub outbound: Outbound,
    /// How it stands.
    pub state: String,
    /// The platform's ids of it.
    pub receipt: Vec<MessageId>,
    /// Since when it stands there.
    pub changed_at: Timestamp,
}

/// A dead letter. Nobody understands its bytes, which may hold what others said: an operator can
/// show them (`zaki inbox list --dead`).
#[derive(Debug, Serialize)]
pub struct KeptLetter {
    /// The ledger's number of it.
    pub id: i64,
    /// Where it came in.
    pub channel: ChannelKind,
    /// When.
    pub received_at: Timestamp,
    /// What is wrong with it.
    pub reason: String,
    /// How long it is.
    pub bytes: usize,
}

/// What is kept and cannot be read.
#[derive(Debug, Serialize)]
pub struct KeptIllegible {
    /// A message, a turn, a delivery, whose other columns come beside this, or a dead letter.
    pub what: &'static str,
    /// Ours.
    pub id: String,
}
