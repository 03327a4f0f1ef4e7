//! SQLite and PostgreSQL keep the contract of a ledger.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

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
        Subject::sqlite(ledger, folder).await
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
        Subject::postgres(ledger, database).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract_with_keys() {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = SqliteLedger::open_sealed(path, keys()).await.unwrap();
        Subject::sqlite(ledger, folder).await
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
        Subject::postgres(ledger, database).await
    })
    .await;
}

/// What the next release adds to the schema, as far as this one may work beside it.
const NEXT: [&str; 9] = [
    "ALTER TABLE inbound ADD COLUMN next TEXT",
    "ALTER TABLE turn ADD COLUMN next TEXT",
    "ALTER TABLE delivery ADD COLUMN next TEXT",
    "ALTER TABLE request ADD COLUMN next TEXT",
    "ALTER TABLE seen ADD COLUMN next TEXT",
    "ALTER TABLE reply_handle ADD COLUMN next TEXT",
    "ALTER TABLE dead_letter ADD COLUMN next TEXT",
    "ALTER TABLE cursor ADD COLUMN next TEXT",
    "UPDATE store_info SET release = 'next'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract_beside_the_next_release() {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        SqliteLedger::open(&path).await.unwrap().close().await;
        let file = rusqlite::Connection::open(&path).unwrap();
        let version = || file.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0));
        let next = version().unwrap() + 1;
        file.execute_batch(&NEXT.join(";")).unwrap();
        file.pragma_update(None, "user_version", next).unwrap();
        let ledger = SqliteLedger::open(&path).await.unwrap();
        assert_eq!(version().unwrap(), next, "it is left as it is");
        drop(file);
        Subject::sqlite(ledger, folder).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract_beside_the_next_release() {
    if database().await.is_none() {
        return;
    }
    contract(async || {
        let database = database().await.unwrap();
        let (url, options) = (database.url(), PgOptions::default());
        PgLedger::connect(&url, &options, PgLedger::TTL).await.unwrap().close();
        let steps = [
            "SET search_path = zaki_ledger",
            &NEXT.join(";"),
            "ALTER TABLE replica ADD COLUMN next TEXT; ALTER TABLE lease ADD COLUMN next TEXT",
            "UPDATE store_info SET version = version + 1",
        ];
        database.client().await.batch_execute(&steps.join(";")).await.unwrap();
        let ledger = PgLedger::connect(&url, &options, PgLedger::TTL).await.unwrap();
        let release = database.text("SELECT release FROM zaki_ledger.store_info").await;
        assert_eq!(release, ["next"], "it is left as it is");
        Subject::postgres(ledger, database).await
    })
    .await;
}
