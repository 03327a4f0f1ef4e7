//! A copy of the memory that nothing changes any more: databases by SQLite's own online backup, all
//! else file by file. Made while the agent rests, so that what it says of each other is true.

use std::{fs, io, path::Path, time::Duration};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use zaki_envelope::wire::AgentInfo;

use super::{
    files::{Found, Kind, find},
    manifest::{self, FORMAT, Manifest},
};
use crate::layout::Layout;

/// How long a database may be locked by its owner.
const LOCKED: Duration = Duration::from_secs(5);
/// OpenClaw's own database, and its table in which its processes say what they alone may do.
const STATE: &str = "state/openclaw.sqlite";
const LEASES: &str = "state_leases";

/// Why no copy can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("the state cannot be copied: {0}")]
    Io(#[from] io::Error),
    #[error("a database cannot be copied: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("a database is damaged")]
    Damaged,
}

/// Copies all there is to keep below `to`, and returns what that is.
pub(crate) fn copy(layout: &Layout, to: &Path) -> Result<Vec<Found>, CopyError> {
    let found = find(layout)?;
    let state = layout.openclaw().join(STATE);
    let mut copied = Vec::with_capacity(found.len());
    for it in found {
        let (from, to) = (layout.root().join(&it.path), to.join(&it.path));
        let done = match &it.kind {
            Kind::Directory => fs::create_dir_all(&to).map_err(Into::into),
            Kind::Link(_) => Ok(()),
            Kind::File => fs::copy(&from, &to).map(drop).map_err(Into::into),
            Kind::Database if from == state => {
                copy_database(&from, &to).and_then(|copy| Ok(release(&copy)?))
            }
            Kind::Database => copy_database(&from, &to).map(drop),
        };
        match done {
            // A file of the agent's tools may go while we copy.
            Err(CopyError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            done => {
                done?;
                copied.push(it);
            }
        }
    }
    Ok(copied)
}

/// All committed pages, those of the log included, whoever has it open.
fn copy_database(from: &Path, to: &Path) -> Result<Connection, CopyError> {
    // To write, since a log that was left must be read into it; never to make one.
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.busy_timeout(LOCKED)?;
    let mut copy = Connection::open(to)?;
    copy.pragma_update(None, "synchronous", "OFF")?;
    let backup = Backup::new(&source, &mut copy)?;
    loop {
        match backup.step(-1)? {
            StepResult::Done => break,
            // `busy_timeout` has waited already.
            StepResult::Busy | StepResult::Locked => {
                return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
            }
            _ => {}
        }
    }
    drop(backup);
    Ok(copy)
}

/// What the gateway that runs here holds, nobody holds where the copy is restored: the next one, in
/// another container and so under another name, could not see that this one is gone, and would refuse
/// to start until the lease has run out, five minutes after the backup.
fn release(copy: &Connection) -> rusqlite::Result<()> {
    // What hangs on them, should anything one day, is not ours to judge.
    copy.pragma_update(None, "foreign_keys", "OFF")?;
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?";
    let there: i64 = copy.query_row(sql, [LEASES], |row| row.get(0))?;
    if there > 0 {
        copy.execute(&format!("DELETE FROM {LEASES}"), [])?;
    }
    Ok(())
}

/// Reads the copy once more: its checksums, and whether its databases are sound.
pub(crate) fn describe(
    copy: &Path,
    found: Vec<Found>,
    layout: &Layout,
    lineage: String,
    agent: Option<AgentInfo>,
) -> Result<Manifest, CopyError> {
    let root = layout.root().to_string_lossy().into_owned();
    let mut manifest = Manifest {
        format: FORMAT,
        lineage,
        root,
        agent,
        directories: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
    };
    for Found { path, kind, mode, modified } in found {
        match kind {
            Kind::Directory => manifest.directories.push(manifest::Directory { path, mode }),
            Kind::Link(target) => manifest.links.push(manifest::Link { path, target }),
            Kind::File | Kind::Database => {
                let (whole, database) = (copy.join(&path), kind == Kind::Database);
                if database {
                    check(&whole)?;
                }
                let mut file = fs::File::open(&whole)?;
                let (size, sha256) = manifest::copy(&mut file, &mut io::sink())?;
                let file = manifest::File { path, mode, modified, size, sha256, database };
                manifest.files.push(file);
            }
        }
    }
    Ok(manifest)
}

/// Pages and trees; what only an extension of the agent's could read is not looked into.
fn check(path: &Path) -> Result<(), CopyError> {
    let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A log of its own would be left beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    let said: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(CopyError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is committed and lies in the log alone is in the copy; what is not committed is not.
    #[test]
    fn a_database_in_use_is_copied_as_committed() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(&dir.path().join("state")).unwrap();
        let path = layout.openclaw().join("state/openclaw.sqlite");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let live = Connection::open(&path).unwrap();
        live.pragma_update(None, "journal_mode", "WAL").unwrap();
        live.execute_batch("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('told');").unwrap();
        live.execute_batch(
            "CREATE TABLE state_leases (x TEXT); INSERT INTO state_leases VALUES ('me')",
        )
        .unwrap();
        live.execute_batch("BEGIN; INSERT INTO t VALUES ('half');").unwrap();
        fs::write(layout.root().join("workspace/note"), "n").unwrap();
        let theirs = Connection::open(layout.root().join("workspace/theirs.sqlite")).unwrap();
        let same_name = "CREATE TABLE state_leases (x TEXT); INSERT INTO state_leases VALUES ('x')";
        theirs.execute_batch(same_name).unwrap();
        let to = dir.path().join("copy");
        let found = copy(&layout, &to).unwrap();
        let manifest = describe(&to, found, &layout, "l".into(), None).unwrap();
        assert_eq!((manifest.summary().files, manifest.summary().databases), (3, 2));
        let copied = Connection::open(to.join("openclaw/state/openclaw.sqlite")).unwrap();
        let all: String =
            copied.query_row("SELECT group_concat(x) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(all, "told");
        let held = |of: &Connection| -> i64 {
            of.query_row("SELECT count(*) FROM state_leases", [], |row| row.get(0)).unwrap()
        };
        assert_eq!((held(&live), held(&copied)), (1, 0), "its owner does not go with it");
        let theirs = Connection::open(to.join("workspace/theirs.sqlite")).unwrap();
        assert_eq!(held(&theirs), 1, "what only has its name does");
    }

    #[test]
    fn a_damaged_database_is_no_backup() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(&dir.path().join("state")).unwrap();
        let path = layout.openclaw().join("db.sqlite");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE t (x TEXT);").unwrap();
        for n in 0..2_000 {
            db.execute("INSERT INTO t VALUES (?)", [format!("{n:0100}")]).unwrap();
        }
        drop(db);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at..at + 8_192].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let to = dir.path().join("copy");
        let made = copy(&layout, &to)
            .and_then(|found| describe(&to, found, &layout, "l".into(), None).map(drop));
        assert!(matches!(made, Err(CopyError::Damaged | CopyError::Database(_))), "{made:?}");
    }
}
