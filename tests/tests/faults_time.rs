//! What time does to order and patience: a crash with much left to do, a wall clock that is set.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use zaki_simulators::{Fault, Simulator};
use zaki_tests::clock::Clock;
use zaki_tests::store::Held;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
/// A clock that is set is wrong within a second.
const SET: Duration = Duration::from_millis(1500);

async fn say(world: &World, number: u32, text: &str) -> Result<()> {
    payload::message(world, TELEGRAM, ADA, number, text).expect(world, 200).await?;
    Ok(())
}

/// The numbers in all that ADA was told, once `last` is among them.
async fn numbers(world: &World, last: u32) -> Result<Vec<u32>> {
    let read = || async {
        let all = world.answers(TELEGRAM, ADA).join("\n");
        let words = all.split(|c: char| !c.is_ascii_digit());
        Ok(words.filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
    };
    world.until("the last answer", read, |found| found.contains(&last)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_overtakes_what_a_crash_left_however_much_it_is() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]).set("deliver.paced", false);
    let mut world = setup.set("lane.waiting", 5000).start().await?;
    // Who it is cannot be looked up, so all of it waits.
    let held = Held::on(&world.data().join("hub/identity.db"))?;
    let left = 1600;
    for number in 0..left {
        say(&world, number, &number.to_string()).await?;
    }
    world.kill()?;
    drop(held);
    world.up().await?;
    // Telegram comes again while the bot does not know its name yet.
    let last = || payload::message(&world, TELEGRAM, ADA, left, &left.to_string());
    let send = || async { Ok(last().send(&world).await?.status) };
    world.until("the bot", send, |status| *status == 200).await?;
    let told = numbers(&world, left).await?;
    assert_eq!(told, (0..=left).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_turns_no_order_around() -> Result<()> {
    let place = tempfile::tempdir()?;
    let Some((clock, wind)) = Clock::new(place.path())? else { return Ok(()) };
    let setup = Setup::echo().only(&[TELEGRAM]).set("turn.mid_turn", "queue");
    let world = wind(setup).start().await?;
    say(&world, 1, "SLOW:6x1000").await?;
    let joined = |found: &Vec<Value>| found.iter().any(|line| line["state"] == "joined");
    world.until("a turn", || world.inbox(TELEGRAM), joined).await?;
    say(&world, 2, "1000001").await?;
    clock.set(-3600)?;
    tokio::time::sleep(SET).await;
    say(&world, 3, "1000002").await?;
    let told = numbers(&world, 1_000_002).await?;
    let order: Vec<_> = told.into_iter().filter(|number| *number > 1_000_000).collect();
    assert_eq!(order, [1_000_001, 1_000_002], "{:?}", world.answers(TELEGRAM, ADA));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_forward_gives_no_answer_up() -> Result<()> {
    let place = tempfile::tempdir()?;
    let Some((clock, wind)) = Clock::new(place.path())? else { return Ok(()) };
    let setup = Setup::echo().only(&[TELEGRAM]).set("deliver.patience_s", 60);
    let world = wind(setup).start().await?;
    world.telegram.fail(Some("sendMessage"), 2, Fault::RateLimited { after_ms: 3000 });
    say(&world, 1, "hello").await?;
    let waits = |found: &Vec<Value>| found.iter().any(|line| line["attempts"] == 1);
    world.until("a failed send", || world.deliveries(TELEGRAM), waits).await?;
    clock.set(3600)?;
    assert_eq!(world.expect(TELEGRAM, ADA, 1, SOON).await?, ["echo: hello"]);
    let sent = world.deliveries(TELEGRAM).await?;
    assert_eq!(sent[0]["attempts"], 3, "it failed again after the clock was set: {sent:?}");
    Ok(())
}
