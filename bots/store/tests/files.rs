//! A system that is out of file descriptors: it passes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::fs::File;
use std::process::Command;

use zaki_store::{Error, Schema, Sqlite, Step, Tx};

const FOLDER: &str = "ZAKI_TEST_FILES_FOLDER";
const SCHEMA: Schema = Schema {
    name: "things",
    release: "0.1.0",
    steps: &[Step { sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT;", min_reader: 1 }],
};

/// Not a test: the program with few descriptors, run by the test below.
#[tokio::test]
#[ignore = "run by the test below"]
async fn runs_out() {
    let Some(folder) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) else {
        return;
    };
    let store = Sqlite::open(folder.join("open.db"), &SCHEMA).await.unwrap();
    store.write(|tx| tx.execute("INSERT INTO thing (id) VALUES (1)", [])).await.unwrap();
    let count = async || {
        let sql = "SELECT count(*) FROM thing";
        store.read(move |tx: &Tx<'_>| tx.one(sql, [], |row| row.get::<_, u32>(0))).await
    };
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }
    let passes = |error: &Error| assert!(error.is_transient(), "{error}");
    passes(&count().await.unwrap_err());
    passes(&Sqlite::open(folder.join("open.db"), &SCHEMA).await.err().unwrap());
    // Enough for the file itself, and for nothing beside it.
    all.pop();
    passes(&Sqlite::open(folder.join("new.db"), &SCHEMA).await.err().unwrap());
    drop(all);
    assert_eq!(count().await.unwrap(), Some(1));
    assert!(Sqlite::open(folder.join("new.db"), &SCHEMA).await.is_ok());
}

#[test]
fn running_out_of_files_passes() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("/bin/sh")
        .args(["-c", r#"ulimit -n 64 && exec "$0" --exact runs_out --ignored"#])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
