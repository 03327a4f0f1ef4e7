//! What can go wrong with a store, by what to do about it.
//!
//! Each error says its cause itself, so that a log line is whole; none of them has a source, so
//! that whoever prints a chain does not say it twice.

use std::sync::Arc;

use crate::Place;

/// The cause, whichever database it came from.
pub(crate) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why the store did not do it. Cheap to clone: one failed commit answers many writes.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else holds it, or too many calls are waiting.
    #[error("{place} is busy")]
    Busy {
        /// The database.
        place: Place,
    },
    /// No space.
    #[error("no space left for {place}; free some")]
    Full {
        /// The database.
        place: Place,
    },
    /// The disk or its file system failed, or the system is out of files or memory.
    #[error("the disk failed under {place}: {cause}")]
    Io {
        /// The database.
        place: Place,
        /// What the database said.
        cause: Cause,
    },
    /// No server there, or it went away before the commit: nothing has been kept.
    #[error("cannot reach {place}: {cause}")]
    Unreachable {
        /// The database.
        place: Place,
        /// What went wrong on the way.
        cause: Cause,
    },
    /// The server went away during the commit: it may have been kept. Whether to do it again is
    /// the caller's decision; only something that changes nothing the second time may be repeated.
    #[error("{place} went away during a commit, which may have been kept: {cause}")]
    Lost {
        /// The database.
        place: Place,
        /// What went wrong on the way.
        cause: Cause,
    },
    /// The server does not let us in, or not do that.
    #[error("{place} turns us away: {cause}; {advice}")]
    Refused {
        /// The database.
        place: Place,
        /// What the server said.
        cause: Cause,
        /// What to do.
        advice: &'static str,
    },
    /// The address of a server cannot be used.
    #[error("the address of the database cannot be used: {reason}")]
    BadUrl {
        /// What is wrong with it; nothing of it.
        reason: &'static str,
    },
    /// We may not write there, or there is nowhere to write.
    #[error("cannot write {place}: {cause}; {}", place.make_writable())]
    Unwritable {
        /// The database.
        place: Place,
        /// What the system said.
        cause: Cause,
    },
    /// Its file is no longer where it was opened: what is written now would be lost with it.
    #[error(
        "{place} was removed or replaced while it was open, so nothing more is kept there; put it \
         back, or restart to begin with what is there now"
    )]
    Replaced {
        /// The database.
        place: Place,
    },
    /// Not a database any more, or never one of ours.
    #[error("{place} is damaged or not a database: {cause}; {}", place.mend())]
    Corrupt {
        /// The database.
        place: Place,
        /// What the database said.
        cause: Cause,
    },
    /// Another program's database, or another one of ours.
    #[error("{place} holds {found}, not {expected}; {}", place.choose_another())]
    Foreign {
        /// The database.
        place: Place,
        /// What it says it is.
        found: String,
        /// What was to be opened.
        expected: &'static str,
    },
    /// A later release has changed it beyond what this program can read.
    #[error(
        "{place} was written by release {release} and needs a program that knows schema \
         {min_reader}, this one knows {known}; run release {release} or newer"
    )]
    TooNew {
        /// The database.
        place: Place,
        /// Who wrote it.
        release: String,
        /// The oldest schema a program may know.
        min_reader: u32,
        /// What this program knows.
        known: u32,
    },
    /// The file system cannot share memory between processes (a network share, mostly).
    #[error("{place} lies on a file system without write-ahead logging; use a local disk")]
    NoWal {
        /// The database.
        place: Place,
    },
    /// The store is shutting down.
    #[error("{place} is closed")]
    Closed {
        /// The database.
        place: Place,
    },
    /// A statement or a stored value is wrong: a defect of ours.
    #[error("a statement on {place} failed: {cause}")]
    Statement {
        /// The database.
        place: Place,
        /// What the database said.
        cause: Cause,
    },
}

impl Error {
    /// Whether the same call may succeed later: answer 503 and let the platform come again. What
    /// can no longer be written may be writable again: a server that has failed over, a file
    /// system mounted read-only for a while.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Full { .. }
                | Self::Io { .. }
                | Self::Unreachable { .. }
                | Self::Lost { .. }
                | Self::Closed { .. }
                | Self::Unwritable { .. }
                | Self::Replaced { .. }
        )
    }

    /// Whether the work may have been kept all the same. With every other error it has not.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}
