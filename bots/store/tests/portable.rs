//! One statement, two engines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use tempfile::TempDir;
use zaki_store::testkit::{Database, database};
use zaki_store::{
    Either, Error, Json, PgOptions, Schema, Sql, Step, Text, Value, glance, params, snapshot,
    transact,
};

const THINGS: Schema = Schema {
    name: "things",
    release: "0.1.0",
    steps: &[Step {
        sql: "CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY, name TEXT, raw BYTEA);",
        min_reader: 1,
    }],
};

/// What the database is in; gone when this is dropped.
enum Ground {
    File { _folder: TempDir },
    Server(Box<Database>),
}

async fn sqlite() -> (Either, Ground) {
    let folder = tempfile::tempdir().unwrap();
    let store = Either::sqlite(folder.path().join("things.db"), &THINGS).await.unwrap();
    (store, Ground::File { _folder: folder })
}

async fn postgres() -> Option<(Either, Ground)> {
    let database = database().await?;
    let store = Either::postgres(&database.url(), &PgOptions::default(), &THINGS).await.unwrap();
    Some((store, Ground::Server(Box::new(database))))
}

macro_rules! both {
    ($($part:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                let (store, _ground) = super::sqlite().await;
                super::$part(store).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                let Some((store, _ground)) = super::postgres().await else { return };
                super::$part(store).await;
            })*
        }
    };
}

both! {
    values_come_back_as_they_went,
    parameters_are_counted_by_their_numbers,
    what_fails_is_undone,
    looking_changes_nothing,
    a_snapshot_is_of_one_moment,
    whoever_locks_is_alone,
}

async fn add<S: Sql>(tx: &S, id: i64, name: Option<&str>) -> Result<u64, Error> {
    tx.execute("INSERT INTO thing (id, name) VALUES ($1, $2)", params![id, name]).await
}

async fn count<S: Sql>(tx: &S) -> Result<u64, Error> {
    let row = tx.one("SELECT count(*) FROM thing", params![]).await?;
    row.map_or(Ok(0), |row| row.get(0))
}

async fn run<S: Sql>(tx: &S, sql: &str, values: &[Value]) -> Result<u64, Error> {
    tx.execute(sql, values).await
}

async fn round<S: Sql>(tx: &S) -> Result<(), Error> {
    let add = "INSERT INTO thing (id, name, raw) VALUES ($1, $2, $3) RETURNING id, name, raw";
    for (id, name, raw) in [
        (i64::MIN, Value::from("a\u{1f600}'\""), Value::from(vec![0_u8, 255])),
        (i64::MAX, Value::Null, Value::Null),
        (0, Value::from(Text(7)), Value::from(&[1_u8][..])),
        (1, Value::from(Json(["secret"])), Value::from(None::<Vec<u8>>)),
    ] {
        let row = tx.one(add, &[id.into(), name.clone(), raw.clone()]).await?.unwrap();
        assert_eq!(row.get::<i64>(0)?, id);
        assert_eq!(Value::from(row.get::<Option<String>>(1)?), name);
        assert_eq!(Value::from(row.get::<Option<Vec<u8>>>(2)?), raw);
    }
    let ids = tx.all("SELECT id, name FROM thing WHERE id IN (0, 1) ORDER BY id", &[]).await?;
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0].get::<Text<u8>>(1)?.0, 7);
    assert_eq!(ids[1].get::<Json<Vec<String>>>(1)?.0, ["secret"]);
    let truth = tx.one("SELECT 1 = 1, EXISTS (SELECT 1 FROM thing WHERE id = 5)", &[]).await?;
    let truth = truth.unwrap();
    assert_eq!((truth.get::<bool>(0)?, truth.get::<bool>(1)?), (true, false));

    for misread in [ids[0].get::<String>(0).err(), ids[0].get::<i64>(2).err()] {
        assert!(matches!(misread, Some(Error::Statement { .. })), "{misread:?}");
    }
    assert!(ids[1].get::<Text<u8>>(1).is_err(), "it is no number");
    let told = format!("{:?} {:?}", Value::from("secret"), ids[1]);
    assert!(!told.contains("secret"), "{told}");
    Ok(())
}

async fn values_come_back_as_they_went(store: Either) {
    transact!(&store, |tx| round(tx)).unwrap();
}

async fn parameters_are_counted_by_their_numbers(store: Either) {
    async fn mixed<S: Sql>(tx: &S) -> Result<(), Error> {
        add(tx, 1, Some("old")).await?;
        let set = "UPDATE thing SET name = $2 WHERE id = $1 AND name <> $2";
        assert_eq!(tx.execute(set, params![1_i64, "new"]).await?, 1);
        assert_eq!(tx.execute(set, params![1_i64, "new"]).await?, 0);
        let many = "SELECT $11, $2 FROM thing WHERE $1 = id AND $3 + $4 + $5 + $6 + $7 + $8 + $9 \
                    + $10 = CAST($12 AS BIGINT)";
        let many =
            many.replace("$11,", "CAST($11 AS TEXT),").replace("$2 FROM", "CAST($2 AS TEXT) FROM");
        let many = many.replace("$3 +", "CAST($3 AS BIGINT) +");
        let mut values: Vec<Value> = (1..=12_i64).map(Value::from).collect();
        (values[0], values[1], values[10]) = (1_i64.into(), "two".into(), "eleven".into());
        values[11] = (3..=10_i64).sum::<i64>().into();
        let row = tx.one(&many, &values).await?.unwrap();
        assert_eq!((row.get::<String>(0)?, row.get::<String>(1)?), ("eleven".into(), "two".into()));
        Ok(())
    }
    transact!(&store, |tx| mixed(tx)).unwrap();
    for wrong in [params![1_i64][..].to_vec(), params![1_i64, "a", "b"][..].to_vec()] {
        let set = "UPDATE thing SET name = $2 WHERE id = $1";
        let error = transact!(&store, |tx| run(tx, set, &wrong)).unwrap_err();
        assert!(matches!(error, Error::Statement { .. }), "{error}");
    }
    let error = transact!(&store, |tx| run(tx, "DELETE FROM nonsense", &[])).unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

async fn what_fails_is_undone(store: Either) {
    async fn half<S: Sql>(tx: &S) -> Result<(), Error> {
        add(tx, 1, None).await?;
        tx.execute("INSERT INTO thing (id) VALUES ($1)", params!["no number"]).await?;
        add(tx, 1, None).await.map(drop)
    }
    async fn refuse<S: Sql>(tx: &S) -> Result<(), Error> {
        add(tx, 2, None).await?;
        tx.one("SELECT nonsense", &[]).await.map(drop)
    }
    assert!(transact!(&store, |tx| half(tx)).is_err());
    assert!(transact!(&store, |tx| refuse(tx)).is_err());
    assert_eq!(snapshot!(&store, |tx| count(tx)).unwrap(), 0);
    transact!(&store, |tx| add(tx, 3, None)).unwrap();
    assert_eq!(glance!(&store, |tx| count(tx)).unwrap(), 1);
}

async fn looking_changes_nothing(store: Either) {
    assert!(glance!(&store, |tx| add(tx, 1, None)).is_err());
    assert!(snapshot!(&store, |tx| add(tx, 1, None)).is_err());
    assert_eq!(glance!(&store, |tx| count(tx)).unwrap(), 0);
}

async fn twice<S: Sql>(
    tx: &S,
    looked: tokio::sync::oneshot::Sender<()>,
    written: std::sync::mpsc::Receiver<()>,
) -> Result<(u64, u64), Error> {
    let first = count(tx).await?;
    looked.send(()).unwrap();
    tokio::task::block_in_place(|| written.recv().unwrap());
    Ok((first, count(tx).await?))
}

/// A write in the middle of a snapshot is not seen by it.
async fn a_snapshot_is_of_one_moment(store: Either) {
    let writer = store.clone();
    let (read, written) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel());
    let looked = read.0;
    let write = tokio::spawn(async move {
        read.1.await.unwrap();
        transact!(&writer, |tx| add(tx, 1, None)).unwrap();
        written.0.send(()).unwrap();
    });
    let written = written.1;
    assert_eq!(snapshot!(&store, |tx| twice(tx, looked, written)).unwrap(), (0, 0));
    write.await.unwrap();
    assert_eq!(snapshot!(&store, |tx| count(tx)).unwrap(), 1);
}

/// Each reads, and writes what follows: two at once would find the same.
async fn whoever_locks_is_alone(store: Either) {
    async fn next<S: Sql>(tx: &S) -> Result<u64, Error> {
        tx.lock("things").await?;
        let count = count(tx).await?;
        add(tx, i64::try_from(count).unwrap(), None).await?;
        Ok(count)
    }
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { transact!(&store, |tx| next(tx)) })
        })
        .collect();
    let mut found = Vec::new();
    for task in tasks {
        found.push(task.await.unwrap().unwrap());
    }
    found.sort_unstable();
    assert_eq!(found, (0..20).collect::<Vec<_>>());
}

/// On SQLite everything happens on the thread that writes: nobody may make it wait.
#[tokio::test]
async fn a_write_waits_for_nothing_else() {
    async fn sleepy<S: Sql>(tx: &S) -> Result<u64, Error> {
        let done = add(tx, 1, None).await;
        tokio::task::yield_now().await;
        done
    }
    let (store, _ground) = sqlite().await;
    let error = transact!(&store, |tx| sleepy(tx)).unwrap_err();
    assert!(matches!(error, Error::Statement { .. }), "{error}");
    assert_eq!(glance!(&store, |tx| count(tx)).unwrap(), 0, "nothing is kept");
}

/// Shared locks keep off those who lock alone, and not each other.
#[tokio::test]
async fn locks_are_shared_or_not() {
    let Some((store, Ground::Server(_database))) = postgres().await else { return };
    let Either::Postgres(store) = store else { return };
    let (one, two, three) =
        (store.begin().await.unwrap(), store.begin().await.unwrap(), store.begin().await.unwrap());
    one.share("things").await.unwrap();
    two.share("things").await.unwrap();
    three.lock("other things").await.unwrap();
    one.rollback().await;
    let mut lock = std::pin::pin!(three.lock("things"));
    let waits = futures::poll!(&mut lock).is_pending();
    assert!(waits);
    two.rollback().await;
    lock.await.unwrap();
}
