//! What SQLite and the file system say, by what to do about it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use rusqlite::ErrorCode;

use crate::error::Cause;
use crate::{Error, Place};

impl Error {
    /// An error of a database that could once be opened. That it cannot be opened again passes:
    /// mostly the system is out of files.
    pub(super) fn of_sqlite(place: &Place, error: rusqlite::Error) -> Self {
        let place = place.clone();
        let code = error.sqlite_error_code();
        let cause: Cause = Arc::new(error);
        match code {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Busy { place },
            Some(ErrorCode::DiskFull) => Self::Full { place },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if place.is_full() => {
                Self::Full { place }
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::CannotOpen) => {
                Self::Io { place, cause }
            }
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::Unwritable { place, cause }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { place, cause }
            }
            _ => Self::Statement { place, cause },
        }
    }

    /// An error of the first opening, where SQLite says alike that it may not and that the system
    /// is out of files. The latter shows when anything else is opened.
    pub(super) fn opening_sqlite(path: &Path, place: &Place, error: rusqlite::Error) -> Self {
        let refused = error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
            && !place.is_full()
            && !File::open(path).is_err_and(|error| out_of_files(&error));
        if refused {
            return Self::Unwritable { place: place.clone(), cause: Arc::new(error) };
        }
        Self::of_sqlite(place, error)
    }

    pub(super) fn of_file(path: &Path, error: io::Error) -> Self {
        let place = Place::file(path);
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::Full { place };
        }
        let passes = out_of_files(&error);
        let cause: Cause = Arc::new(error);
        if passes { Self::Io { place, cause } } else { Self::Unwritable { place, cause } }
    }
}

/// Less than this left over is nothing: SQLite grows its `-shm` file in steps of 32 KiB.
const STEP: u64 = 32 * 1024;

impl Place {
    /// Whether its disk has no room. SQLite says so of a write alone; where it cannot make or
    /// stretch one of the files beside the database, it only says that something failed.
    fn is_full(&self) -> bool {
        let Self::File(path) = self else { return false };
        path.parent().and_then(|folder| statvfs(folder).ok()).is_some_and(|disk| {
            // A file system without a fixed number of files says 0 of 0.
            let no_file = disk.files() > 0 && disk.files_available() == 0;
            no_file || disk.blocks_available().saturating_mul(disk.fragment_size()) < STEP
        })
    }
}

fn out_of_files(error: &io::Error) -> bool {
    let full = [Errno::EMFILE as i32, Errno::ENFILE as i32];
    error.raw_os_error().is_some_and(|code| full.contains(&code))
}
