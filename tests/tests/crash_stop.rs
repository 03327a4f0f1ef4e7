//! A hub that is asked to end, while everybody talks: it says at once that it is not ready, ends in
//! its time, and whatever it has left the next one finishes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use zaki_simulators::{Fault, Simulator};
use zaki_tests::chaos::{Script, Seed, Stage};
use zaki_tests::{ChannelKind, SOON, Setup, World, store};

/// What the hub is given, in seconds, and what a busy machine may add.
const GRACE: i64 = 4;
const SLACK: Duration = Duration::from_secs(4);

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
