//! PostgreSQL for a measurement: a server of our own whose commits wait for the disk.

use anyhow::{Context, Result};
use zaki_store::testkit::{Cluster, Database, Durability};

/// An empty database; the server ends with it.
pub(crate) struct Server {
    pub(crate) database: Database,
    _cluster: Cluster,
}

impl Server {
    /// Starts it.
    pub(crate) async fn start() -> Result<Self> {
        let cluster = Cluster::start(Durability::Full).context("PostgreSQL does not start")?;
        let database = Database::on(cluster.url()).await;
        Ok(Self { database, _cluster: cluster })
    }

    /// The line of a hub's configuration that leads there.
    pub(crate) fn setting(&self) -> String {
        format!("ledger.url = \"{}\"", self.database.address())
    }
}
