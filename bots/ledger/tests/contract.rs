//! SQLite keeps the contract of a ledger.

use std::sync::Arc;

use zaki_ledger::SqliteLedger;
use zaki_ledger::testkit::{Subject, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(folder.path().join("ledger.db")).await.unwrap();
        Subject::new(Arc::new(ledger), false, Box::new(folder)).await
    })
    .await;
}
