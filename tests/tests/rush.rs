//! Six people write at once where there is room for two awake sandboxes, each with a real OpenClaw:
//! all are answered, in the order in which they came. `cargo xtask soak wake` has fifty of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use zaki_simulators::{Sent, Simulator};
use zaki_tests::openclaw::{OpenClaw, gateways};
use zaki_tests::rush::Rush;
use zaki_tests::{ChannelKind, Person, SOON, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_answered_in_their_turn() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let report = Rush { people: 6, room: 2 }.run(openclaw).await?;
    println!("{report:#}");
    Ok(())
}

/// What everybody who comes to a bot on Telegram says first, long before they have written anything.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_start_finds_an_assistant_that_is_up() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let telegram = ChannelKind::Telegram;
    let world = Setup::openclaw(openclaw).only(&[telegram]).start().await?;
    world.ask(telegram, Person::ADA, "/start").await?;
    let (sandboxes, deadline) = (world.data().join("sandboxes"), Instant::now() + SOON);
    while gateways(&sandboxes).is_empty() {
        ensure!(Instant::now() < deadline, "nothing starts\n{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.say(telegram, Person::ADA, "Hello?");
    let is_answer = |sent: &Sent| sent.has_text() && sent.text.contains("\"Hello?\"");
    let answer = world.telegram.sent().wait_for(is_answer, Duration::from_mins(4)).await;
    answer.with_context(|| world.log())?;
    Ok(())
}
