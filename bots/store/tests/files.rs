//! A system that is out of file descriptors, a disk that is full, files that are gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

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

async fn add(store: &Sqlite) -> Result<usize, Error> {
    store.write(|tx| tx.execute("INSERT INTO thing DEFAULT VALUES", [])).await
}

#[tokio::test]
async fn what_would_be_lost_with_its_file_is_not_acknowledged() {
    for gone in ["things.db", "things.db-wal"] {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("things.db"), &SCHEMA).await.unwrap();
        add(&store).await.unwrap();
        assert!(!store.is_failing());
        let (file, away) = (folder.path().join(gone), folder.path().join("away"));
        fs::rename(&file, &away).unwrap();
        // It looks once a second.
        let error = loop {
            match add(&store).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Replaced { .. }) && error.is_transient(), "{error}");
        assert!(error.to_string().contains("restart"), "{error}");
        assert!(store.is_failing());
        fs::rename(&away, &file).unwrap();
        while let Err(error) = add(&store).await {
            assert!(matches!(error, Error::Replaced { .. }), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!store.is_failing());
    }
}

fn run(program: &str, args: &[&str], last: &Path) -> bool {
    Command::new(program).args(args).arg(last).output().is_ok_and(|done| done.status.success())
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_says_so() {
    let folder = tempfile::tempdir().unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"], folder.path()) {
        return println!("SKIPPED: needs the right to mount a small file system");
    }
    let database = folder.path().join("things.db");
    Sqlite::open(&database, &SCHEMA).await.unwrap().close().await;
    let ballast = folder.path().join("ballast");
    let fill = std::io::copy(&mut std::io::repeat(0), &mut File::create(&ballast).unwrap());
    let error = Sqlite::open(&database, &SCHEMA).await.err();
    fs::remove_file(&ballast).unwrap();
    let again = Sqlite::open(&database, &SCHEMA).await;
    if let Ok(store) = &again {
        store.close().await;
    }
    run("umount", &["--lazy"], folder.path());
    assert!(fill.is_err() && again.is_ok());
    assert!(matches!(error, Some(Error::Full { .. })), "{error:?}");
}
