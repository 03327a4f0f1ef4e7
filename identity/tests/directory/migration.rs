//! A database of the release before: its people stay who they are.

use tempfile::TempDir;
use zaki_envelope::ChannelKind::{Telegram, WhatsApp};
use zaki_identity::{Actor, Directory, How, Refusal, Resolution, Role, SignUp};
use zaki_store::testkit::{Database, database};
use zaki_store::{Error, PgOptions, Postgres, Schema, Sqlite, Step};

use super::town::{also, direct, now, options, sender};

const OLD_SQLITE: Schema = Schema {
    name: "identity",
    release: "0.1.0",
    steps: &[
        Step { sql: include_str!("../../src/schema/sqlite-1.sql"), min_reader: 1 },
        Step { sql: "ALTER TABLE person ADD COLUMN mode TEXT;", min_reader: 1 },
    ],
};
const OLD_POSTGRES: Schema = Schema {
    name: "identity",
    release: "0.1.0",
    steps: &[Step { sql: include_str!("../../src/schema/postgres-1.sql"), min_reader: 1 }],
};

const USER: &str = "01m64xjs000000000000000000";
/// Statements of the release before; `user` had two names.
const OLD_PEOPLE: &str = "
    INSERT INTO person (id, created_at, mode) VALUES ('01m64xjs000000000000000000', 1, 'steer');
    INSERT INTO binding (channel, scope, sender, USER, kind, bound_at) VALUES
        ('whatsapp', '', 'CC.1', '01m64xjs000000000000000000', 'primary', 2),
        ('whatsapp', '', '49123', '01m64xjs000000000000000000', 'alias', 2);
    INSERT INTO audit (at, change, channel, scope, sender, USER, was) VALUES
        (2, 'bound', 'whatsapp', '', 'CC.1', '01m64xjs000000000000000000', NULL);";

async fn is_taken_over(directory: &Directory) {
    let known = direct(WhatsApp, &also("CC.1", &["49123"]));
    let user = directory.resolve(&known, now()).await.unwrap().user().unwrap();
    assert_eq!(user.to_string(), USER);
    assert!(directory.verify(user, &known).await.unwrap(), "in a house that is closed");
    let person = directory.person(user).await.unwrap().unwrap();
    let kept = (person.mode.as_deref(), person.role, person.session, person.bindings.len());
    assert_eq!(kept, (Some("steer"), Role::Member, 1, 2));
    let binding = &person.bindings[0];
    assert_eq!((binding.how, binding.by, binding.last_seen_at), (How::SignUp, Actor::System, None));

    // Let in on every account of that channel, and on no other.
    let other = direct(Telegram, &sender("CC.1"));
    let refused = directory.resolve(&other, now()).await.unwrap();
    assert!(matches!(refused, Resolution::Refused { reason: Refusal::Closed, .. }));

    let (by, how) = (Actor::Operator, How::Operator);
    directory.link(user, Telegram, &sender("9"), by, how, now()).await.unwrap();
    let audited = directory.verify_audit().await.unwrap();
    assert_eq!((audited.entries, audited.broken_at), (1, None));
}

#[tokio::test]
async fn a_file_of_the_release_before_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("identity.db");
    Sqlite::open(&path, &OLD_SQLITE).await.unwrap().close().await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(&OLD_PEOPLE.replace("USER", "user")).unwrap();
    drop(conn);

    let directory = Directory::sqlite(&path, options(SignUp::Closed)).await.unwrap();
    is_taken_over(&directory).await;
    directory.close().await;
    let error = Sqlite::open(&path, &OLD_SQLITE).await.err().unwrap();
    assert!(matches!(error, Error::TooNew { min_reader: 3, known: 2, .. }), "{error}");
    let again = Directory::sqlite(&path, options(SignUp::Closed)).await.unwrap();
    assert_eq!(again.verify_audit().await.unwrap().entries, 1);
}

#[tokio::test]
async fn a_database_of_the_release_before_is_taken_over() {
    let Some(database) = database().await else { return };
    let old = open_old(&database).await;
    let people = OLD_PEOPLE.replace("USER", "user_id");
    let run = async |sql: &str| {
        database.run(&[&format!("SET search_path = zaki_identity; {sql}")]).await;
    };
    run(&people).await;
    let pg = PgOptions::default();
    let directory =
        Directory::postgres(&database.url(), &pg, options(SignUp::Closed)).await.unwrap();
    is_taken_over(&directory).await;

    // While replicas are exchanged, one of the release before goes on, and may be started again.
    let add = "INSERT INTO binding (channel, scope, sender, user_id, kind, bound_at)
        VALUES ($1, '', 'CC.2', $2, 'primary', 5)";
    assert_eq!(old.execute(add, &[&"whatsapp", &USER]).await.unwrap(), 1);
    let late = direct(WhatsApp, &sender("CC.2"));
    let user = directory.resolve(&late, now()).await.unwrap().user().unwrap();
    assert_eq!(user.to_string(), USER);
    open_old(&database).await;
}

async fn open_old(database: &Database) -> Postgres {
    Postgres::connect(&database.url(), &PgOptions::default(), &OLD_POSTGRES).await.unwrap()
}
