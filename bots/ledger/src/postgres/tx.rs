//! The database and its transactions with the keys to what is in them.

use std::ops::Deref;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use zaki_store::{Keys, PgTx, Postgres};

use crate::Error;
use crate::sealed::{Named, Shut, all_legible};

type Answer<T> = std::result::Result<T, tokio_postgres::Error>;
type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The database, as the ledger's operations see it.
#[derive(Clone)]
pub(super) struct Store {
    pub db: Postgres,
    pub keys: Keys,
}

/// A transaction.
pub(super) struct Tx {
    inner: PgTx,
    keys: Keys,
}

/// Rows with their ids, from this column, and what can be read of each.
pub(super) fn named<T>(
    id: usize,
    mut map: impl FnMut(&Row) -> Answer<T>,
) -> impl FnMut(&Row) -> Answer<Named<T>> {
    move |row| Ok((row.try_get(id)?, map(row).ok()))
}

impl Store {
    pub(super) const fn new(db: Postgres, keys: Keys) -> Self {
        Self { db, keys }
    }

    pub(super) fn with_keys(&self, inner: PgTx) -> Tx {
        Tx { inner, keys: self.keys.clone() }
    }

    /// The first row of one statement that only reads, opened.
    pub(super) async fn open_one<T: Shut>(
        &self,
        sql: &str,
        params: Params<'_>,
        map: impl FnOnce(&Row) -> Answer<T>,
    ) -> Result<Option<T::Open>, Error> {
        self.one(sql, params, map).await?.map(|row| row.open(&self.keys)).transpose()
    }

    /// All its rows with their ids, from this column, opened where they can be read.
    pub(super) async fn legible<T: Shut>(
        &self,
        kind: &str,
        sql: &str,
        params: Params<'_>,
        id: usize,
        map: impl FnMut(&Row) -> Answer<T>,
    ) -> Result<Vec<Named<T::Open>>, Error> {
        all_legible(kind, self.all(sql, params, named(id, map)).await?, &self.keys)
    }
}

impl Tx {
    pub(super) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// All rows with their ids, from this column, opened where they can be read.
    pub(super) async fn legible<T: Shut>(
        &self,
        kind: &str,
        sql: &str,
        params: Params<'_>,
        id: usize,
        map: impl FnMut(&Row) -> Answer<T>,
    ) -> Result<Vec<Named<T::Open>>, Error> {
        all_legible(kind, self.all(sql, params, named(id, map)).await?, &self.keys)
    }

    /// The first row, if there is one and it can be read.
    pub(super) async fn legible_one<T: Shut>(
        &self,
        kind: &str,
        sql: &str,
        params: Params<'_>,
        map: impl FnMut(&Row) -> Answer<T>,
    ) -> Result<Option<T::Open>, Error> {
        let rows = self.legible(kind, sql, params, 0, map).await?;
        Ok(rows.into_iter().next().and_then(|(_, row)| row))
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        Ok(self.inner.commit().await?)
    }
}

impl Deref for Store {
    type Target = Postgres;

    fn deref(&self) -> &Postgres {
        &self.db
    }
}

impl Deref for Tx {
    type Target = PgTx;

    fn deref(&self) -> &PgTx {
        &self.inner
    }
}
