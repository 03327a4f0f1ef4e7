//! SQLite and PostgreSQL keep the contract of a ledger.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::sync::Arc;

use zaki_ledger::testkit::{Subject, contract};
use zaki_ledger::{PgLedger, SqliteLedger};
use zaki_store::testkit::database;
use zaki_store::{Keys, PgOptions};

fn keys() -> Keys {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
    Keys::new([("k1", &key)]).unwrap()
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract_with_keys() {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = SqliteLedger::open_sealed(path, keys()).await.unwrap();
        Subject::new(Arc::new(ledger), false, Box::new(folder)).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract_with_keys() {
    if database().await.is_none() {
        return;
    }
    contract(async || {
        let database = database().await.unwrap();
        let (url, options, ttl) = (database.url(), PgOptions::default(), PgLedger::TTL);
        let ledger = PgLedger::connect_sealed(&url, &options, ttl, keys()).await.unwrap();
        Subject::new(Arc::new(ledger), true, Box::new(database)).await
    })
    .await;
}
