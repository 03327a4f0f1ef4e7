//! SQLite is its model, under any schedule of calls.

use std::sync::Arc;

use proptest::prelude::*;
use zaki_ledger::SqliteLedger;
use zaki_ledger::testkit::{Subject, schedule};

async fn play(seed: u64, steps: u32) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path().join("ledger.db")).await.unwrap();
    let subject = Subject::new(Arc::new(ledger), false, Box::new(folder)).await;
    schedule(subject, seed, steps).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sqlite_is_its_model(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(seed, 500));
    }
}
