//! SQLite and PostgreSQL are their model, under any schedule of calls.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

use proptest::prelude::*;
use zaki_ledger::testkit::{Subject, schedule};
use zaki_ledger::{PgLedger, SqliteLedger};
use zaki_store::PgOptions;
use zaki_store::testkit::database;

async fn sqlite(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path().join("ledger.db")).await.unwrap();
    let subject = Subject::sqlite(ledger, folder).await;
    schedule(subject, seed, 500).await;
}

/// Up to three replicas at a time.
async fn postgres(seed: u64) {
    let Some(database) = database().await else { return };
    let (url, options) = (database.url(), PgOptions::default());
    let ledger = PgLedger::connect(&url, &options, PgLedger::TTL * 100).await.unwrap();
    let subject = Subject::postgres(ledger, database).await;
    schedule(subject, seed, 800).await;
}

fn run(play: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(play);
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 8,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn sqlite_is_its_model(seed in any::<u64>()) {
        run(sqlite(seed));
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn postgres_is_its_model(seed in any::<u64>()) {
        run(postgres(seed));
    }
}
