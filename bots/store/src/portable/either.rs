//! An open database of either engine.

use std::path::Path;

use secrecy::SecretString;

use crate::{Error, PgOptions, Postgres, Schema, Sqlite};

/// An open database. Clones share it.
#[derive(Clone)]
pub enum Either {
    /// A file.
    Sqlite(Sqlite),
    /// A namespace on a server.
    Postgres(Postgres),
}

impl Either {
    /// As [`Sqlite::open`].
    pub async fn sqlite(path: impl AsRef<Path>, schema: &Schema) -> Result<Self, Error> {
        Ok(Self::Sqlite(Sqlite::open(path, schema).await?))
    }

    /// As [`Postgres::connect`].
    pub async fn postgres(
        url: &SecretString,
        options: &PgOptions,
        schema: &Schema,
    ) -> Result<Self, Error> {
        Ok(Self::Postgres(Postgres::connect(url, options, schema).await?))
    }

    /// As [`Sqlite::delete_securely`]; what a server overwrites is its own affair.
    pub async fn delete_securely(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.delete_securely().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// As [`Sqlite::empty_log`]; a server's log is its own affair.
    pub async fn empty_log(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.empty_log().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Finishes what waits and closes; later calls get [`Error::Closed`].
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close(),
        }
    }
}
