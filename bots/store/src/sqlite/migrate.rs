//! Moving a SQLite database to its schema. The version is `user_version`.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::schema::{Found, Info};
use crate::{Error, Place, Schema};

const INFO: &str = "CREATE TABLE store_info (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    name       TEXT    NOT NULL,
    min_reader INTEGER NOT NULL,
    release    TEXT    NOT NULL
) STRICT";

/// Brings the database up to this schema, or says why this program must keep off.
pub(super) fn apply(schema: &Schema, conn: &mut Connection, place: &Place) -> Result<(), Error> {
    if check(schema, conn, place)? >= schema.known() {
        return Ok(());
    }
    let fail = |error| Error::of_sqlite(place, error);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    // Another process may have been first.
    let version = check(schema, &tx, place)?;
    if version >= schema.known() {
        return Ok(());
    }
    climb(schema, &tx, version).map_err(fail)?;
    tx.commit().map_err(fail)
}

fn check(schema: &Schema, conn: &Connection, place: &Place) -> Result<u32, Error> {
    let found = read_info(conn).map_err(|error| Error::of_sqlite(place, error))?;
    schema.admit(found, place)
}

fn climb(schema: &Schema, tx: &Transaction<'_>, version: u32) -> rusqlite::Result<()> {
    if version == 0 {
        tx.execute_batch(INFO)?;
    }
    for step in schema.after(version) {
        tx.execute_batch(step.sql)?;
    }
    tx.execute(
        "INSERT OR REPLACE INTO store_info (one, name, min_reader, release) VALUES (1, ?, ?, ?)",
        params![schema.name, schema.min_reader(), schema.release],
    )?;
    tx.pragma_update(None, "user_version", schema.known())
}

fn read_info(conn: &Connection) -> rusqlite::Result<Found> {
    let version: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if tables == 0 {
        return Ok(if version == 0 { Found::Nothing } else { Found::Others });
    }
    let has_info = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store_info'";
    if conn.query_row(has_info, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Found::Others);
    }
    let sql = "SELECT name, min_reader, release FROM store_info";
    let info = conn.query_row(sql, [], |row| {
        Ok(Info { name: row.get(0)?, version, min_reader: row.get(1)?, release: row.get(2)? })
    });
    Ok(info.optional()?.map_or(Found::Others, Found::Ours))
}
