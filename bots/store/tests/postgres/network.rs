//! A server that goes away, and comes back.

use std::time::Duration;

use secrecy::SecretString;
use zaki_store::testkit::{Database, Wire, database};
use zaki_store::{Error, PgOptions, Postgres};

use super::{ADD, THINGS, ids, open};

const HANG_UP: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_server_that_hangs_up_is_met_again() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let tx = store.begin().await.unwrap();
    tx.execute(ADD, &[&1_i64]).await.unwrap();
    database.run(&[HANG_UP]).await;
    let error = tx.execute(ADD, &[&2_i64]).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && !error.is_unknown(), "{error}");
    assert!(matches!(tx.commit().await, Err(Error::Unreachable { .. })), "it is not kept");
    // Those that were idle were hung up as well; how soon we notice is not ours to say.
    while let Err(error) = store.execute(ADD, &[&3_i64]).await {
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(ids(&store).await, [3]);
}

#[tokio::test]
async fn a_commit_that_the_server_broke_off_has_kept_nothing() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    // The server ends us in the middle of the commit, when it checks this.
    database
        .run(&[
            "CREATE FUNCTION zaki_things.hang_up() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'",
            "CREATE CONSTRAINT TRIGGER last AFTER INSERT ON zaki_things.thing
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 7)
             EXECUTE FUNCTION zaki_things.hang_up()",
        ])
        .await;
    let tx = store.begin().await.unwrap();
    tx.execute(ADD, &[&7_i64]).await.unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "it knows: {error}");
    // Without a transaction of its own to ask for, nobody knows.
    let error = store.execute(ADD, &[&7_i64]).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert!(error.is_unknown() && error.is_transient());
    store.execute(ADD, &[&8_i64]).await.unwrap();
}

#[tokio::test]
async fn what_is_stuck_passes() {
    let Some(database) = database().await else { return };
    let quick = PgOptions { lock_timeout: Duration::from_millis(50), ..PgOptions::default() };
    let store = Postgres::connect(&database.url(), &quick, &THINGS).await.unwrap();
    let (first, second) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    first.execute(ADD, &[&1_i64]).await.unwrap();
    let error = second.execute(ADD, &[&1_i64]).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }) && error.is_transient(), "{error}");
    first.commit().await.unwrap();

    let quick = PgOptions { idle_timeout: Duration::from_millis(50), ..PgOptions::default() };
    let store = Postgres::connect(&database.url(), &quick, &THINGS).await.unwrap();
    let idle = store.begin().await.unwrap();
    idle.execute(ADD, &[&2_i64]).await.unwrap();
    // The server lets go of what the partitioned replica holds, so that others get on.
    while let Err(error) = open(&database).await.execute(ADD, &[&2_i64]).await {
        assert!(error.is_transient(), "{error}");
    }
    let error = idle.commit().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn too_many_connections_pass() {
    let Some(database) = database().await else { return };
    let few = PgOptions {
        connections: 1,
        network_timeout: Duration::from_secs(2),
        ..PgOptions::default()
    };
    let store = Postgres::connect(&database.url(), &few, &THINGS).await.unwrap();
    let held = store.begin().await.unwrap();
    let Err(error) = store.begin().await else { panic!("a second connection") };
    assert!(matches!(error, Error::Busy { .. }) && error.is_transient(), "{error}");
    drop(held);
    store.begin().await.unwrap();
}

/// A user of its own for a test, whom the server lets in or not.
async fn role(database: &Database, options: &str) -> (String, SecretString) {
    let name = database.text("SELECT current_database()::text").await.remove(0);
    let grant = format!("GRANT ALL ON DATABASE {name} TO {name}");
    database.run(&[&format!("CREATE ROLE {name} LOGIN PASSWORD 'pass' {options}"), &grant]).await;
    let address = database.address();
    let (scheme, rest) = address.split_once("://").unwrap();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let url = format!("{scheme}://{name}:pass@{host}").into();
    (name, url)
}

async fn leave(database: &Database, role: &str) {
    database.run(&[&format!("DROP OWNED BY {role} CASCADE"), &format!("DROP ROLE {role}")]).await;
}

#[tokio::test]
async fn a_server_that_has_let_us_in_will_again() {
    let Some(database) = database().await else { return };
    let (role, url) = role(&database, "").await;
    let store = Postgres::connect(&url, &PgOptions::default(), &THINGS).await.unwrap();
    database.run(&[&format!("ALTER ROLE {role} NOLOGIN"), HANG_UP]).await;
    let error = loop {
        // Connections that were idle may show first that they are gone.
        let error = store.execute(ADD, &[&1_i64]).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        if error.to_string().contains("28000") {
            break error;
        }
    };
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    // Whoever comes now is told what to do.
    let turned_away = Postgres::connect(&url, &PgOptions::default(), &THINGS).await.err().unwrap();
    assert!(matches!(turned_away, Error::Refused { .. }), "{turned_away}");
    database.run(&[&format!("ALTER ROLE {role} LOGIN")]).await;
    store.execute(ADD, &[&1_i64]).await.unwrap();
    store.close();
    leave(&database, &role).await;
}

#[tokio::test]
async fn a_server_without_a_free_connection_says_that() {
    let Some(database) = database().await else { return };
    let (role, url) = role(&database, "CONNECTION LIMIT 1").await;
    let store = Postgres::connect(&url, &PgOptions::default(), &THINGS).await.unwrap();
    let held = store.begin().await.unwrap();
    let Err(error) = store.begin().await else { panic!("a second connection") };
    assert!(error.is_transient() && error.to_string().contains("too many connections"), "{error}");
    drop(held);
    store.close();
    leave(&database, &role).await;
}

fn impatient() -> PgOptions {
    let short = Duration::from_secs(1);
    PgOptions { statement_timeout: short, network_timeout: short, ..PgOptions::default() }
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_not_waited_for() {
    let Some(database) = database().await else { return };
    let (wire, url) = Wire::to(&database).await;
    let store = Postgres::connect(&url, &impatient(), &THINGS).await.unwrap();

    let tx = store.begin().await.unwrap();
    tx.execute(ADD, &[&1_i64]).await.unwrap();
    wire.cut(true, true);
    let error = tx.commit().await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert!(error.is_unknown() && error.is_transient());
    let error = store.execute(ADD, &[&2_i64]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    wire.cut(false, false);
    store.execute(ADD, &[&3_i64]).await.unwrap();
    assert!(ids(&store).await.contains(&3));
}

/// The answer to the commit never comes; asked again, the server says what it was.
#[tokio::test]
async fn a_commit_without_an_answer_is_asked_for_again() {
    let Some(database) = database().await else { return };
    let (wire, url) = Wire::to(&database).await;
    let store = Postgres::connect(&url, &impatient(), &THINGS).await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.execute(ADD, &[&1_i64]).await.unwrap();
    wire.cut(false, true);
    let beside = open(&database).await;
    let (commit, ()) = tokio::join!(tx.commit(), async {
        while ids(&beside).await.is_empty() {
            tokio::task::yield_now().await;
        }
        // What was to be heard is lost with the connection; the next one is whole.
        tokio::time::sleep(Duration::from_millis(300)).await;
        wire.cut(false, false);
    });
    commit.unwrap();
    assert_eq!(ids(&store).await, [1]);
}
