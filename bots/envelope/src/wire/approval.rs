//! What the person says when the agent asks before it acts.

use serde::{Deserialize, Serialize};

/// `POST approvals/{id}`: the answer to an [`Approval`](super::TurnEventKind::Approval).
///
/// Answers:
/// - 204: it is decided so, and the turn goes on. The same answer again: 204, also after the end.
/// - 404: nobody asks that, or not any more: it expired, or its turn has ended.
/// - 409: it was decided otherwise before, or cannot be answered so.
/// - 503 with `Retry-After`: the sandbox is not there just now. Ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    /// What the person said.
    pub decision: Decision,
}

/// Whether the agent may do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes, this time.
    AllowOnce,
    /// Yes, and the same needs no question again. Not offered for every command.
    AllowAlways,
    /// No.
    Deny,
}
