//! The file behind a database: made for its owner alone, opened with the settings that keep what
//! was promised.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::Error;

/// How long to wait for another process (a command line beside a running hub).
const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection; more than we have.
const STATEMENTS: usize = 128;

/// Makes the directory (0700) and the file (0600) where missing; narrows a file others can read.
/// SQLite gives its `-wal` and `-shm` files the mode of the database.
pub(crate) fn prepare(path: &Path) -> Result<(), Error> {
    let fail = |error| Error::unwritable(path, error);
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
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    let conn = open(path)?;
    let fail = |error| Error::of(path, error);
    let mode: String =
        conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(fail)?;
    if mode != "wal" {
        return Err(Error::NoWal { path: path.to_owned() });
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
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let conn = open(path)?;
    conn.pragma_update(None, "query_only", true).map_err(|error| Error::of(path, error))?;
    Ok(conn)
}

fn open(path: &Path) -> Result<Connection, Error> {
    let fail = |error| Error::of(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    conn.busy_timeout(BUSY).map_err(fail)?;
    conn.pragma_update(None, "foreign_keys", true).map_err(fail)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}
