//! One namespace of a PostgreSQL database: a small pool of connections, each of which is told the
//! same settings.

mod address;
mod error;
mod group;
mod mark;
mod migrate;
mod options;
mod sql;
mod tls;
mod tx;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use secrecy::SecretString;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::{Error, Place, Schema};
use address::Address;
use mark::Writers;
use tx::Link;

pub use group::{Group, Together};
pub use options::PgOptions;
pub use sql::PgView;
pub use tx::PgTx;

/// An open database. Clones share its connections.
///
/// Its connections come and go with the server: while that is away calls fail as transient, and
/// they work again when it is back.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    place: Place,
    deadline: Duration,
    /// It has let us in once.
    opened: AtomicBool,
    writers: Writers,
}

impl Postgres {
    /// Opens the database at `url` (`postgres://user:password@host/database`), making and
    /// migrating the tables of `schema` as needed, in a namespace of their own.
    ///
    /// A server elsewhere must speak TLS with a valid certificate, unless the URL says otherwise
    /// by `sslmode` or `sslrootcert`. A pooler between must be in session mode.
    pub async fn connect(
        url: &SecretString,
        options: &PgOptions,
        schema: &Schema,
    ) -> Result<Self, Error> {
        let address = Address::read(url, options, &migrate::namespace(schema))?;
        let place = address.place.clone();
        let pool = pool(address, options)?;
        let (opened, writers) = (AtomicBool::new(false), Writers::default());
        let deadline = options.deadline();
        let shared = Arc::new(Shared { pool, place, deadline, opened, writers });
        let store = Self { shared };
        migrate::apply(schema, &store).await?;
        store.shared.opened.store(true, Ordering::Relaxed);
        Ok(store)
    }

    /// Begins a transaction, which writes: to read, there are [`Postgres::one`] and [`Postgres::all`].
    pub async fn begin(&self) -> Result<PgTx, Error> {
        PgTx::begin(self.shared.link().await?).await
    }

    /// Begins a transaction with a statement, in one round trip; its first row. It should only look
    /// or lock: nobody would undo what it changed, were the beginning itself refused.
    pub async fn begin_with<T>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        map: impl FnOnce(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<(PgTx, Option<T>), Error> {
        PgTx::begin_with(self.shared.link().await?, sql, params, map).await
    }

    /// Runs one statement in a transaction of its own; the number of rows it changed.
    /// [`Error::Lost`]: it may have been kept.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let done = self.shared.link().await?.execute(sql, params).await;
        done.map_err(Error::while_committing)
    }

    /// The first row of one statement that only reads, if there is one.
    pub async fn one<T>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        map: impl FnOnce(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Option<T>, Error> {
        self.shared.link().await?.one(sql, params, map).await
    }

    /// All rows of one statement that only reads.
    pub async fn all<T>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        map: impl FnMut(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Error> {
        self.shared.link().await?.all(sql, params, map).await
    }

    /// Closes the connections; later calls get [`Error::Closed`].
    pub fn close(&self) {
        self.shared.pool.close();
    }

    /// The database, without the user and the password.
    pub fn place(&self) -> &Place {
        &self.shared.place
    }
}

impl Shared {
    async fn link(self: &Arc<Self>) -> Result<Link, Error> {
        // In a place of its own: whoever writes or reads would carry it along.
        let client = Box::pin(self.pool.get()).await;
        let client = client.map_err(|error| {
            let error = Error::of_pool(&self.place, &error);
            if self.opened.load(Ordering::Relaxed) { error.while_open() } else { error }
        })?;
        Ok(Link::new(client, Arc::clone(self)))
    }
}

fn pool(address: Address, options: &PgOptions) -> Result<Pool, Error> {
    let tls = tls::connector(address.root_certificate.as_deref())?;
    // Nothing is asked of a connection before it is used again: a dead one shows by itself.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(address.config, tls, recycling);
    let pool = Pool::builder(manager)
        .max_size(options.connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.network_timeout))
        .create_timeout(Some(options.network_timeout))
        .build();
    pool.map_err(|_| Error::Closed { place: address.place })
}
