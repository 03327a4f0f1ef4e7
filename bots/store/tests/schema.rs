//! Opening: what is made, what is moved, what is refused and in which words.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zaki_store::{Error, Schema, Sqlite, Step};

const FIRST: Step = Step {
    sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;",
    min_reader: 1,
};
/// Expands: a program that knows step 1 alone still works.
const EXPAND: Step = Step {
    sql: "ALTER TABLE thing ADD COLUMN size INTEGER; CREATE INDEX thing_size ON thing (size);",
    min_reader: 1,
};
/// Contracts: it no longer does.
const CONTRACT: Step =
    Step { sql: "ALTER TABLE thing RENAME COLUMN name TO title;", min_reader: 2 };
const BROKEN: Step = Step {
    sql: "CREATE TABLE other (id INTEGER) STRICT; CREATE TABLE thing (id INTEGER) STRICT;",
    min_reader: 1,
};

const fn schema(release: &'static str, steps: &'static [Step]) -> Schema {
    Schema { name: "things", release, steps }
}

const V1: Schema = schema("0.1.0", &[FIRST]);
const V2: Schema = schema("0.2.0", &[FIRST, EXPAND]);
const V3: Schema = schema("0.3.0", &[FIRST, EXPAND, CONTRACT]);

async fn add(store: &Sqlite, name: &'static str) -> Result<usize, Error> {
    let sql = "INSERT INTO thing (name) VALUES (?1)";
    store.write(move |tx| tx.execute(sql, [name])).await
}

async fn count(store: &Sqlite, sql: &'static str) -> i64 {
    let found: Result<_, Error> = store.read(move |tx| tx.one(sql, [], |row| row.get(0))).await;
    found.unwrap().unwrap()
}

fn refusal(opened: Result<Sqlite, Error>) -> Error {
    match opened {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn expands_and_then_contracts_beside_the_release_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("things.db");
    let old = Sqlite::open(&path, &V1).await.unwrap();
    add(&old, "one").await.unwrap();

    let new = Sqlite::open(&path, &V2).await.unwrap();
    add(&old, "two").await.unwrap();
    add(&new, "three").await.unwrap();
    assert_eq!(count(&new, "SELECT count(*) FROM thing WHERE size IS NULL").await, 3);
    old.close().await;
    let old = Sqlite::open(&path, &V1).await.unwrap();
    add(&old, "four").await.unwrap();
    assert_eq!(count(&new, "PRAGMA user_version").await, 2, "the older one changes nothing");

    let newest = Sqlite::open(&path, &V3).await.unwrap();
    assert_eq!(count(&newest, "SELECT count(title) FROM thing").await, 4);
    let error = refusal(Sqlite::open(&path, &V1).await);
    assert!(matches!(error, Error::TooNew { min_reader: 2, known: 1, .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("run release 0.3.0 or newer") && words.contains("things.db"), "{words}");
    assert!(!error.is_transient());
    assert!(Sqlite::open(&path, &V2).await.is_ok(), "release N-1 still may");
}

#[tokio::test]
async fn a_step_is_taken_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("things.db");
    let store = Sqlite::open(&path, &V1).await.unwrap();
    let broken = schema("0.2.0", &[FIRST, BROKEN]);
    let error = refusal(Sqlite::open(&path, &broken).await);
    assert!(matches!(error, Error::Statement { .. }), "{error}");
    assert_eq!(count(&store, "PRAGMA user_version").await, 1);
    let other = "SELECT count(*) FROM sqlite_schema WHERE name = 'other'";
    assert_eq!(count(&store, other).await, 0);
}

#[tokio::test]
async fn two_that_start_at_once_both_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("things.db");
    let (a, b) = tokio::join!(Sqlite::open(&path, &V2), Sqlite::open(&path, &V2));
    add(&a.unwrap(), "one").await.unwrap();
    add(&b.unwrap(), "two").await.unwrap();
}

#[tokio::test]
async fn keeps_off_what_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("things.db");
    Sqlite::open(&path, &V1).await.unwrap().close().await;
    let other = Schema { name: "people", ..V1 };
    let error = refusal(Sqlite::open(&path, &other).await);
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("holds things, not people"), "{error}");

    let strange = folder.path().join("strange.db");
    let conn = rusqlite::Connection::open(&strange).unwrap();
    conn.execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
    assert!(matches!(refusal(Sqlite::open(&strange, &V1).await), Error::Foreign { .. }));

    let text = folder.path().join("text.db");
    fs::write(&text, "this is no database at all".repeat(100)).unwrap();
    let error = refusal(Sqlite::open(&text, &V1).await);
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("text.db"), "{error}");
    let said = |words: &str| error.to_string().matches(words).count();
    assert!(std::error::Error::source(&error).is_none(), "a chain would say it twice");
    assert_eq!((said("file is not a database"), said("restore a backup")), (1, 1), "{error}");
}

#[tokio::test]
async fn says_where_it_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    // Works for root as well: below a file there is nowhere to write.
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refusal(Sqlite::open(file.join("things.db"), &V1).await);
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("file/things.db") && words.contains("data directory"), "{words}");
    assert!(!words.contains('\n'));
}

#[tokio::test]
async fn is_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/things.db");
    let store = Sqlite::open(&path, &V1).await.unwrap();
    add(&store, "one").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for name in ["things.db", "things.db-wal", "things.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    store.close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = Sqlite::open(&path, &V1).await.unwrap();
    assert_eq!(mode(&path), 0o600, "narrowed");
}

#[tokio::test]
async fn a_commit_is_on_the_disk_and_keeps_its_references() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("things.db"), &V1).await.unwrap();
    let ask = async |sql: &'static str| {
        let read: Result<Option<i64>, Error> =
            store.write(move |tx| tx.one(sql, [], |row| row.get(0))).await;
        read.unwrap()
    };
    assert_eq!(ask("PRAGMA synchronous").await, Some(2), "FULL");
    assert_eq!(ask("PRAGMA foreign_keys").await, Some(1));
    let mode: Result<Option<String>, Error> =
        store.read(|tx| tx.one("PRAGMA journal_mode", [], |row| row.get(0))).await;
    assert_eq!(mode.unwrap().as_deref(), Some("wal"));
}
