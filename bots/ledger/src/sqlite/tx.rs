//! A transaction with the keys to what is in it.

use std::ops::Deref;

use rusqlite::{Params, Row};
use zaki_store::Keys;

use crate::Error;
use crate::sealed::{Named, Shut, all_legible};

/// A transaction of the store, as the ledger's operations see it.
pub(super) struct Tx<'a> {
    store: &'a zaki_store::Tx<'a>,
    pub keys: &'a Keys,
}

/// Rows with their ids, from this column, and what can be read of each.
pub(super) fn named<T>(
    id: usize,
    mut map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> impl FnMut(&Row<'_>) -> rusqlite::Result<Named<T>> {
    move |row| Ok((row.get(id)?, map(row).ok()))
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

    /// All rows with their ids, from this column, opened where they can be read.
    pub(super) fn legible<T: Shut>(
        &self,
        kind: &str,
        sql: &str,
        params: impl Params,
        id: usize,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<Named<T::Open>>, Error> {
        all_legible(kind, self.all(sql, params, named(id, map))?, self.keys)
    }

    /// The first row, if there is one and it can be read.
    pub(super) fn legible_one<T: Shut>(
        &self,
        kind: &str,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T::Open>, Error> {
        let rows = self.legible(kind, sql, params, 0, map)?;
        Ok(rows.into_iter().next().and_then(|(_, row)| row))
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = zaki_store::Tx<'a>;

    fn deref(&self) -> &Self::Target {
        self.store
    }
}
