//! Why the ledger did not do it.

use std::sync::Arc;

use zaki_envelope::{InboundId, TurnId};

/// Why the ledger did not do it. Nothing of the call has been kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] zaki_store::Error),
    /// The lease has gone: stop working on what it covers, others do.
    #[error("the right to write has passed to another hub")]
    Fenced,
    /// It has been joined to a turn or settled already, was never accepted, or another replica has
    /// it: forget it.
    #[error("message {0} is not waiting for a turn of ours")]
    NotAccepted(InboundId),
    /// A value has no JSON: a defect of ours.
    #[error("a value cannot be written as JSON")]
    Encode(#[source] Arc<serde_json::Error>),
    /// No such turn.
    #[error("no turn {0} in the ledger")]
    UnknownTurn(TurnId),
}

impl Error {
    /// Whether the same call may succeed later; a webhook then answers 503 and the platform comes
    /// again.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}
