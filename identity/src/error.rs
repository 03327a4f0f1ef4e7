//! Why the directory did not do it.

use zaki_envelope::ZakiUserId;

/// Why the directory did not do it. Nothing of the call has been kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] zaki_store::Error),
    /// No such person.
    #[error("no person {0}; `zaki users list` shows everybody")]
    UnknownPerson(ZakiUserId),
    /// A person cannot be linked to themselves.
    #[error("{0} is one person already")]
    SamePerson(ZakiUserId),
    /// The system gives no randomness to mint an id from.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl DirectoryError {
    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::NoRandomness => true,
            Self::UnknownPerson(_) | Self::SamePerson(_) => false,
        }
    }
}
