//! Transactions: what is kept, what is undone, and who is told what.

use std::time::Duration;

use zaki_store::testkit::database;
use zaki_store::{Error, Json, Text};

use super::{ADD, ids, open};

#[tokio::test]
async fn only_what_is_committed_is_kept() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let tx = store.begin().await.unwrap();
    assert_eq!(tx.execute(ADD, &[&1_i64]).await.unwrap(), 1);
    assert_eq!(ids(&store).await, [] as [i64; 0], "not yet");
    tx.commit().await.unwrap();

    let dropped = store.begin().await.unwrap();
    dropped.execute(ADD, &[&2_i64]).await.unwrap();
    drop(dropped);
    let undone = store.begin().await.unwrap();
    undone.execute(ADD, &[&3_i64]).await.unwrap();
    undone.rollback().await;
    // On every connection of the pool: none is left inside a transaction.
    for id in 10..30_i64 {
        store.execute(ADD, &[&id]).await.unwrap();
    }
    let expected: Vec<_> = std::iter::once(1).chain(10..30).collect();
    assert_eq!(ids(&store).await, expected);
}

#[tokio::test]
async fn begins_with_a_statement() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let lock = "SELECT pg_try_advisory_xact_lock(7)";
    let begin = || store.begin_with(lock, &[], |row| row.try_get::<_, bool>(0));
    let (tx, locked) = begin().await.unwrap();
    assert_eq!(locked, Some(true));
    let (other, locked) = begin().await.unwrap();
    assert_eq!(locked, Some(false), "the lock lives as long as the transaction");
    other.rollback().await;
    tx.execute(ADD, &[&1_i64]).await.unwrap();
    drop(tx);
    assert_eq!(ids(&store).await, [] as [i64; 0]);
    assert!(store.begin_with("SELECT nonsense", &[], |_| Ok(())).await.is_err());
    assert_eq!(begin().await.unwrap().1, Some(true));
}

#[tokio::test]
async fn nobody_is_told_yes_after_a_failed_statement() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let tx = store.begin().await.unwrap();
    tx.execute(ADD, &[&1_i64]).await.unwrap();
    let error = tx.execute(ADD, &[&1_i64]).await.unwrap_err();
    assert!(matches!(error, Error::Statement { .. }) && !error.is_transient(), "{error}");
    assert!(tx.execute(ADD, &[&2_i64]).await.is_err(), "nothing more is done");
    assert!(tx.commit().await.is_err(), "PostgreSQL itself says yes and keeps nothing");
    assert_eq!(ids(&store).await, [] as [i64; 0]);
}

/// Its statement still waits on the server, and with it the row that it has marked.
#[tokio::test]
async fn one_that_was_given_up_holds_up_no_other() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    // Connections and marks that were used before; the third is for the next one.
    let three = [store.begin().await, store.begin().await, store.begin().await];
    for tx in three {
        tx.unwrap().commit().await.unwrap();
    }
    let (holds, waits) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    holds.execute(ADD, &[&1_i64]).await.unwrap();
    let short = Duration::from_millis(50);
    let waited = tokio::time::timeout(short, waits.execute(ADD, &[&1_i64])).await;
    assert!(waited.is_err(), "it waits for the other's row");
    drop(waits);
    let next = tokio::time::timeout(Duration::from_secs(1), store.begin()).await;
    next.expect("waits for what was given up").unwrap().commit().await.unwrap();
    holds.commit().await.unwrap();
}

#[tokio::test]
async fn an_error_holds_no_value() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    database
        .run(&["ALTER TABLE zaki_things.thing ADD CONSTRAINT short CHECK (length(name) < 5)"])
        .await;
    let say = "INSERT INTO thing (id, name) VALUES (1, $1)";
    let cast = "SELECT $1::text::bigint";
    for error in [
        store.execute(say, &[&"a secret message"]).await.unwrap_err(),
        store.one(cast, &[&"a secret message"], |_| Ok(())).await.unwrap_err(),
        store.execute(say, &[&"a secret\0message"]).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Statement { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn values_come_back_as_they_went() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let said = vec!["zero \0 and all".to_owned()];
    let say = "INSERT INTO thing (id, name) VALUES ($1, $2)";
    store.execute(say, &[&1_i64, &Json(&said)]).await.unwrap();
    store.execute(say, &[&2_i64, &Text(7_u8)]).await.unwrap();
    let name = "SELECT name FROM thing WHERE id = $1";
    let json = store.one(name, &[&1_i64], |row| row.try_get(0)).await.unwrap();
    let Some(Json::<Vec<String>>(json)) = json else { panic!("no row") };
    assert_eq!(json, said);
    let text = store.one(name, &[&2_i64], |row| row.try_get(0)).await.unwrap();
    let Some(Text::<u8>(text)) = text else { panic!("no row") };
    assert_eq!(text, 7);

    let error = store.one(name, &[&1_i64], |row| row.try_get::<_, Json<u8>>(0)).await.unwrap_err();
    assert!(matches!(error, Error::Statement { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("zero"), "{error:?}");
}

#[tokio::test]
async fn a_session_has_the_promised_settings() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    for (name, value) in [
        ("synchronous_commit", "on"),
        ("default_transaction_isolation", "read committed"),
        ("search_path", "zaki_things"),
        ("statement_timeout", "5s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "3s"),
        ("tcp_keepalives_count", "3"),
        ("application_name", "zaki"),
    ] {
        let setting = store
            .one("SELECT current_setting($1)", &[&name], |row| row.try_get::<_, String>(0))
            .await
            .unwrap();
        assert_eq!(setting.as_deref(), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    store.close();
    assert!(matches!(store.begin().await, Err(Error::Closed { .. })));
}
