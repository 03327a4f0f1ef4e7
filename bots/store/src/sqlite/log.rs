//! The way of the log into the file. Most of it goes while others write, in a thread of its own; the
//! writer does what has come meanwhile, between two transactions, so that the log begins anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::file;
use crate::{Error, Place};

/// Pages (of 4 KiB) after which it is long. Not 1,000 as by default: a page that changes often goes
/// into the file more seldom.
const LONG: usize = 2000;

/// The log of a database, as the connection that writes sees it.
pub(super) struct Log {
    path: PathBuf,
    pages: Arc<AtomicUsize>,
    sweep: Option<JoinHandle<()>>,
}

impl Log {
    /// Takes the place of what SQLite would do within the commit that makes the log long: whoever
    /// waits for that commit would wait for the file, too.
    pub(super) fn of(path: &Path, conn: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicUsize::new(0));
        let seen = pages.clone();
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(usize::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { path: path.to_owned(), pages, sweep: None })
    }

    /// Keeps it short; to be called between transactions, when nobody waits for the last one.
    pub(super) fn tend(&mut self, conn: &Connection) {
        if self.pages.load(Ordering::Relaxed) < LONG {
            return;
        }
        match self.sweep.take() {
            Some(sweep) if !sweep.is_finished() => self.sweep = Some(sweep),
            Some(_) => self.end(conn),
            None => match begin(self.path.clone()) {
                Ok(sweep) => self.sweep = Some(sweep),
                Err(_) => self.end(conn),
            },
        }
    }

    /// What the sweep has left. Should readers still need some of it, the next commit says so.
    fn end(&self, conn: &Connection) {
        checkpoint(conn);
        self.pages.store(0, Ordering::Relaxed);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Its connection closes before the writer's, which then is the last and tidies up.
        let _ = self.sweep.take().map(JoinHandle::join);
    }
}

fn begin(path: PathBuf) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("store-log".to_owned()).spawn(move || match file::open(&path) {
        Ok(conn) => checkpoint(&conn),
        Err(error) => tracing::debug!(%error, "the log waits for its writer"),
    })
}

/// All of it; whoever reads or writes is waited for.
pub(super) fn empty(path: &Path, place: &Place) -> Result<(), Error> {
    let emptied = file::open(path)
        .and_then(|conn| conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)));
    match emptied.map_err(|error| Error::of_sqlite(place, error))? {
        0_i64 => Ok(()),
        _ => Err(Error::Busy { place: place.clone() }),
    }
}

/// As much as readers allow. A failure loses nothing: the log keeps what the file lacks.
fn checkpoint(conn: &Connection) {
    if let Err(error) = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!(%error, "the log stays as long as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(conn: &Connection, bytes: i64) {
        conn.execute("INSERT INTO heap VALUES (zeroblob(?1))", [bytes]).unwrap();
    }

    #[test]
    fn a_long_log_begins_anew_though_nobody_stops_writing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heap.db");
        file::prepare(&path).unwrap();
        let mut conn = file::open_writer(&path, &crate::Place::file(&path)).unwrap();
        let mut log = Log::of(&path, &mut conn).unwrap();
        conn.execute_batch("CREATE TABLE heap (blob BLOB)").unwrap();
        let mut longest = 0;
        for _ in 0..20_000 {
            write(&conn, 40_000);
            log.tend(&conn);
            let pages = log.pages.load(Ordering::Relaxed);
            longest = longest.max(pages);
            if longest > LONG && pages > 0 && pages < 100 {
                return;
            }
        }
        panic!("it has grown to {longest} pages");
    }
}
