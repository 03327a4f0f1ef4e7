//! The file behind a database: made for its owner alone, opened with the settings that keep what
//! was promised.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{Error, Place};

/// How long to wait for another process (a command line beside a running hub).
const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection; more than we have.
const STATEMENTS: usize = 128;

/// What a connection remembers of the file, in KiB: half of what it would by default. The system
/// keeps the pages all the same, so what is missing here costs a copy and not a disk.
const CACHE_KIB: i64 = 1000;
/// And one that only reads: what it remembers is void after each commit.
const READER_CACHE_KIB: i64 = 500;

/// Makes the directory (0700) and the file (0600) where missing; narrows a file others can read.
/// SQLite gives its `-wal` and `-shm` files the mode of the database.
pub(super) fn prepare(path: &Path) -> Result<(), Error> {
    let fail = |error| Error::of_file(path, error);
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        let mut maker = DirBuilder::new();
        maker.recursive(true).mode(0o700).create(folder).map_err(fail)?;
    }
    let file = open_private(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(fail)?;
    }
    Ok(())
}

fn open_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The one connection that writes.
pub(super) fn open_writer(path: &Path, place: &Place) -> Result<Connection, Error> {
    let fail = |error| Error::opening_sqlite(path, place, error);
    let conn = open(path).map_err(fail)?;
    let mode: String =
        conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(fail)?;
    if mode != "wal" {
        return Err(Error::NoWal { place: place.clone() });
    }
    // FULL: a commit is on the disk before it is answered. FAST deletion overwrites what it can
    // for free, so that removed secrets do not linger in reused pages.
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST; \
         PRAGMA journal_size_limit = 67108864;",
    )
    .map_err(fail)?;
    Ok(conn)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path, place: &Place) -> Result<Connection, Error> {
    let open = || {
        let conn = open(path)?;
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        Ok(conn)
    };
    open().map_err(|error| Error::of_sqlite(place, error))
}

/// A connection with the settings of all.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A statement keeps its plan, whatever is bound to it: preparing some anew at every run costs
    // more than any plan gains.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}
