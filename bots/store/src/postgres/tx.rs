//! A transaction as queries see it: every statement prepared once per connection, every error
//! classified, every wait bounded.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use deadpool_postgres::Object;
use futures::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::Shared;
use super::mark::{self, Mark};
use crate::{Error, Place};

/// The parameters of a statement.
type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// One transaction, from [`Postgres::begin`](super::Postgres::begin). What is not committed is
/// undone, also when it is just dropped.
pub struct PgTx {
    pub(super) link: Link,
    /// By this the server can be asked later what became of it.
    mark: Option<Mark>,
}

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl PgTx {
    pub(super) async fn begin(mut link: Link) -> Result<Self, Error> {
        let leave = link.prepare(mark::LEAVE).await?;
        let mark = link.shared.writers.take();
        let numbers: Params<'_> = &[&mark.writer, &mark.number];
        link.open = true;
        let client = link.client()?;
        let both = async {
            // Sent in this order, since that is the order of the first polls.
            let (begun, left) =
                futures::join!(client.batch_execute("BEGIN"), client.execute(&leave, numbers));
            begun.and(left)
        };
        link.ask(both).await?;
        Ok(Self { link, mark: Some(mark) })
    }

    /// Begins with a statement, in one round trip.
    pub(super) async fn begin_with<T>(
        mut link: Link,
        sql: &str,
        params: Params<'_>,
        map: impl FnOnce(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<(Self, Option<T>), Error> {
        let (leave, statement) = (link.prepare(mark::LEAVE).await?, link.prepare(sql).await?);
        let mark = link.shared.writers.take();
        let numbers: Params<'_> = &[&mark.writer, &mark.number];
        link.open = true;
        let client = link.client()?;
        let all = async {
            let (begun, left, rows) = futures::join!(
                client.batch_execute("BEGIN"),
                client.execute(&leave, numbers),
                client.query(&statement, params)
            );
            begun.and(left)?;
            rows
        };
        let rows = link.ask(all).await?;
        let first = rows.first().map(map).transpose().map_err(|error| link.failed(&error))?;
        Ok((Self { link, mark: Some(mark) }, first))
    }

    /// Begins one that nobody can ask about later: before there is a place for marks.
    pub(super) async fn begin_unmarked(mut link: Link) -> Result<Self, Error> {
        link.open = true;
        link.batch("BEGIN").await?;
        Ok(Self { link, mark: None })
    }

    /// Runs a statement that returns no rows; the number of rows it changed.
    pub async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Error> {
        self.link.execute(sql, params).await
    }

    /// The first row, if there is one.
    pub async fn one<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        map: impl FnOnce(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Option<T>, Error> {
        self.link.one(sql, params, map).await
    }

    /// All rows.
    pub async fn all<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        map: impl FnMut(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Error> {
        self.link.all(sql, params, map).await
    }

    /// Runs statements as they stand, unprepared.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.link.batch(sql).await
    }

    /// Keeps what was done; once this answers, it is on the disk. After a failed statement there
    /// is nothing to keep, and this fails as that did.
    ///
    /// When the connection breaks meanwhile, the server is asked on another one what became of it.
    /// [`Error::Lost`](crate::Error::Lost): it would not tell.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.link.alive()?;
        let commit = self.link.batch("COMMIT").await;
        self.link.open = commit.is_err();
        let Err(gone) = commit else { return Ok(()) };
        let lost = gone.clone().while_committing();
        let Some(mark) = self.mark.filter(|_| lost.is_unknown()) else { return Err(lost) };
        let shared = Arc::clone(&self.link.shared);
        // Closes the connection, if that is not done: the server may wait for its end.
        drop(self);
        match tokio::time::timeout(shared.deadline, mark.is_kept(&shared)).await {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(gone),
            Ok(None) | Err(_) => Err(lost),
        }
    }

    /// Undoes what was done, and waits for it.
    pub async fn rollback(mut self) {
        self.link.open = self.link.batch("ROLLBACK").await.is_err();
    }

    /// What has failed so far.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.link.failure.get()
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        // What has not been heard to end may still hold its row, and would hold up the next one.
        if let Some(mark) = self.mark.filter(|_| !self.link.open) {
            self.link.shared.writers.give_back(mark);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nothing can be written or locked while reading")]
struct OnlyReads;

/// One connection for as long as somebody holds it.
pub(super) struct Link {
    /// `None` only at the very end.
    client: Option<Object>,
    shared: Arc<Shared>,
    /// Whether there may be a transaction to end.
    open: bool,
    /// The first failure: after it the server does nothing more in this transaction.
    failure: OnceLock<Error>,
}

impl Link {
    pub(super) const fn new(client: Object, shared: Arc<Shared>) -> Self {
        Self { client: Some(client), shared, open: false, failure: OnceLock::new() }
    }

    pub(super) fn place(&self) -> &Place {
        &self.shared.place
    }

    /// For whoever would write where there is only reading.
    pub(super) fn reads(&self) -> Error {
        Error::Statement { place: self.place().clone(), cause: Arc::new(OnlyReads) }
    }

    /// From here on, one moment is seen.
    pub(super) async fn snapshot(mut self) -> Result<Self, Error> {
        self.open = true;
        self.batch(SNAPSHOT).await?;
        Ok(self)
    }

    fn client(&self) -> Result<&Object, Error> {
        let closed = || Error::Closed { place: self.shared.place.clone() };
        self.client.as_ref().ok_or_else(closed)
    }

    fn alive(&self) -> Result<(), Error> {
        self.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Runs statements as they stand, unprepared.
    async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.ask(self.client()?.batch_execute(sql)).await
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        self.alive()?;
        self.ask(self.client()?.prepare_cached(sql)).await
    }

    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Error> {
        let statement = self.prepare(sql).await?;
        self.ask(self.client()?.execute(&statement, params)).await
    }

    async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.prepare(sql).await?;
        self.ask(self.client()?.query(&statement, params)).await
    }

    pub(super) async fn one<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        map: impl FnOnce(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Option<T>, Error> {
        let rows = self.rows(sql, params).await?;
        rows.first().map(map).transpose().map_err(|error| self.failed(&error))
    }

    pub(super) async fn all<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        map: impl FnMut(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.rows(sql, params).await?;
        let values = rows.iter().map(map).collect::<Result<_, _>>();
        values.map_err(|error| self.failed(&error))
    }

    /// Waits for an answer, but not for ever: a network can swallow what it has acknowledged.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.shared.deadline, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.note(Error::silence(&self.shared.place))),
        }
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Error {
        self.note(Error::of_postgres(&self.shared.place, error))
    }

    fn note(&self, error: Error) -> Error {
        self.failure.get_or_init(|| error.clone());
        error
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let gone = matches!(self.failure.get(), Some(Error::Unreachable { .. }));
        if gone {
            // Closes it: there may be an answer on its way that nobody waits for.
            drop(Object::take(client));
        } else if self.open {
            // The first poll puts it in line on the connection; whoever gets that comes after it.
            let _ = client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}
