//! Statements that are written once and run on either engine.
//!
//! What both understand is plain SQL: `$1 … $n`, `ON CONFLICT`, `RETURNING`; columns of `BIGINT`,
//! `TEXT` and `BYTEA`; no arrays, no functions of JSON. A sum is to be cast: PostgreSQL's are
//! decimals.

mod either;
mod value;

use crate::Error;

pub use either::Either;
pub use value::{FromValue, Row, Value};

/// A transaction of either engine, as [`transact!`](crate::transact), [`snapshot!`](crate::snapshot)
/// and [`glance!`](crate::glance) hand it out.
///
/// On SQLite the futures are ready at once: whatever else is awaited between two statements must
/// be so too.
#[expect(async_fn_in_trait, reason = "both kinds of futures are known where they are sent")]
pub trait Sql {
    /// Runs a statement that returns no rows; the number of rows it changed.
    async fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, Error>;

    /// All rows.
    async fn all(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error>;

    /// The first row, if there is one.
    async fn one(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, Error>;

    /// Keeps off everybody else who takes this name, or shares it, until the transaction ends.
    /// Several are taken in one order everywhere. SQLite has one writer, which needs no locks.
    async fn lock(&self, name: &str) -> Result<(), Error>;

    /// Keeps off whoever takes this name alone, until the transaction ends.
    async fn share(&self, name: &str) -> Result<(), Error>;
}

/// Parameters of a statement: anything that is [`Into<Value>`].
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] };
}

/// A conversation with a server is kilobytes of state, which whoever asks either engine would carry
/// along, SQLite's as well: it gets a place of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! on_postgres {
    ($begun:expr, |$tx:ident| $work:block) => {
        Box::pin(async {
            match $begun.await {
                Ok($tx) => $work,
                Err(error) => Err(error.into()),
            }
        })
        .await
    };
}

/// Runs a future in a transaction that is kept when it answers `Ok`, and undone otherwise:
/// `transact!(store, |tx| sign_up(tx, user, now))`, where `sign_up` is an
/// `async fn<S: Sql>(tx: &S, …) -> Result<T, E>` with `E: From<Error>`.
///
/// The function is generic, since the engines' own transactions have methods of the same names.
/// What the future is made from is moved in. On SQLite the transaction is shared with others that
/// wait, and dropping the future does not take the write back.
#[macro_export]
macro_rules! transact {
    ($store:expr, |$tx:ident| $work:expr) => {
        match $store {
            $crate::Either::Sqlite(store) => {
                store.write(move |$tx: &$crate::Tx<'_>| $tx.drive($work)).await
            }
            $crate::Either::Postgres(store) => {
                $crate::on_postgres!(store.begin(), |tx| {
                    let $tx = &tx;
                    let done = $work.await;
                    tx.end(done).await
                })
            }
        }
    };
}

/// Runs a future that only reads, on one consistent snapshot.
#[macro_export]
macro_rules! snapshot {
    ($store:expr, |$tx:ident| $work:expr) => {
        match $store {
            $crate::Either::Sqlite(store) => {
                store.read(move |$tx: &$crate::Tx<'_>| $tx.drive($work)).await
            }
            $crate::Either::Postgres(store) => {
                $crate::on_postgres!(store.snapshot(), |tx| {
                    let $tx = &tx;
                    $work.await
                })
            }
        }
    };
}

/// Runs a future that reads a few rows by their keys, as cheaply as the engine can: each statement
/// may see another moment.
#[macro_export]
macro_rules! glance {
    ($store:expr, |$tx:ident| $work:expr) => {
        match $store {
            $crate::Either::Sqlite(store) => {
                store.glance(move |$tx: &$crate::Tx<'_>| $tx.drive($work)).await
            }
            $crate::Either::Postgres(store) => {
                $crate::on_postgres!(store.look(), |tx| {
                    let $tx = &tx;
                    $work.await
                })
            }
        }
    };
}
