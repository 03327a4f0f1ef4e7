//! What can go wrong with a store, by what to do about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

/// The cause, whichever database it came from.
type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why the store did not do it. Cheap to clone: one failed commit answers many writes.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else holds it, or too many writes are waiting.
    #[error("{} is busy", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// No space.
    #[error("no space left for {}; free some", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The disk or its file system failed.
    #[error("the disk failed under {}: {cause}", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What the database said.
        #[source]
        cause: Cause,
    },
    /// We may not write there, or there is nowhere to write.
    #[error(
        "cannot write {}: {cause}; make it writable for this user or choose another data directory",
        path.display()
    )]
    Unwritable {
        /// The database.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// Not a database any more, or never one of ours.
    #[error(
        "{} is damaged or not a database: {cause}; move it away and restore a backup",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What the database said.
        #[source]
        cause: Cause,
    },
    /// Another program's database, or another one of ours.
    #[error("{} holds {found}, not {expected}; choose another data directory", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
        /// What it says it is.
        found: String,
        /// What was to be opened.
        expected: &'static str,
    },
    /// A later release has changed it beyond what this program can read.
    #[error(
        "{} was written by release {release} and needs a program that knows schema {min_reader}, \
         this one knows {known}; run release {release} or newer",
        path.display()
    )]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Who wrote it.
        release: String,
        /// The oldest schema a program may know.
        min_reader: u32,
        /// What this program knows.
        known: u32,
    },
    /// The file system cannot share memory between processes (a network share, mostly).
    #[error("{} lies on a file system without write-ahead logging; use a local disk", path.display())]
    NoWal {
        /// The database.
        path: PathBuf,
    },
    /// The store is shutting down.
    #[error("{} is closed", path.display())]
    Closed {
        /// The database.
        path: PathBuf,
    },
    /// A statement or a stored value is wrong: a defect of ours.
    #[error("a statement on {} failed: {cause}", path.display())]
    Statement {
        /// The database.
        path: PathBuf,
        /// What the database said.
        #[source]
        cause: Cause,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing the program or its set-up:
    /// answer 503 and let the platform come again.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Full { .. } | Self::Io { .. } | Self::Closed { .. }
        )
    }

    pub(crate) fn of(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let code = error.sqlite_error_code();
        let cause: Cause = Arc::new(error);
        match code {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Busy { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => Self::Io { path, cause },
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Unwritable { path, cause }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, cause }
            }
            _ => Self::Statement { path, cause },
        }
    }

    pub(crate) fn unwritable(path: &Path, error: std::io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), cause: Arc::new(error) }
    }
}
