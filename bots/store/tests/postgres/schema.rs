//! Opening: what is made, what is moved, what is refused and in which words.

use secrecy::SecretString;
use zaki_store::testkit::{Database, database};
use zaki_store::{Error, PgOptions, Postgres, Schema, Step};

const FIRST: Step = Step {
    sql: "CREATE TABLE thing (id bigserial PRIMARY KEY, name text NOT NULL);",
    min_reader: 1,
};
/// Expands: a program that knows step 1 alone still works.
const EXPAND: Step = Step {
    sql: "ALTER TABLE thing ADD COLUMN size bigint; CREATE INDEX thing_size ON thing (size);",
    min_reader: 1,
};
/// Contracts: it no longer does.
const CONTRACT: Step =
    Step { sql: "ALTER TABLE thing RENAME COLUMN name TO title;", min_reader: 2 };
const BROKEN: Step =
    Step { sql: "CREATE TABLE other (id bigint); CREATE TABLE thing (id bigint);", min_reader: 1 };

const fn schema(release: &'static str, steps: &'static [Step]) -> Schema {
    Schema { name: "things", release, steps }
}

const V1: Schema = schema("0.1.0", &[FIRST]);
const V2: Schema = schema("0.2.0", &[FIRST, EXPAND]);
const V3: Schema = schema("0.3.0", &[FIRST, EXPAND, CONTRACT]);

async fn connect(database: &Database, schema: &Schema) -> Result<Postgres, Error> {
    Postgres::connect(&database.url(), &PgOptions::default(), schema).await
}

async fn refusal(url: String, schema: &Schema) -> Error {
    match Postgres::connect(&SecretString::from(url), &PgOptions::default(), schema).await {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

async fn add(store: &Postgres, name: &str) {
    store.execute("INSERT INTO thing (name) VALUES ($1)", &[&name]).await.unwrap();
}

async fn count(store: &Postgres, sql: &str) -> i64 {
    store.one(sql, &[], |row| row.try_get(0)).await.unwrap().unwrap()
}

#[tokio::test]
async fn expands_and_then_contracts_beside_the_release_before() {
    let Some(database) = database().await else { return };
    let old = connect(&database, &V1).await.unwrap();
    add(&old, "one").await;

    let new = connect(&database, &V2).await.unwrap();
    add(&old, "two").await;
    add(&new, "three").await;
    assert_eq!(count(&new, "SELECT count(*) FROM thing WHERE size IS NULL").await, 3);
    old.close();
    let old = connect(&database, &V1).await.unwrap();
    add(&old, "four").await;
    let version = "SELECT version::bigint FROM store_info";
    assert_eq!(count(&new, version).await, 2, "the older one changes nothing");

    let newest = connect(&database, &V3).await.unwrap();
    assert_eq!(count(&newest, "SELECT count(title) FROM thing").await, 4);
    let error = refusal(database.address().to_owned(), &V1).await;
    assert!(matches!(error, Error::TooNew { min_reader: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("run release 0.3.0 or newer"), "{error}");
    assert!(!error.is_transient());
    assert!(connect(&database, &V2).await.is_ok(), "release N-1 still may");
}

#[tokio::test]
async fn a_step_is_taken_whole_or_not_at_all() {
    let Some(database) = database().await else { return };
    let store = connect(&database, &V1).await.unwrap();
    let broken = schema("0.2.0", &[FIRST, BROKEN]);
    let error = refusal(database.address().to_owned(), &broken).await;
    assert!(matches!(error, Error::Statement { .. }), "{error}");
    assert_eq!(count(&store, "SELECT version::bigint FROM store_info").await, 1);
    assert_eq!(count(&store, "SELECT count(*) FROM pg_class WHERE relname = 'other'").await, 0);
}

#[tokio::test]
async fn all_that_start_at_once_open() {
    let Some(database) = database().await else { return };
    let (a, b, c) =
        tokio::join!(connect(&database, &V2), connect(&database, &V1), connect(&database, &V2),);
    for store in [a, b, c] {
        add(&store.unwrap(), "one").await;
    }
}

/// As releases left it that did not know of marks.
#[tokio::test]
async fn a_place_for_marks_is_made_where_there_is_none() {
    let Some(database) = database().await else { return };
    connect(&database, &V1).await.unwrap();
    database.run(&["DROP TABLE zaki_things.store_commits"]).await;
    let (a, b) = tokio::join!(connect(&database, &V1), connect(&database, &V1));
    for store in [a.unwrap(), b.unwrap()] {
        store.begin().await.unwrap().commit().await.unwrap();
        assert!(count(&store, "SELECT count(*) FROM store_commits").await > 0);
    }
}

#[tokio::test]
async fn several_live_side_by_side_and_none_takes_anothers_place() {
    let Some(database) = database().await else { return };
    let things = connect(&database, &V1).await.unwrap();
    let people = connect(&database, &Schema { name: "people", ..V2 }).await.unwrap();
    add(&things, "one").await;
    assert_eq!(count(&people, "SELECT count(*) FROM thing").await, 0, "tables of its own");

    database
        .run(&["CREATE SCHEMA zaki_bookmarks", "CREATE TABLE zaki_bookmarks.b (url text)"])
        .await;
    let error = refusal(database.address().to_owned(), &Schema { name: "bookmarks", ..V1 }).await;
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("choose another database"), "{error}");
}

#[tokio::test]
async fn says_what_to_do_when_it_is_turned_away() {
    let Some(database) = database().await else { return };
    let url = database.address();
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let strange = |who: &str| format!("{scheme}://{who}@{host}");

    // On a server that trusts everybody a password cannot be wrong, but the user can.
    let error = refusal(strange("nobody:hunter2"), &V1).await;
    assert!(matches!(error, Error::Refused { .. }) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("check the user and the password"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");

    let error = refusal(format!("{url}_gone"), &V1).await;
    assert!(error.to_string().contains("make the database"), "{error}");

    let error = refusal(format!("{url}?sslmode=require"), &V1).await;
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("sslmode=disable"), "{error}");

    let error = refusal("postgres://a:hunter2@127.0.0.1:1/zaki".into(), &V1).await;
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn says_what_to_do_where_it_may_not_write() {
    let Some(database) = database().await else { return };
    connect(&database, &V1).await.unwrap();
    let url = format!("{}?options=-c%20default_transaction_read_only=on", database.address());
    let store =
        Postgres::connect(&SecretString::from(url), &PgOptions::default(), &V1).await.unwrap();
    let sql = "INSERT INTO thing (name) VALUES ('one')";
    let error = store.execute(sql, &[]).await.unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }) && error.is_transient(), "{error}");
    assert!(error.to_string().contains("connect to the primary server"), "{error}");
}
