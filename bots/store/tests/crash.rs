//! A program that dies inside a transaction leaves what was answered, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::process::{Command, Stdio};

use zaki_store::{Error, Schema, Sqlite, Step};

const FILE: &str = "ZAKI_TEST_CRASH_FILE";
const SCHEMA: Schema = Schema {
    name: "things",
    release: "0.1.0",
    steps: &[Step { sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT;", min_reader: 1 }],
};

async fn add(store: &Sqlite, id: u32, then: fn()) -> Result<usize, Error> {
    let insert = move |tx: &zaki_store::Tx<'_>| {
        let rows = tx.execute("INSERT INTO thing (id) VALUES (?1)", [id]);
        then();
        rows
    };
    store.write(insert).await
}

/// Not a test: the program that dies, run by the test below.
#[tokio::test]
#[ignore = "run by the test below"]
async fn dies() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let store = Sqlite::open(path, &SCHEMA).await.unwrap();
    add(&store, 1, || {}).await.unwrap();
    let _ = add(&store, 2, || std::process::abort()).await;
}

#[tokio::test]
async fn an_unanswered_write_is_gone_and_an_answered_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("things.db");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dies", "--ignored"])
        .env(FILE, &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(!status.unwrap().success(), "it died");
    let store = Sqlite::open(&path, &SCHEMA).await.unwrap();
    let read = |tx: &zaki_store::Tx<'_>| tx.all("SELECT id FROM thing", [], |row| row.get(0));
    let ids: Result<Vec<u32>, Error> = store.read(read).await;
    assert_eq!(ids.unwrap(), [1]);
}
