//! Trouble for a store: somebody else holds it, or the disk under it is full.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rusqlite::Connection;

/// A write lock on a SQLite database, as a backup program or a stalled disk holds it. Whoever else
/// wants to write is refused until this is dropped.
pub struct Held(Connection);

impl Held {
    /// Takes it.
    pub fn on(database: &Path) -> Result<Self> {
        let conn = Connection::open(database)?;
        conn.busy_timeout(crate::SOON)?;
        let held = conn.execute_batch("BEGIN IMMEDIATE");
        held.with_context(|| format!("cannot lock {}", database.display()))?;
        Ok(Self(conn))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.execute_batch("ROLLBACK");
    }
}

/// How many deliveries a ledger says are being sent. The hub must not run.
pub fn in_flight(ledger: &Path) -> Result<usize> {
    let conn = Connection::open(ledger)?;
    conn.busy_timeout(crate::SOON)?;
    let count = "SELECT count(*) FROM delivery WHERE state = 'sending'";
    let count: i64 = conn.query_row(count, [], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}

/// A file system of a few megabytes, so that it can be filled. Only root can have one.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it on `at`; `None` where that is not allowed.
    pub fn mount(at: &Path, megabytes: u32) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        Ok(done.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned())))
    }

    /// Leaves no byte free. What to remove to have room again.
    pub fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filling");
        let mut file = std::fs::File::create(&path)?;
        let full = std::io::copy(&mut std::io::repeat(0), &mut file);
        anyhow::ensure!(full.is_err(), "the disk has no end");
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
