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
    /// This person has become another one, which can be undone first.
    #[error("{0} has become somebody else; undo that first, or name who they are now")]
    Merged(ZakiUserId),
    /// Who is blocked would write again as the other, or the other no more.
    #[error("{0} is blocked; `zaki users unblock {0}` first, or leave them apart")]
    Blocked(ZakiUserId),
    /// Somebody blocked had this sender: it stays so, also where nobody has it.
    #[error("this sender is blocked; `zaki users unblock CHANNEL:ID` first")]
    Barred,
    /// Whoever asked may not have that done.
    #[error("that is for an operator or an owner to do")]
    NotAllowed,
    /// The record of what was done has lost its end.
    #[error("the audit record has no head any more; restore a backup")]
    NoHead,
    /// What is kept encrypted cannot be read, or not be kept.
    #[error(transparent)]
    Seal(#[from] zaki_store::SealError),
    /// What is still to be done elsewhere is not as this release writes it.
    #[error("an errand cannot be read: a newer release has written it")]
    Errand,
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
            _ => false,
        }
    }

    /// Whether it is the answer to what was asked, and not a failure.
    pub const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::UnknownPerson(_)
                | Self::SamePerson(_)
                | Self::Merged(_)
                | Self::Blocked(_)
                | Self::Barred
                | Self::NotAllowed
        )
    }
}
