//! Answers on their way out: retried, given up or left alone by what the platform says, split to
//! its limits; and a store that refuses, which must cost nothing but time.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use zaki_simulators::{Act, Call, Fault, Simulator};
use zaki_tests::store::{Held, SmallDisk};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const TELEGRAM: &[ChannelKind] = &[ChannelKind::Telegram];

/// The simulators' name for the call that sends a message.
fn sending(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Telegram => "sendMessage",
        ChannelKind::Discord => "create_message",
        ChannelKind::WhatsApp => "messages",
        ChannelKind::Slack => "chat.postMessage",
        ChannelKind::Web => zaki_tests::no_bot(),
    }
}

/// Waits until the newest delivery of a channel is in `state`.
async fn newest(world: &World, channel: ChannelKind, state: &str) -> Result<Value> {
    let what = format!("{channel}: a delivery in state {state}");
    let is_there = |found: &Vec<Value>| found.first().is_some_and(|first| first["state"] == state);
    let found = world.until(&what, || world.deliveries(channel), is_there).await?;
    found.into_iter().next().context("no delivery")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_says_later_is_asked_later() -> Result<()> {
    let world = Setup::echo().start().await?;
    let wait = Duration::from_secs(2);
    for channel in ChannelKind::ALL {
        let platform = world.platform(channel);
        platform.fail(Some(sending(channel)), 1, Fault::rate_limited(wait));
        assert_eq!(world.ask(channel, ADA, "hello").await?, "echo: hello", "{channel}");
        let sends = |call: &Call| call.method == sending(channel);
        let calls = platform.calls().wait_for_count(2, sends, SOON).await?;
        let [refused, taken] = &calls[..] else { panic!("{channel}: {calls:#?}") };
        assert!(refused.status >= 400 || refused.answer["ok"] == false, "{refused:?}");
        let waited = taken.at.duration_since(refused.at)?;
        assert!(waited >= wait, "{channel}: it waited only {waited:?}");
        let delivery = newest(&world, channel, "sent").await?;
        assert_eq!(delivery["attempts"], 2, "{delivery}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_may_have_arrived_is_not_sent_twice() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        world.platform(channel).fail(Some(sending(channel)), 1, Fault::LoseAnswer);
        world.ask(channel, ADA, "lost").await?;
        world.say(channel, ADA, "next");
        let is_next = |sent: &zaki_simulators::Sent| sent.text == "echo: next";
        world.expect_sent(channel, is_next).await?;
        let mut answers = world.answers(channel, ADA);
        // What nobody can find out is told; losses.rs has more of that.
        answers.retain(|answer| answer.starts_with("echo: "));
        assert_eq!(answers, ["echo: lost", "echo: next"], "{channel}");
        let known =
            |found: &Vec<Value>| found.iter().all(|delivery| delivery["state"] != "sending");
        let found = world.until("all settled", || world.deliveries(channel), known).await?;
        let older = &found.last().context("no delivery")?["state"];
        let expected = if channel == ChannelKind::Telegram { "unknown" } else { "sent" };
        assert_eq!(older, expected, "{channel}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_never_be_sent_is_dead_and_visible() -> Result<()> {
    let world = Setup::echo().only(TELEGRAM).start().await?;
    world.telegram.block(&ADA.telegram());
    world.say(ChannelKind::Telegram, ADA, "hello");
    let delivery = newest(&world, ChannelKind::Telegram, "dead").await?;
    assert_eq!(delivery["attempts"], 1, "{delivery}");
    assert!(delivery["reason"].as_str().is_some_and(|why| why.contains("blocked")), "{delivery}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn later_is_not_for_ever() -> Result<()> {
    let world = Setup::echo().only(TELEGRAM).set("deliver.patience_s", 2).start().await?;
    let always = Fault::RateLimited { after_ms: 1000 };
    world.telegram.fail(Some("sendMessage"), 1000, always);
    world.say(ChannelKind::Telegram, ADA, "hello");
    let delivery = newest(&world, ChannelKind::Telegram, "dead").await?;
    let attempts = delivery["attempts"].as_u64().unwrap_or_default();
    assert!((1..=3).contains(&attempts), "{delivery}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_split_within_the_limits_and_in_order() -> Result<()> {
    let world = Setup::echo().start().await?;
    // Every word counts two UTF-16 units more than characters.
    let words: Vec<String> = (0..1200).map(|n| format!("word{n}😀😀")).collect();
    for channel in ChannelKind::ALL {
        world.say(channel, ADA, &words.join(" "));
        let last = words.last().cloned().unwrap_or_default();
        let is_last =
            |sent: &zaki_simulators::Sent| sent.act == Act::Post && sent.text.contains(&last);
        world.expect_sent(channel, is_last).await?;
        let answers = world.answers(channel, ADA);
        let told: Vec<&str> = answers.iter().flat_map(|text| text.split_whitespace()).collect();
        assert_eq!(told.first(), Some(&"echo:"), "{channel}");
        assert!(told[1..].iter().eq(&words), "{channel}: a word is lost or out of order");
        // The simulators refuse or cut what is too long, so that all arrived is the proof.
        if channel != ChannelKind::Slack {
            assert!(answers.len() > 1, "{channel}: {} messages", answers.len());
        }
        let sent = |found: &Vec<Value>| found.iter().all(|delivery| delivery["state"] == "sent");
        let deliveries = world.until("all sent", || world.deliveries(channel), sent).await?;
        assert_eq!(deliveries.len(), answers.len(), "{channel}");
        // Nine tenths: what a busy machine adds between the sender and the platform.
        let excesses = world.platform(channel).excesses(0.9);
        assert!(excesses.is_empty(), "{channel}: faster than it allows: {excesses:#?}");
    }
    Ok(())
}

/// Some more than each of these accounts may write to within a second: what comes after the first
/// second is counted from the first messages, which nothing has held up on their way.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_answered_no_faster_than_the_account_may() -> Result<()> {
    let crowds =
        [(ChannelKind::Telegram, 40), (ChannelKind::Discord, 60), (ChannelKind::WhatsApp, 90)];
    let world = Setup::echo().only(&crowds.map(|(channel, _)| channel)).start().await?;
    for (channel, people) in crowds {
        (1..=people).for_each(|n| drop(world.say(channel, Person(n), "hello")));
    }
    for (channel, people) in crowds {
        let platform = world.platform(channel);
        let is_answer = |sent: &zaki_simulators::Sent| sent.text == "echo: hello";
        let answers = platform.sent().wait_for_count(people.into(), is_answer, SOON).await;
        answers.with_context(|| format!("{channel}\n{}", world.log()))?;
        // Half a second is for a busy machine; without the rule they come within less.
        let excesses = platform.excesses(0.5);
        assert!(excesses.is_empty(), "{channel}: faster than it allows: {excesses:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_overtakes_one_that_waits() -> Result<()> {
    let world = Setup::echo().only(TELEGRAM).start().await?;
    world.telegram.fail(Some("sendMessage"), 2, Fault::RateLimited { after_ms: 1000 });
    let words: Vec<String> = (0..1000).map(|n| format!("{n:08}")).collect();
    world.say(ChannelKind::Telegram, ADA, &words.join(" "));
    world.say(ChannelKind::Telegram, ADA, "and after that");
    let is_last = |sent: &zaki_simulators::Sent| sent.text.ends_with("and after that");
    world.expect_sent(ChannelKind::Telegram, is_last).await?;
    // Whether the second is answered with the first is the lane's affair.
    let answers = world.answers(ChannelKind::Telegram, ADA).join(" ").replace("echo: ", "");
    let expected = format!("{} and after that", words.join(" "));
    assert_eq!(answers.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_not_acknowledged() -> Result<()> {
    let world = Setup::echo().only(TELEGRAM).start().await?;
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "one").await?, "echo: one");
    let held = Held::on(&world.data().join("hub/ledger.db"))?;
    let update = world.telegram.say(&ADA.telegram(), "two").to_string();
    let refused =
        |attempt: &zaki_simulators::Attempt| attempt.key == update && attempt.status == Some(503);
    let refused = world.telegram.attempts().wait_for(refused, SOON).await;
    let refused = refused.with_context(|| world.log())?;
    assert!(refused.answer_headers.contains_key("retry-after"), "{refused:?}");
    drop(held);
    // The platform comes again, and nobody had to do anything.
    let answers = world.expect(ChannelKind::Telegram, ADA, 2, SOON).await?;
    assert_eq!(answers, ["echo: one", "echo: two"]);
    assert!(world.count(ChannelKind::Telegram, "unavailable").await? >= 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers_by_itself() -> Result<()> {
    let place = tempfile::tempdir()?;
    let Some(disk) = SmallDisk::mount(place.path(), 16)? else {
        println!("SKIPPED: only root can mount a file system to fill");
        return Ok(());
    };
    let data = place.path().join("data").display().to_string();
    let setup = Setup::echo().only(TELEGRAM).set("deliver.paced", false);
    let world = setup.set("hub.data_dir", data).start().await?;
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "one").await?, "echo: one");
    let filling = disk.fill()?;
    let text = |number| payload::message(&world, ChannelKind::Telegram, ADA, number, "two");
    // What is left in the last block of a file may still take some.
    let mut taken = 0;
    while text(taken).send(&world).await?.status == 200 {
        taken += 1;
        assert!(taken < 500, "the disk is not full\n{}", world.log());
    }
    text(taken).expect(&world, 503).await?;
    std::fs::remove_file(filling)?;
    text(taken).expect(&world, 200).await?;
    let count = usize::try_from(taken)? + 2;
    let answers = world.expect(ChannelKind::Telegram, ADA, count, SOON).await?;
    assert!(answers[1..].iter().all(|answer| answer == "echo: two"), "{answers:?}");
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "last").await?, "echo: last");
    assert_eq!(world.answers(ChannelKind::Telegram, ADA).len(), count + 1, "each once");
    drop(world);
    Ok(())
}
