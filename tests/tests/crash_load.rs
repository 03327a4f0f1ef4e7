//! A crowd talks on all four platforms while the hub is killed at random moments. Replay a run with
//! `ZAKI_SEED`; `cargo xtask soak crash` is the long version of this.

use std::time::Duration;

use anyhow::Result;
use zaki_tests::chaos::{Kills, Script, Seed, Stage};
use zaki_tests::{ChannelKind, SOON, Setup};

async fn survives(setup: Setup, talks: u32, kills: u32, span: Duration) -> Result<()> {
    let seed = Seed::find();
    let mut world = setup.hasty().start().await?;
    let stage = Stage::open(&world);
    let script = Script::new(seed, talks, &ChannelKind::ALL);
    let ((), kills) =
        tokio::join!(stage.play(&script, span), Kills::run(&mut world, seed, kills, span));
    let kills = kills?;
    // In such haste Slack's last retry comes 15 s after the one before it.
    let report = stage.settle(&world, Some(kills.in_flight), SOON).await?;
    println!("{kills:?} {report}");
    report.verdict()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_twice_or_out_of_order_however_often_the_hub_is_killed() -> Result<()> {
    survives(Setup::echo(), 160, 8, Duration::from_secs(12)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_telegram_is_polled() -> Result<()> {
    survives(Setup::echo().without_public_url(), 60, 4, Duration::from_secs(6)).await
}
