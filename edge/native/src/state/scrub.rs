//! Making sure that what was deleted is gone from the disk.
//!
//! SQLite keeps what it deleted in pages it has not used again, in the unused ends of others, and in
//! its write-ahead log. The first is overwritten at every deletion, the last emptied by the store
//! ([`Sqlite::empty_log`](zaki_store::Sqlite::empty_log)); should a trace be found all the same, the
//! file is built anew.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::State;

/// How long the writer and readers may keep us from it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// Why a trace may be left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrubError {
    /// Reading the file.
    #[error("the database cannot be read")]
    Read(#[from] io::Error),
    /// Building the file anew.
    #[error("the database cannot be rewritten")]
    Rewrite(#[from] rusqlite::Error),
    /// Emptying the log.
    #[error(transparent)]
    Log(#[from] zaki_store::Error),
    /// The program goes down.
    #[error("interrupted")]
    Interrupted,
    /// Nothing helped.
    #[error("a trace is left in the database")]
    Trace,
}

impl State {
    /// Returns when `trace` is nowhere in the database's files.
    pub(crate) async fn scrub(&self, trace: String) -> Result<(), ScrubError> {
        if !self.holds(&trace).await? {
            return Ok(());
        }
        self.rebuild().await?;
        if self.holds(&trace).await? { Err(ScrubError::Trace) } else { Ok(()) }
    }

    /// Whether it is anywhere in them, once the log is empty.
    async fn holds(&self, trace: &str) -> Result<bool, ScrubError> {
        self.db.empty_log().await?;
        let (path, trace) = (self.path.clone(), trace.to_owned());
        let found = spawn_blocking(move || is_in_files(&path, trace.as_bytes()));
        Ok(found.await.map_err(|_| ScrubError::Interrupted)??)
    }

    async fn rebuild(&self) -> Result<(), ScrubError> {
        let path = self.path.clone();
        let rebuilt = spawn_blocking(move || {
            let db = Connection::open(path)?;
            db.busy_timeout(PATIENCE)?;
            db.execute_batch("VACUUM")
        });
        Ok(rebuilt.await.map_err(|_| ScrubError::Interrupted)??)
    }
}

fn is_in_files(path: &Path, trace: &[u8]) -> io::Result<bool> {
    let log = PathBuf::from(format!("{}-wal", path.display()));
    Ok(is_in(path, trace)? || (log.exists() && is_in(&log, trace)?))
}

fn is_in(path: &Path, trace: &[u8]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut chunk = Vec::with_capacity(CHUNK + trace.len());
    loop {
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk)?;
        if chunk.windows(trace.len().max(1)).any(|window| window == trace) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // A trace may lie across two chunks.
        let kept = chunk.len().saturating_sub(trace.len());
        chunk.drain(..kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_found_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for at in [0, 1, CHUNK - 4, CHUNK - 1, CHUNK, 2 * CHUNK - 3, 3 * CHUNK] {
            let mut bytes = vec![b'.'; at];
            bytes.extend(b"trace");
            std::fs::write(&path, &bytes).unwrap();
            assert!(is_in(&path, b"trace").unwrap(), "at {at}");
            std::fs::write(&path, &bytes[..at + 4]).unwrap();
            assert!(!is_in(&path, b"trace").unwrap());
        }
    }

    #[tokio::test]
    async fn what_lies_in_unused_pages_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.db");
        let state = State::open(&path).await.unwrap();
        // As an earlier release left it: freed pages that nobody overwrote.
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA secure_delete = OFF; CREATE TABLE t (x TEXT);").unwrap();
        let text = "the-trace ".repeat(10_000);
        db.execute("INSERT INTO t VALUES (?)", [text]).unwrap();
        db.execute_batch("DROP TABLE t; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
        assert!(is_in_files(&path, b"the-trace").unwrap(), "nothing to scrub");
        state.scrub("the-trace".to_owned()).await.unwrap();
        assert!(!is_in_files(&path, b"the-trace").unwrap());
        state.save_setting(super::super::Setting::Port, 7).await.unwrap();
        state.close().await;
    }
}
