//! Why the ledger did not do it.

use std::sync::Arc;

use serde_json::error::Category;
use zaki_envelope::{InboundId, TurnId};
use zaki_store::SealError;

/// Why the ledger did not do it. Nothing of the call has been kept, unless it [leaves
/// doubt](Error::leaves_doubt).
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
    /// A stored value is no JSON that this release reads. Nothing of it: it is somebody's message.
    #[error("stored JSON does not fit ({kind:?} at line {line}, column {column})")]
    Decode {
        /// What kind of misfit.
        kind: Category,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Such a turn was never begun, or its person has been erased.
    #[error("no turn {0} in the ledger")]
    UnknownTurn(TurnId),
    /// One stored value does not open.
    #[error("what is stored cannot be read: {0}")]
    Sealed(#[from] SealError),
    /// Something stored was encrypted with a key that is not given.
    #[error(
        "the ledger holds text that is encrypted with the key {id:?}, which is not given; add it \
         after the others, or re-encrypt everything before it is taken away"
    )]
    MissingKey {
        /// The name of the key.
        id: String,
    },
    /// Another key than the one that has encrypted what is stored.
    #[error(
        "the key {id:?} is not the one that has encrypted what the ledger holds; give that one, \
         and another id to this one"
    )]
    WrongKey {
        /// The name of the key.
        id: String,
    },
}

impl Error {
    /// Whether the same call may succeed later; a webhook then answers 503 and the platform comes
    /// again.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }

    /// Whether what was asked for may be in the ledger all the same: the answer to a commit was
    /// lost, or whoever was to bring it has gone.
    pub const fn leaves_doubt(&self) -> bool {
        match self {
            Self::Store(error) => {
                error.is_unknown() || matches!(error, zaki_store::Error::Closed { .. })
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use zaki_store::{Error as Failed, Place};

    use super::*;

    /// A hub that doubted whatever a full disk has refused would give up its term for want of room.
    #[test]
    fn only_a_commit_that_nobody_has_seen_end_leaves_a_doubt() {
        let place = || Place::File(Path::new("ledger.db").into());
        let cause = || Arc::new(std::io::Error::other("gone"));
        let certain = [
            Failed::Busy { place: place() },
            Failed::Full { place: place() },
            Failed::Io { place: place(), cause: cause() },
            Failed::Unreachable { place: place(), cause: cause() },
        ];
        let open =
            [Failed::Lost { place: place(), cause: cause() }, Failed::Closed { place: place() }];
        let doubts = |error: Failed| Error::from(error).leaves_doubt();
        assert!(!certain.into_iter().any(doubts) && !Error::Fenced.leaves_doubt());
        assert!(open.into_iter().all(doubts));
    }
}
