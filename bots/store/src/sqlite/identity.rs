//! Which files a database was opened as. Once one of them is deleted or replaced, SQLite goes on
//! with what it has open, without an error, and everything it commits is lost with that.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The files of an open database.
pub(super) struct Identity {
    files: Vec<(PathBuf, Inode)>,
    looked: Instant,
    is_same: bool,
}

/// The device and the number of a file on it.
type Inode = (u64, u64);

impl Identity {
    /// Those that are there now. A database that has been read has its `-wal` and `-shm` until
    /// nobody has it open any more.
    pub(super) fn of(database: &Path) -> Self {
        let beside = |end: &str| {
            let mut name = OsString::from(database);
            name.push(end);
            PathBuf::from(name)
        };
        let all = ["", "-wal", "-shm"].map(beside).into_iter();
        let files = all.filter_map(|file| Some((inode(&file)?, file))).map(|(id, file)| (file, id));
        Self { files: files.collect(), looked: Instant::now(), is_same: true }
    }

    /// Whether all of them are still there. Looks at most once a second.
    pub(super) fn is_same(&mut self) -> bool {
        if self.looked.elapsed() >= LOOK {
            self.look();
        }
        self.is_same
    }

    fn look(&mut self) {
        self.looked = Instant::now();
        self.is_same = self.files.iter().all(|(file, id)| inode(file).as_ref() == Some(id));
    }
}

fn inode(file: &Path) -> Option<Inode> {
    fs::metadata(file).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_went_is_missed_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let (file, away) = (folder.path().join("a.db"), folder.path().join("away"));
        for name in ["a.db", "a.db-wal"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut identity = Identity::of(&file);
        assert_eq!(identity.files.len(), 2);
        let mut look = || {
            identity.look();
            identity.is_same
        };
        assert!(look());
        for name in ["a.db", "a.db-wal"] {
            let file = folder.path().join(name);
            fs::rename(&file, &away).unwrap();
            assert!(!look(), "{name} is gone");
            fs::write(&file, "").unwrap();
            assert!(!look(), "{name} is another");
            fs::rename(&away, &file).unwrap();
            assert!(look(), "{name} is back");
        }
    }
}
