//! A transaction as queries see it: every statement prepared once, every error classified.

use std::cell::RefCell;

use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::{Error, Place};

/// One transaction, handed to a closure of [`Sqlite::write`](crate::Sqlite::write) or
/// [`Sqlite::read`](crate::Sqlite::read). It ends when the closure does.
pub struct Tx<'c> {
    pub(super) conn: &'c Connection,
    pub(super) place: &'c Place,
    /// The last failure, for the other writes when it has undone the whole transaction.
    failure: RefCell<Option<Error>>,
}

impl<'c> Tx<'c> {
    pub(super) const fn new(conn: &'c Connection, place: &'c Place) -> Self {
        Self { conn, place, failure: RefCell::new(None) }
    }

    /// Runs a statement that returns no rows; the number of rows it changed.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        let run = || self.conn.prepare_cached(sql)?.execute(params);
        run().map_err(|error| self.failed(error))
    }

    /// The first row, if there is one.
    pub fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let run = || self.conn.prepare_cached(sql)?.query_row(params, map).optional();
        run().map_err(|error| self.failed(error))
    }

    /// All rows.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let run = || {
            self.conn.prepare_cached(sql)?.query_map(params, map)?.collect::<rusqlite::Result<_>>()
        };
        run().map_err(|error| self.failed(error))
    }

    /// The row id of the last insert.
    pub fn last_id(&self) -> i64 {
        self.conn.last_insert_rowid()
    }

    /// How many rows have been changed through this connection.
    pub(super) fn changes(&self) -> u64 {
        self.conn.total_changes()
    }

    /// For the writes that share a transaction with one that has left it half done.
    pub(super) fn torn(&self) -> Error {
        Error::Busy { place: self.place.clone() }
    }

    /// For all writes to a file that is no longer there.
    pub(super) fn replaced(&self) -> Error {
        Error::Replaced { place: self.place.clone() }
    }

    /// `Err` when an error (a full disk, mostly) has undone the whole transaction.
    pub(super) fn is_alive(&self) -> Result<(), Error> {
        if !self.conn.is_autocommit() {
            return Ok(());
        }
        let failure = self.failure.borrow_mut().take();
        Err(failure.unwrap_or_else(|| Error::Busy { place: self.place.clone() }))
    }

    /// Whether any statement has failed so far.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> Error {
        let error = Error::of_sqlite(self.place, error);
        self.failure.replace(Some(error.clone()));
        error
    }
}
