//! A transaction with the keys to what is in it.

use std::ops::Deref;

use rusqlite::{Params, Row};
use zaki_store::Keys;

use crate::Error;
use crate::sealed::Shut;

/// A transaction of the store, as the ledger's operations see it.
pub(super) struct Tx<'a> {
    store: &'a zaki_store::Tx<'a>,
    pub keys: &'a Keys,
}

impl<'a> Tx<'a> {
    pub(super) const fn new(store: &'a zaki_store::Tx<'a>, keys: &'a Keys) -> Self {
        Self { store, keys }
    }

    /// The first row, opened.
    pub(super) fn open_one<T: Shut>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T::Open>, Error> {
        self.one(sql, params, map)?.map(|row| row.open(self.keys)).transpose()
    }

    /// All rows, opened.
    pub(super) fn open_all<T: Shut>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T::Open>, Error> {
        self.all(sql, params, map)?.into_iter().map(|row| row.open(self.keys)).collect()
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = zaki_store::Tx<'a>;

    fn deref(&self) -> &Self::Target {
        self.store
    }
}
