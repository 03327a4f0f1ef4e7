//! A hub that is asked to end, while everybody talks or its stores hang: it says at once that it is
//! not ready, ends in its time, and whatever it has left the next one finishes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use zaki_simulators::{Fault, Simulator};
use zaki_tests::chaos::{Script, Seed, Stage};
use zaki_tests::proxy::Trouble;
use zaki_tests::replicas::Replicas;
use zaki_tests::store::Held;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, store};

/// What the hub is given, in seconds, and what a busy machine may add.
const GRACE: i64 = 4;
const SLACK: Duration = Duration::from_secs(4);
/// What config/default.toml allows for all else.
const ELSE: Duration = Duration::from_secs(10);
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

/// Asks the hub to end and watches it. How many sends it left under way.
async fn end(world: &mut World) -> Result<usize> {
    let (begun, ready) = (Instant::now(), world.url("/ready"));
    world.hub()?.signal(Signal::SIGTERM)?;
    // A signal takes its way through two schedulers; then nobody may be told to come in.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let answer = world.http.get(&ready).timeout(SOON).send().await;
    let is_ready = answer.is_ok_and(|answer| answer.status() == 200);
    ensure!(!is_ready, "still ready after SIGTERM\n{}", world.log());
    let status = world.stop(Signal::SIGTERM).await?;
    let most = Duration::from_secs(GRACE.unsigned_abs()) + SLACK;
    ensure!(status.code() == Some(0), "it ended with {status}\n{}", world.whole_log());
    ensure!(begun.elapsed() < most, "it took {:?} to end", begun.elapsed());
    store::in_flight(&world.data().join("hub/ledger.db"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_ends_under_load_leaves_nothing_undone() -> Result<()> {
    let seed = Seed::find();
    let mut world = Setup::echo().hasty().set("hub.stop_timeout_s", GRACE).start().await?;
    let stage = Stage::open(&world);
    let script = Script::new(seed, 80, &ChannelKind::ALL);
    let stops = async {
        let mut left = 0;
        for round in 0..3 {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            if round == 1 {
                // One platform takes its time, another longer than there is.
                world.telegram.fail(Some("sendMessage"), 3, Fault::Delay { ms: 1000 });
                world.slack.fail(Some("chat.postMessage"), 2, Fault::Delay { ms: 9000 });
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            left += end(&mut world).await?;
            world.launch().await?;
        }
        anyhow::Ok(left)
    };
    let ((), left) = tokio::join!(stage.play(&script, Duration::from_secs(8)), stops);
    let left = left?;
    ensure!(left <= 2, "{left} sends were left in the middle");
    let report = stage.settle(&world, Some(left), SOON).await?;
    println!("{report}");
    report.verdict()
}

/// All that a hub writes to is somebody else's, from before it is asked to end.
#[tokio::test(flavor = "multi_thread")]
async fn stores_that_somebody_holds_keep_nobody_up() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]).set("hub.stop_timeout_s", 1);
    let mut world = setup.set("sandbox.stop_timeout_s", 1).start().await?;
    ensure!(world.ask(TELEGRAM, Person::ADA, "one").await? == "echo: one");
    let stores = ["hub/ledger.db", "hub/identity.db", "private/edge.db"];
    let held = stores.map(|store| Held::on(&world.data().join(store)));
    let held = held.into_iter().collect::<Result<Vec<_>>>()?;
    for person in 10..30 {
        world.say(TELEGRAM, Person(person), "and you?");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    world.stop(Signal::SIGTERM).await?;
    let took = begun.elapsed();
    // A second for running work, one for sandboxes.
    ensure!(took < Duration::from_secs(2) + ELSE + SLACK, "{took:?}\n{}", world.whole_log());
    drop(held);
    world.up().await?;
    for person in 10..30 {
        let answers = world.expect(TELEGRAM, Person(person), 1, 2 * SOON).await?;
        ensure!(answers == ["echo: and you?"], "{answers:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_a_database_that_is_silent() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]).set("hub.stop_timeout_s", 1);
    let Some(mut replicas) = Replicas::start(setup, 1, Seed::find()).await? else {
        return Ok(());
    };
    ensure!(replicas.world.ask(TELEGRAM, Person::ADA, "one").await? == "echo: one");
    let [hub] = &mut replicas.hubs[..] else { anyhow::bail!("one hub") };
    hub.database.make(Trouble::Silent);
    replicas.world.say(TELEGRAM, Person::BOB, "and you?");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    hub.end().await?;
    let took = begun.elapsed();
    ensure!(took < Duration::from_secs(1) + ELSE + SLACK, "{took:?}\n{}", replicas.log());
    Ok(())
}

/// The disk behind it is full, or whoever reads it has stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_ends_nothing() -> Result<()> {
    for is_unread in [false, true] {
        let loud = Setup::echo().only(&[TELEGRAM]).set("log.level", "trace");
        let mut world = loud.set("hub.stop_timeout_s", GRACE).prepare().await?;
        let log = world.dir().join("zaki.log");
        let _reader = if is_unread {
            nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU)?;
            Some(std::fs::File::options().read(true).write(true).open(&log)?)
        } else {
            std::os::unix::fs::symlink("/dev/full", &log)?;
            None
        };
        world.launch().await?;
        // More than a pipe holds.
        for n in 0..40 {
            let said = format!("hello {n}");
            assert_eq!(world.ask(TELEGRAM, Person(n), &said).await?, format!("echo: {said}"));
        }
        let begun = Instant::now();
        let ended = world.stop(Signal::SIGTERM).await?;
        let took = begun.elapsed();
        ensure!(ended.code() == Some(0), "unread: {is_unread}: it ended with {ended}");
        let most = Duration::from_secs(GRACE.unsigned_abs()) + SLACK;
        ensure!(took < most, "unread: {is_unread}: it took {took:?} to end");
    }
    Ok(())
}
