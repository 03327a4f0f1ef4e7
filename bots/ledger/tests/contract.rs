//! SQLite and PostgreSQL keep the contract of a ledger.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::path::PathBuf;

use zaki_ledger::testkit::{Subject, contract};
use zaki_ledger::{PgLedger, SqliteLedger};
use zaki_store::testkit::{Database, database};
use zaki_store::{Keys, PgOptions};

fn keys() -> Keys {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
    Keys::new([("k1", &key)]).unwrap()
}

/// The contract of ledgers in files that `open` opens.
async fn in_files(open: impl AsyncFn(PathBuf) -> SqliteLedger) {
    contract(async || {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path().join("ledger.db")).await;
        Subject::sqlite(ledger, folder).await
    })
    .await;
}

/// The contract of ledgers on a server, each in a database of its own, that `open` opens.
async fn on_a_server(open: impl AsyncFn(&Database) -> PgLedger) {
    if database().await.is_none() {
        return;
    }
    contract(async || {
        let database = database().await.unwrap();
        let ledger = open(&database).await;
        Subject::postgres(ledger, database).await
    })
    .await;
}

async fn connect(database: &Database) -> PgLedger {
    PgLedger::connect(&database.url(), &PgOptions::default(), PgLedger::TTL).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    in_files(async |path| SqliteLedger::open(path).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    on_a_server(connect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract_with_keys() {
    in_files(async |path| SqliteLedger::open_sealed(path, keys()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract_with_keys() {
    on_a_server(async |database| {
        let (url, options, ttl) = (database.url(), PgOptions::default(), PgLedger::TTL);
        PgLedger::connect_sealed(&url, &options, ttl, keys()).await.unwrap()
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
    in_files(async |path| {
        SqliteLedger::open(&path).await.unwrap().close().await;
        let file = rusqlite::Connection::open(&path).unwrap();
        let version = || file.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0));
        let next = version().unwrap() + 1;
        file.execute_batch(&NEXT.join(";")).unwrap();
        file.pragma_update(None, "user_version", next).unwrap();
        let ledger = SqliteLedger::open(&path).await.unwrap();
        assert_eq!(version().unwrap(), next, "it is left as it is");
        ledger
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract_beside_the_next_release() {
    on_a_server(async |database| {
        connect(database).await.close();
        let steps = [
            "SET search_path = zaki_ledger",
            &NEXT.join(";"),
            "ALTER TABLE replica ADD COLUMN next TEXT; ALTER TABLE lease ADD COLUMN next TEXT",
            "UPDATE store_info SET version = version + 1",
        ];
        database.client().await.batch_execute(&steps.join(";")).await.unwrap();
        let ledger = connect(database).await;
        let release = database.text("SELECT release FROM zaki_ledger.store_info").await;
        assert_eq!(release, ["next"], "it is left as it is");
        ledger
    })
    .await;
}
