//! SQLite keeps the contract of a ledger.

use std::sync::Arc;

use zaki_ledger::testkit::{Subject, contract};
use zaki_ledger::{Fence, SqliteLedger};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(folder.path().join("ledger.db")).await.unwrap();
        Subject {
            ledger: Arc::new(ledger),
            fence: Fence::SINGLE,
            stale: Fence::from_token(7),
            keep: Box::new(folder),
        }
    })
    .await;
}
