//! SQLite and PostgreSQL keep the contract of a ledger.

use std::sync::Arc;

use zaki_ledger::testkit::{Subject, contract};
use zaki_ledger::{PgLedger, SqliteLedger};
use zaki_store::PgOptions;
use zaki_store::testkit::database;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(folder.path().join("ledger.db")).await.unwrap();
        Subject::new(Arc::new(ledger), false, Box::new(folder)).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    if database().await.is_none() {
        return;
    }
    contract(async || {
        let database = database().await.unwrap();
        let (url, options) = (database.url(), PgOptions::default());
        let ledger = PgLedger::connect(&url, &options, PgLedger::TTL).await.unwrap();
        Subject::new(Arc::new(ledger), true, Box::new(database)).await
    })
    .await;
}
