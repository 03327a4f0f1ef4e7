//! Stores that refuse while a crowd talks: a full disk, a file that somebody else holds, a
//! PostgreSQL that is gone. Webhooks are told to come again, the process lives, nothing is lost,
//! and `/ready` says how it stands.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use zaki_simulators::{Attempt, Fault, Simulator};
use zaki_store::testkit::Database;
use zaki_store::{PgOptions, Postgres, Schema, Step};
use zaki_tests::chaos::{Script, Seed, Stage};
use zaki_tests::postgres::Server;
use zaki_tests::proxy::{Proxy, Side, Trouble};
use zaki_tests::store::{Held, SmallDisk};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

const OUTAGE: Duration = Duration::from_millis(2500);
/// A store waits for a lock for some seconds before it gives up.
const HELD: Duration = Duration::from_secs(8);
const QUIET: Duration = Duration::from_secs(2);

/// A crowd talks while `outages` go on; the same process answers everything in the end.
async fn survives(world: &World, outages: impl Future<Output = Result<()>>) -> Result<()> {
    survives_with(world, Some(0), outages).await
}

/// With at most so many sends whose outcome nobody knows, if there is a bound.
async fn survives_with(
    world: &World,
    in_flight: Option<usize>,
    outages: impl Future<Output = Result<()>>,
) -> Result<()> {
    let seed = Seed::find();
    let stage = Stage::open(world);
    let script = Script::new(seed, 60, &ChannelKind::ALL);
    let pid = world.hub()?.pid();
    let ((), done) = tokio::join!(stage.play(&script, 3 * (OUTAGE + QUIET)), outages);
    done?;
    let report = stage.settle(world, in_flight, SOON).await?;
    println!("{report}");
    report.verdict().with_context(|| world.log())?;
    let alive = zaki_tests::processes::Process::find(pid).is_some();
    ensure!(alive, "the hub died\n{}", world.log());
    refused(world)
}

/// While the store was away, webhooks were answered with 503 and when to come again.
fn refused(world: &World) -> Result<()> {
    let mut refused = 0;
    for channel in [ChannelKind::Telegram, ChannelKind::WhatsApp, ChannelKind::Slack] {
        let is_503 = |attempt: &Attempt| attempt.status == Some(503);
        for attempt in world.platform(channel).attempts().matching(is_503) {
            refused += 1;
            let later = attempt.answer_headers.contains_key("retry-after");
            ensure!(later, "{channel}: no Retry-After: {:?}", attempt.answer_headers);
        }
        let is_broken = |attempt: &Attempt| attempt.status == Some(500);
        let broken = world.platform(channel).attempts().matching(is_broken);
        ensure!(broken.is_empty(), "{channel}: {} times 500", broken.len());
    }
    ensure!(refused > 0, "no webhook met the outage");
    Ok(())
}

fn hasty() -> Setup {
    Setup::echo().hasty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() -> Result<()> {
    let place = tempfile::tempdir()?;
    let Some(disk) = SmallDisk::mount(place.path(), 24)? else {
        println!("SKIPPED: only root can mount a file system to fill");
        return Ok(());
    };
    let data = place.path().join("data").display().to_string();
    let world = hasty().set("hub.data_dir", data).start().await?;
    let outages = async {
        for _ in 0..2 {
            tokio::time::sleep(QUIET).await;
            let filling = disk.fill()?;
            tokio::time::sleep(OUTAGE).await;
            fs::remove_file(filling)?;
        }
        Ok(())
    };
    survives(&world, outages).await?;
    // Before the disk goes.
    drop(world);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_else_holds() -> Result<()> {
    let world = hasty().start().await?;
    let outages = async {
        for (store, span) in [("hub/ledger.db", HELD), ("hub/identity.db", OUTAGE)] {
            tokio::time::sleep(QUIET).await;
            let held = Held::on(&world.data().join(store))?;
            tokio::time::sleep(span).await;
            drop(held);
        }
        Ok(())
    };
    survives(&world, outages).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_stopped_and_started() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let world = hasty().set("ledger.url", server.url()).start().await?;
    let outages = async {
        for _ in 0..2 {
            tokio::time::sleep(QUIET).await;
            server.stop()?;
            tokio::time::sleep(OUTAGE).await;
            server.start_again()?;
        }
        Ok(())
    };
    // On a busy machine it takes its time to start, the lease runs out, and what was being sent by
    // then is in doubt.
    survives_with(&world, None, outages).await.with_context(|| world.log())
}

/// A server that crashed may give the number of a transaction it forgot to another one, which is
/// kept: that proves nothing of the first.
#[tokio::test]
async fn a_commit_that_a_crash_undid_was_not_kept() -> Result<()> {
    const THINGS: Schema = Schema {
        name: "things",
        release: "0.1.0",
        steps: &[Step { sql: "CREATE TABLE thing (id bigint PRIMARY KEY);", min_reader: 1 }],
    };
    let Some(server) = Server::start()? else { return Ok(()) };
    let url = server.url().into();
    let store = Postgres::connect(&url, &PgOptions::default(), &THINGS).await?;
    let undone = store.begin().await?;
    server.stop()?;
    server.start_again()?;
    for id in 0..20_i64 {
        while let Err(error) = store.execute("INSERT INTO thing (id) VALUES ($1)", &[&id]).await {
            ensure!(error.is_transient(), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let Err(error) = undone.commit().await else { bail!("kept, says the hub") };
    ensure!(!error.is_unknown(), "the server knows: {error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_whose_line_breaks() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let (before, host) = server.url().rsplit_once('@').context("no host")?;
    let (host, database) = host.split_once('/').context("no database")?;
    let proxy = Proxy::to(host.parse()?, Seed(1)).await?;
    let url = format!("{before}@{}/{database}", proxy.address());
    let world = hasty().set("ledger.url", server.url()).prepare().await?;
    // The test itself goes straight to the database.
    let direct = fs::read_to_string(world.config())?;
    let mut world = world;
    world.reconfigure("ledger.url", url)?;
    world.up().await?;
    world.write_config(&direct)?;
    let outages = async {
        for trouble in LINES {
            tokio::time::sleep(QUIET / 4).await;
            proxy.make_for(trouble, OUTAGE * 2 / 5).await;
        }
        Ok(())
    };
    // A lease may be lost meanwhile: what was being sent then is in doubt, as after a kill.
    survives_with(&world, None, outages).await
}

/// Cut at any byte, also in the middle of a commit whose outcome is then unknown.
const LINES: [Trouble; 9] = [
    Trouble::Cut { within: 3000 },
    Trouble::Refused,
    Trouble::Cut { within: 300 },
    Trouble::Silent,
    Trouble::Deaf(Side::Server),
    Trouble::Cut { within: 30_000 },
    Trouble::Deaf(Side::Client),
    Trouble::Late(Duration::from_millis(20)),
    Trouble::Trickle(300, Duration::from_millis(5)),
];

/// Waits until `/ready` answers with this status and these words.
async fn ready(world: &World, status: u16, words: &str) -> Result<()> {
    let what = format!("/ready with {status} and `{words}`");
    let read = || async {
        let answer = world.http.get(world.url("/ready")).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    };
    world.until(&what, read, |(found, said)| *found == status && said.contains(words)).await?;
    Ok(())
}

/// A database of a server, and its address for a user who owns it and may be refused things.
async fn talker(server: &Server) -> Result<(Database, String)> {
    let database = Database::on(server.url()).await;
    let name = database.text("SELECT current_database()::text").await.remove(0);
    let grant = format!("GRANT ALL ON DATABASE {name} TO talker");
    database.run(&["CREATE ROLE talker LOGIN PASSWORD 'pass'", &grant]).await;
    let host = database.address().rsplit_once('@').context("no user in the address")?.1;
    let url = format!("postgres://talker:pass@{host}");
    Ok((database, url))
}

async fn any(world: &World, deliveries: bool, state: &str) -> Result<()> {
    let found = |found: &Vec<Value>| found.iter().any(|line| line["state"] == state);
    if deliveries {
        world.until(state, || world.deliveries(TELEGRAM), found).await?;
    } else {
        world.until(state, || world.inbox(TELEGRAM), found).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_store_refuses_is_not_given_up() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let (database, url) = talker(&server).await?;
    let world = hasty().only(&[TELEGRAM]).set("ledger.url", url).start().await?;
    let change = async |what: &str, table: &str| {
        database.run(&[&what.replace("IT", &format!("UPDATE ON zaki_ledger.{table}"))]).await;
    };

    world.say(TELEGRAM, ADA, "SLOW:4x700");
    any(&world, false, "joined").await?;
    change("REVOKE IT FROM talker", "turn").await;
    ready(&world, 503, "cannot finish a turn").await?;
    change("GRANT IT TO talker", "turn").await;
    world.expect(TELEGRAM, ADA, 1, SOON).await?;
    ready(&world, 200, "ready").await?;

    world.telegram.fail(Some("sendMessage"), 1, Fault::Delay { ms: 2500 });
    world.say(TELEGRAM, ADA, "first");
    any(&world, true, "sending").await?;
    change("REVOKE IT FROM talker", "delivery").await;
    ready(&world, 503, "cannot settle a delivery").await?;
    change("GRANT IT TO talker", "delivery").await;
    world.say(TELEGRAM, ADA, "second");
    let answers = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    assert_eq!(answers[1..], ["echo: first", "echo: second"]);
    ready(&world, 200, "ready").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_for_a_while() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let (database, url) = talker(&server).await?;
    let world = hasty().only(&[TELEGRAM]).set("ledger.url", url).start().await?;
    world.say(TELEGRAM, ADA, "SLOW:3x700");
    any(&world, false, "joined").await?;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'talker'";
    database.run(&["ALTER ROLE talker NOLOGIN", end]).await;
    ready(&world, 503, "not permitted to log in").await?;
    payload::message(&world, TELEGRAM, ADA, 1, "too early").expect(&world, 503).await?;
    tokio::time::sleep(OUTAGE).await;
    database.run(&["ALTER ROLE talker LOGIN"]).await;
    world.expect(TELEGRAM, ADA, 1, SOON).await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "next").await?, "echo: next");
    ready(&world, 200, "ready").await
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_tells_when_nothing_can_be_stored_and_finds_out_when_it_can() -> Result<()> {
    let world = hasty().only(&[TELEGRAM]).start().await?;
    ready(&world, 200, "ready").await?;
    let held = Held::on(&world.data().join("hub/ledger.db"))?;
    payload::message(&world, TELEGRAM, ADA, 1, "too early").expect(&world, 503).await?;
    ready(&world, 503, "ledger.db is busy").await?;
    drop(held);
    // Nobody sends anything to a hub that is not ready.
    ready(&world, 200, "ready").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_deleted_takes_nothing_more() -> Result<()> {
    let world = hasty().only(&[TELEGRAM]).start().await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(world.data().join("hub").join(file))?;
    }
    tokio::time::sleep(QUIET).await;
    payload::message(&world, TELEGRAM, ADA, 1, "lost?").expect(&world, 503).await?;
    ready(&world, 503, "restart").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_not_there_at_the_start_is_waited_for() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let setup = hasty().only(&[TELEGRAM]).set("ledger.url", server.url());
    let mut world = setup.prepare().await?;
    server.stop()?;
    world.begin()?;
    let log = || async { Ok(world.whole_log()) };
    world.until("a word about it", log, |log| log.contains("waiting for it")).await?;
    server.start_again()?;
    world.ready().await?;
    drop(world);
    // What will not pass ends it.
    let host = server.url().rsplit_once('@').context("no user in the address")?.1;
    let url = format!("postgres://nobody:wrong@{host}");
    let refused = hasty().only(&[TELEGRAM]).set("ledger.url", url).start().await.err();
    let refused = format!("{:?}", refused.context("a stranger is let in")?);
    ensure!(refused.contains("check the user and the password"), "{refused}");
    Ok(())
}
