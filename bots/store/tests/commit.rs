//! Group commit: who shares one, who suffers for whom, and what a failure says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use zaki_store::{Error, Schema, Sqlite, Stats, Step, Tx};

const SCHEMA: Schema = Schema {
    name: "things",
    release: "0.1.0",
    steps: &[Step {
        sql: "CREATE TABLE thing (
                id    INTEGER PRIMARY KEY,
                owner INTEGER REFERENCES thing (id),
                data  BLOB
            ) STRICT;",
        min_reader: 1,
    }],
};

type Result<T = usize> = std::result::Result<T, Error>;

async fn open() -> (Sqlite, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("things.db"), &SCHEMA).await.unwrap();
    (store, folder)
}

fn add(tx: &Tx<'_>, id: u32) -> Result {
    tx.execute("INSERT INTO thing (id) VALUES (?1)", [id])
}

async fn ids(store: &Sqlite) -> Vec<u32> {
    let sql = "SELECT id FROM thing ORDER BY id";
    let found: Result<_> = store.read(move |tx| tx.all(sql, [], |row| row.get(0))).await;
    found.unwrap()
}

/// Occupies the writer until told to go on, so that what follows lands in one batch.
async fn occupy(store: &Sqlite) -> (mpsc::Sender<()>, JoinHandle<Result>) {
    let (go, wait) = mpsc::channel::<()>();
    let (started, has_started) = tokio::sync::oneshot::channel();
    let store = store.clone();
    let held = tokio::spawn(async move {
        let hold = move |tx: &Tx<'_>| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            add(tx, 1000)
        };
        store.write(hold).await
    });
    has_started.await.unwrap();
    (go, held)
}

/// Queues a write, in this order.
async fn queue<F>(store: &Sqlite, work: F) -> JoinHandle<Result>
where
    F: FnOnce(&Tx<'_>) -> Result + Send + 'static,
{
    let store = store.clone();
    let task = tokio::spawn(async move { store.write(work).await });
    // One poll puts it in the queue.
    tokio::task::yield_now().await;
    task
}

/// The same for a write without a savepoint.
async fn queue_whole<F>(store: &Sqlite, work: F) -> JoinHandle<Result>
where
    F: FnOnce(&Tx<'_>) -> Result + Send + 'static,
{
    let store = store.clone();
    let task = tokio::spawn(async move { store.write_whole(work).await });
    tokio::task::yield_now().await;
    task
}

#[tokio::test]
async fn a_whole_write_that_fails_before_its_first_change_fails_alone() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    let before = queue_whole(&store, |tx| add(tx, 1)).await;
    let failing = queue_whole(&store, |tx| {
        add(tx, 1)?;
        add(tx, 2)
    });
    let failing = failing.await;
    let after = queue_whole(&store, |tx| add(tx, 3)).await;
    go.send(()).unwrap();
    for task in [held, before, after] {
        task.await.unwrap().unwrap();
    }
    assert!(matches!(failing.await.unwrap(), Err(Error::Statement { .. })));
    assert_eq!(ids(&store).await, [1, 3, 1000]);
}

#[tokio::test]
async fn a_whole_write_that_fails_after_a_change_leaves_nothing_of_its_transaction() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    let before = queue(&store, |tx| add(tx, 1)).await;
    let failing = queue_whole(&store, |tx| {
        add(tx, 2)?;
        add(tx, 2)
    });
    let failing = failing.await;
    let after = queue_whole(&store, |tx| add(tx, 3)).await;
    go.send(()).unwrap();
    for task in [held, before, after] {
        assert!(task.await.unwrap().unwrap_err().is_transient(), "they may come again");
    }
    assert!(matches!(failing.await.unwrap(), Err(Error::Statement { .. })));
    assert!(ids(&store).await.is_empty());
    store.write_whole(|tx| add(tx, 4)).await.unwrap();
    assert_eq!(ids(&store).await, [4]);
}

#[tokio::test]
async fn what_waits_shares_a_commit() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    let mut tasks = Vec::new();
    for id in 0..50 {
        tasks.push(queue(&store, move |tx| add(tx, id)).await);
    }
    assert_eq!(store.stats(), Stats { commits: 0, writes: 0 });
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.stats(), Stats { commits: 1, writes: 51 });
    assert_eq!(ids(&store).await.len(), 51);
}

#[tokio::test]
async fn a_lone_write_waits_for_nobody() {
    let (store, _folder) = open().await;
    for id in 0..5 {
        store.write(move |tx| add(tx, id)).await.unwrap();
    }
    assert_eq!(store.stats(), Stats { commits: 5, writes: 5 });
}

#[tokio::test]
async fn a_failing_write_takes_only_itself_down() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    let before = queue(&store, |tx| add(tx, 1)).await;
    let twice = |tx: &Tx<'_>| add(tx, 2).and_then(|_| add(tx, 1));
    let failing = queue(&store, twice).await;
    let panicking = queue(&store, |tx| {
        add(tx, 3)?;
        panic!("a defect (this panic is part of the test)")
    });
    let panicking = panicking.await;
    let after = queue(&store, |tx| add(tx, 4)).await;
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    before.await.unwrap().unwrap();
    let error = failing.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Statement { .. }) && !error.is_transient(), "{error}");
    assert!(matches!(panicking.await.unwrap(), Err(Error::Closed { .. })));
    after.await.unwrap().unwrap();
    assert_eq!(ids(&store).await, [1, 4, 1000]);
}

#[tokio::test]
async fn a_failing_commit_fails_everybody_in_it() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    let innocent = queue(&store, |tx| add(tx, 1)).await;
    // A foreign key that is checked at the commit, and wrong then.
    let culprit = queue(&store, |tx| {
        tx.execute("PRAGMA defer_foreign_keys = ON", [])?;
        tx.execute("INSERT INTO thing (id, owner) VALUES (2, 99)", [])
    });
    let culprit = culprit.await;
    go.send(()).unwrap();
    for task in [held, innocent, culprit] {
        assert!(task.await.unwrap().is_err());
    }
    assert_eq!(ids(&store).await, [] as [u32; 0]);
    assert_eq!(store.stats(), Stats { commits: 0, writes: 0 });
    store.write(|tx| add(tx, 5)).await.unwrap();
    assert_eq!(ids(&store).await, [5]);
}

#[tokio::test]
async fn nobody_is_told_yes_when_the_transaction_is_gone() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    // As SQLite itself does on some errors of the disk, even if the write that met it hides it.
    let culprit = queue(&store, |tx| tx.execute("ROLLBACK", []).and(Ok(0))).await;
    let behind = queue(&store, |tx| add(tx, 1)).await;
    go.send(()).unwrap();
    for task in [held, culprit, behind] {
        let error = task.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(ids(&store).await, [] as [u32; 0]);
    store.write(|tx| add(tx, 5)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_passes() {
    let (store, _folder) = open().await;
    let limit = |pages: u32| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        let set = move |tx: &Tx<'_>| tx.one(&sql, [], |row| row.get::<_, u32>(0));
        store.write(set)
    };
    let fill =
        || store.write(|tx| tx.execute("INSERT INTO thing (data) VALUES (zeroblob(100000))", []));
    limit(20).await.unwrap();
    let error = fill().await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }) && error.is_transient(), "{error}");
    assert!(store.is_failing());
    assert!(store.write(|tx| add(tx, 7)).await.is_ok(), "a small one still fits");
    assert!(!store.is_failing());
    limit(100_000).await.unwrap();
    fill().await.unwrap();
    assert_eq!(ids(&store).await, [7, 8]);
}

#[tokio::test]
async fn a_queue_that_is_too_long_says_so() {
    let (store, _folder) = open().await;
    let (go, held) = occupy(&store).await;
    let mut tasks = Vec::new();
    for id in 0..1024 {
        tasks.push(queue(&store, move |tx| add(tx, id)).await);
    }
    let error = store.write(|tx| add(tx, 9999)).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }) && error.is_transient(), "{error}");
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    let mut stored = 0;
    for task in tasks {
        stored += usize::from(task.await.unwrap().is_ok());
    }
    assert_eq!(stored, 1023, "all but the one whose id was taken");
}

#[tokio::test]
async fn closing_finishes_what_waits() {
    let (store, folder) = open().await;
    let (go, held) = occupy(&store).await;
    let waiting = queue(&store, |tx| add(tx, 1)).await;
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    closing.await.unwrap();
    assert!(matches!(store.write(|tx| add(tx, 2)).await, Err(Error::Closed { .. })));
    let read: Result<_> = store.read(|tx| tx.execute("SELECT 1", [])).await;
    assert!(matches!(read, Err(Error::Closed { .. })));
    assert!(!folder.path().join("things.db-wal").exists(), "all of it is in the file itself");
    let again = Sqlite::open(folder.path().join("things.db"), &SCHEMA).await.unwrap();
    assert_eq!(ids(&again).await, [1, 1000]);
}

#[tokio::test]
async fn reading_neither_writes_nor_waits() {
    let (store, _folder) = open().await;
    store.write(|tx| add(tx, 1)).await.unwrap();
    let written = store.read(|tx| add(tx, 2)).await.unwrap_err();
    assert!(matches!(written, Error::Unwritable { .. }), "{written}");
    let (go, held) = occupy(&store).await;
    let seen = tokio::time::timeout(Duration::from_mins(1), ids(&store)).await;
    assert_eq!(seen.unwrap(), [1], "beside a writer that is not done");
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(ids(&store).await, [1, 1000]);
}

#[tokio::test]
async fn a_glance_stays_on_its_thread_when_a_reader_is_free() {
    let (store, _folder) = open().await;
    store.write(|tx| add(tx, 1)).await.unwrap();
    let glance = || {
        store.glance(|tx| {
            let id = tx.one("SELECT id FROM thing", [], |row| row.get::<_, u32>(0))?;
            Ok::<_, Error>((id, std::thread::current().id()))
        })
    };
    let here = std::thread::current().id();
    let (id, there) = glance().await.unwrap();
    assert_eq!(id, Some(1));
    assert_ne!(there, here, "the first has to open the file");
    assert_eq!(glance().await.unwrap(), (Some(1), here));
    store.close().await;
    assert!(matches!(glance().await, Err(Error::Closed { .. })));
}
