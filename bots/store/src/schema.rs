//! Schemas and how they move: expand first, contract a release later, so that releases N and N-1
//! can share a database.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::Error;

/// The shape of one database, as the ordered steps that lead to it. The number of steps applied is
/// its version, kept in `user_version`.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// What the database is: `ledger`, `identity`. Kept in the file, so that one is never taken
    /// for the other.
    pub name: &'static str,
    /// The release of this program, for the words of a refusal.
    pub release: &'static str,
    /// Append only: a step that has been released never changes.
    pub steps: &'static [Step],
}

/// One change.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Statements, run in one transaction with the version.
    pub sql: &'static str,
    /// The oldest schema version a program may know and still use the database after this step.
    /// An expanding step repeats the one before it; a contracting step raises it.
    pub min_reader: u32,
}

const INFO: &str = "CREATE TABLE store_info (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    name       TEXT    NOT NULL,
    min_reader INTEGER NOT NULL,
    release    TEXT    NOT NULL
) STRICT";

/// What a database says about itself.
struct Info {
    name: String,
    min_reader: u32,
    release: String,
}

impl Schema {
    fn known(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// Brings the database up to this schema, or says why this program must keep off. A database
    /// of a later release that still admits this one is left as it is.
    pub(crate) fn apply(&self, conn: &mut Connection, path: &Path) -> Result<(), Error> {
        if self.check(conn, path)? >= self.known() {
            return Ok(());
        }
        let fail = |error| Error::of(path, error);
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        // Another process may have been first.
        let version = self.check(&tx, path)?;
        self.climb(&tx, version).map_err(fail)?;
        tx.commit().map_err(fail)
    }

    /// The version found, once it is certain that the database is ours and not too new.
    fn check(&self, conn: &Connection, path: &Path) -> Result<u32, Error> {
        let fail = |error| Error::of(path, error);
        let version: u32 =
            conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        let foreign =
            |found: String| Error::Foreign { path: path.to_owned(), found, expected: self.name };
        match read_info(conn).map_err(fail)? {
            Found::Nothing if version == 0 => Ok(0),
            Found::Nothing | Found::Others => Err(foreign("another program's tables".into())),
            Found::Ours(info) if info.name != self.name => Err(foreign(info.name)),
            Found::Ours(info) if info.min_reader > self.known() => Err(Error::TooNew {
                path: path.to_owned(),
                release: info.release,
                min_reader: info.min_reader,
                known: self.known(),
            }),
            Found::Ours(_) => Ok(version),
        }
    }

    fn climb(&self, tx: &Transaction<'_>, version: u32) -> rusqlite::Result<()> {
        if version == 0 {
            tx.execute_batch(INFO)?;
        }
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        for step in self.steps.iter().skip(done) {
            tx.execute_batch(step.sql)?;
        }
        let min_reader = self.steps.last().map_or(0, |step| step.min_reader);
        tx.execute(
            "INSERT OR REPLACE INTO store_info (one, name, min_reader, release) VALUES (1, ?, ?, ?)",
            params![self.name, min_reader, self.release],
        )?;
        tx.pragma_update(None, "user_version", self.known())
    }
}

enum Found {
    Nothing,
    Others,
    Ours(Info),
}

fn read_info(conn: &Connection) -> rusqlite::Result<Found> {
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if tables == 0 {
        return Ok(Found::Nothing);
    }
    let has_info = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store_info'";
    if conn.query_row(has_info, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Found::Others);
    }
    let sql = "SELECT name, min_reader, release FROM store_info";
    let info = conn.query_row(sql, [], |row| {
        Ok(Info { name: row.get(0)?, min_reader: row.get(1)?, release: row.get(2)? })
    });
    Ok(info.optional()?.map_or(Found::Others, Found::Ours))
}
