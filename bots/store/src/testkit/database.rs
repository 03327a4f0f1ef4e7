//! A database of its own for each test.

use std::env;
use std::io::ErrorKind;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use tokio_postgres::{Client, Config, NoTls};

use super::{Cluster, Durability};

/// Where a server is given: an address whose user may make databases.
const GIVEN: &str = "ZAKI_TEST_POSTGRES";

/// An empty database, gone when this is dropped.
pub struct Database {
    url: String,
    name: String,
    server: Config,
}

/// A database on the server that `ZAKI_TEST_POSTGRES` names, or on one of our own that the tests
/// of this process share. `None`, after a line that says so, where PostgreSQL is not installed.
pub async fn database() -> Option<Database> {
    let server = match env::var(GIVEN) {
        Ok(url) => url,
        Err(_) => shared()?.url().to_owned(),
    };
    Some(Database::on(&server).await)
}

/// One for all tests of this process. A static is never dropped, but the cluster's watcher notices
/// that we are gone.
fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || match Cluster::start(Durability::Off) {
        Ok(cluster) => Some(cluster),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    };
    let cluster = SHARED.get_or_init(start).as_ref();
    if cluster.is_none() {
        let test = thread::current().name().unwrap_or_default().to_owned();
        println!(
            "SKIPPED {test}: PostgreSQL is not installed (`apt-get install postgresql`, or set \
             {GIVEN} to the address of a server)"
        );
    }
    cluster
}

impl Database {
    /// A database on the server at this address, whose user may make databases.
    pub async fn on(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let name = format!("zaki_test_{}_{now}_{count}", process::id());
        let config: Config = server.parse().unwrap_or_else(|_| panic!("no address of a server"));
        run(&config, &[&format!("CREATE DATABASE {name} TEMPLATE template0")]).await;
        Self { url: renamed(server, &name), name, server: config }
    }

    /// Its address, for [`Postgres::connect`](crate::Postgres::connect).
    pub fn url(&self) -> SecretString {
        self.url.as_str().into()
    }

    /// Its address as text.
    pub fn address(&self) -> &str {
        &self.url
    }

    /// Runs statements, one by one.
    pub async fn run(&self, statements: &[&str]) {
        run(&self.config(), statements).await;
    }

    /// A connection to it, beside those that are tested.
    pub async fn client(&self) -> Client {
        connect(&self.config()).await
    }

    /// The first column of a query, which is text.
    pub async fn text(&self, sql: &str) -> Vec<String> {
        let rows = self.client().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn config(&self) -> Config {
        let mut config = self.server.clone();
        config.dbname(&self.name);
        config
    }
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn run(config: &Config, statements: &[&str]) {
    let client = connect(config).await;
    for sql in statements {
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

/// The address with another database.
fn renamed(url: &str, name: &str) -> String {
    let (base, query) =
        url.split_once('?').map_or((url, String::new()), |(b, q)| (b, format!("?{q}")));
    let scheme = base.find("://").map_or(0, |at| at + 3);
    let host = base[scheme..].find('/').map_or(base, |at| &base[..scheme + at]);
    format!("{host}/{name}{query}")
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A test's runtime may be ending: on another thread, with another one.
        let drop_it = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let done = async {
                let (client, connection) = server.connect(NoTls).await?;
                let (dropped, _) =
                    tokio::join!(async move { client.batch_execute(&sql).await }, connection);
                dropped
            };
            // A server that is gone has no database to remove.
            runtime.is_ok_and(|runtime| runtime.block_on(done).is_ok())
        };
        let _ = thread::spawn(drop_it).join();
    }
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn an_address_is_renamed() {
        assert_eq!(renamed("postgres://a:b@h:1/x?y=z", "n"), "postgres://a:b@h:1/n?y=z");
        assert_eq!(renamed("postgres://h", "n"), "postgres://h/n");
        assert_eq!(renamed("postgres:///x?host=/run", "n"), "postgres:///n?host=/run");
    }
}
