//! Answers of which nobody knows whether they arrived, and answers that did not: found out where
//! the platform lets us, told to the person where not, and in the operator's hands.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_simulators::{Call, Fault, Simulator, telegram};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const MAY_BE_LOST: &str = "may not have reached you";
const IS_LOST: &str = "could not be delivered";

/// A world of one channel in which no report is waited for long.
async fn world(channel: ChannelKind) -> Result<World> {
    Setup::echo().only(&[channel]).set("deliver.report_s", 2).start().await
}

/// Waits until one delivery has this state, and returns it.
async fn one(world: &World, channel: ChannelKind, state: &str) -> Result<Value> {
    let what = format!("{channel}: a delivery in state {state}");
    let has = |found: &Vec<Value>| found.iter().any(|delivery| delivery["state"] == state);
    let found = world.until(&what, || world.deliveries(channel), has).await?;
    found.into_iter().find(|delivery| delivery["state"] == state).context("gone again")
}

/// The calls that sent something on a channel.
fn sends(world: &World, channel: ChannelKind) -> Vec<Call> {
    let method = match channel {
        ChannelKind::Telegram => "sendMessage",
        ChannelKind::Discord => "create_message",
        ChannelKind::WhatsApp => "messages",
        ChannelKind::Slack => "chat.postMessage",
        ChannelKind::Web => zaki_tests::no_bot(),
    };
    let posts = |call: &Call| call.method == method && call.body["status"].is_null();
    world.platform(channel).calls().matching(posts)
}

fn id(delivery: &Value) -> Result<&str> {
    delivery["id"].as_str().context("a delivery without an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn discord_repeats_by_its_nonce_and_shows_one() -> Result<()> {
    let world = world(ChannelKind::Discord).await?;
    world.discord.fail(Some("create_message"), 2, Fault::LoseAnswer);
    assert_eq!(world.ask(ChannelKind::Discord, ADA, "hello").await?, "echo: hello");
    let delivery = one(&world, ChannelKind::Discord, "sent").await?;
    let calls = sends(&world, ChannelKind::Discord);
    assert_eq!(calls.len(), 3, "{calls:#?}");
    let nonces: Vec<&Value> = calls.iter().map(|call| &call.body["nonce"]).collect();
    assert!(nonces.iter().all(|nonce| *nonce == nonces[0] && nonce.is_string()), "{nonces:?}");
    assert_eq!(delivery["receipt"][0], calls[2].answer["id"], "the message the first call made");
    assert_eq!(world.ask(ChannelKind::Discord, ADA, "next").await?, "echo: next");
    assert_eq!(world.answers(ChannelKind::Discord, ADA), ["echo: hello", "echo: next"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_asked_and_its_word_counts() -> Result<()> {
    let world = world(ChannelKind::Slack).await?;
    // It has the message: nothing is sent again.
    world.slack.fail(Some("chat.postMessage"), 1, Fault::LoseAnswer);
    assert_eq!(world.ask(ChannelKind::Slack, ADA, "one").await?, "echo: one");
    let delivery = one(&world, ChannelKind::Slack, "sent").await?;
    assert!(delivery["receipt"][0].is_string(), "{delivery}");
    assert_eq!(sends(&world, ChannelKind::Slack).len(), 1);
    // It does not: the same is sent again.
    world.slack.fail(Some("chat.postMessage"), 1, Fault::Drop);
    assert_eq!(world.ask(ChannelKind::Slack, ADA, "two").await?, "echo: two");
    let sent = |found: &Vec<Value>| found.iter().all(|delivery| delivery["state"] == "sent");
    world.until("both sent", || world.deliveries(ChannelKind::Slack), sent).await?;
    assert_eq!(sends(&world, ChannelKind::Slack).len(), 3);
    assert_eq!(world.answers(ChannelKind::Slack, ADA), ["echo: one", "echo: two"]);
    let asked = |call: &Call| call.method == "conversations.history";
    assert!(world.slack.calls().matching(asked).len() >= 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_reports_what_it_took() -> Result<()> {
    let setup = Setup::echo().only(&[ChannelKind::WhatsApp]);
    // Longer than this test is patient: only the report can settle it.
    let world = setup.set("deliver.report_s", 300).start().await?;
    world.whatsapp.fail(Some("messages"), 1, Fault::LoseAnswer);
    assert_eq!(world.ask(ChannelKind::WhatsApp, ADA, "hello").await?, "echo: hello");
    let delivery = one(&world, ChannelKind::WhatsApp, "sent").await?;
    assert!(delivery["receipt"][0].is_string(), "{delivery}");
    assert_eq!(world.ask(ChannelKind::WhatsApp, ADA, "next").await?, "echo: next");
    assert_eq!(world.answers(ChannelKind::WhatsApp, ADA), ["echo: hello", "echo: next"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_takes_its_word_back() -> Result<()> {
    let world = world(ChannelKind::WhatsApp).await?;
    assert_eq!(world.ask(ChannelKind::WhatsApp, ADA, "hello").await?, "echo: hello");
    let sent = one(&world, ChannelKind::WhatsApp, "sent").await?;
    let wamid = sent["receipt"][0].as_str().context("no receipt")?;
    world.whatsapp.status(wamid, "failed");
    let dead = one(&world, ChannelKind::WhatsApp, "dead").await?;
    assert!(dead["reason"].as_str().is_some_and(|why| why.contains("not delivered")), "{dead}");
    let before = world.answers(ChannelKind::WhatsApp, ADA).len();
    world.say(ChannelKind::WhatsApp, ADA, "again");
    let answers = world.expect(ChannelKind::WhatsApp, ADA, before + 2, SOON).await?;
    assert_eq!(answers[before], "echo: again");
    assert!(answers[before + 1].contains(IS_LOST), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_tell_the_person_is_told() -> Result<()> {
    for channel in [ChannelKind::Telegram, ChannelKind::WhatsApp] {
        let world = world(channel).await?;
        let method = sends_method(channel);
        // A gateway in between failed; the message never arrived.
        world.platform(channel).fail(Some(method), 1, Fault::Status { code: 502 });
        let told = world.ask(channel, ADA, "hello").await?;
        assert!(told.contains(MAY_BE_LOST), "{channel}: {told}");
        let unknown = one(&world, channel, "unknown").await?;
        assert_eq!(unknown["attempts"], 1, "{unknown}");
        assert_eq!(world.ask(channel, ADA, "next").await?, "echo: next");
        assert_eq!(world.answers(channel, ADA).len(), 2, "{channel}: told once, sent once");
    }
    Ok(())
}

fn sends_method(channel: ChannelKind) -> &'static str {
    if channel == ChannelKind::Telegram { "sendMessage" } else { "messages" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_may_have_been_lost_is_repeated_with_the_next_answer() -> Result<()> {
    let world = world(ChannelKind::Telegram).await?;
    // The answer, and the notice as often as it is tried.
    world.telegram.fail(Some("sendMessage"), 1 + 3, Fault::Status { code: 502 });
    world.say(ChannelKind::Telegram, ADA, "hello");
    let both = |found: &Vec<Value>| {
        found.len() == 2 && found.iter().all(|delivery| delivery["state"] == "unknown")
    };
    let found =
        world.until("two unknown", || world.deliveries(ChannelKind::Telegram), both).await?;
    let kinds = ["notice", "reply"].map(|kind| found.iter().any(|one| one["kind"] == kind));
    assert_eq!(kinds, [true, true], "{found:#?}");
    world.say(ChannelKind::Telegram, ADA, "next");
    let answers = world.expect(ChannelKind::Telegram, ADA, 2, SOON).await?;
    assert_eq!(answers[0], "echo: next");
    assert!(answers[1].contains("may not have reached you"), "{answers:?}");
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "then").await?, "echo: then");
    assert_eq!(world.answers(ChannelKind::Telegram, ADA).len(), 3, "of the answer, not the notice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_is_told_with_the_next_that_can() -> Result<()> {
    let world = world(ChannelKind::Telegram).await?;
    world.telegram.fail(Some("sendMessage"), 2, Fault::Status { code: 403 });
    for (n, text) in ["one", "two"].into_iter().enumerate() {
        world.say(ChannelKind::Telegram, ADA, text);
        let dead = |found: &Vec<Value>| {
            found.len() == n + 1 && found.iter().all(|delivery| delivery["state"] == "dead")
        };
        world.until("dead", || world.deliveries(ChannelKind::Telegram), dead).await?;
    }
    assert_eq!(world.ask(ChannelKind::Telegram, BOB, "hello").await?, "echo: hello");
    world.say(ChannelKind::Telegram, ADA, "three");
    let answers = world.expect(ChannelKind::Telegram, ADA, 2, SOON).await?;
    assert_eq!(answers[0], "echo: three");
    assert!(answers[1].contains(IS_LOST) && answers[1].contains("2 of my answers"), "{answers:?}");
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "four").await?, "echo: four");
    assert_eq!(world.answers(ChannelKind::Telegram, ADA).len(), 3, "told once");
    assert_eq!(world.answers(ChannelKind::Telegram, BOB), ["echo: hello"], "and nobody else");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sends_it_after_all_or_drops_it() -> Result<()> {
    let world = world(ChannelKind::Telegram).await?;
    world.telegram.fail(Some("sendMessage"), 1, Fault::Status { code: 403 });
    world.say(ChannelKind::Telegram, ADA, "one");
    let dead = one(&world, ChannelKind::Telegram, "dead").await?;
    let shown = world.list(&["deliveries", "show", id(&dead)?]).await?;
    assert_eq!(shown, std::slice::from_ref(&dead));
    let doctor = world.zaki(&["doctor"]).await?.ok()?;
    let row = doctor.lines().find(|line| line.contains("deliveries")).unwrap_or_default();
    assert!(row.starts_with("note") && row.contains("1 given up"), "{doctor}");
    assert!(row.contains("zaki deliveries list"), "{doctor}");
    world.zaki(&["deliveries", "retry", id(&dead)?]).await?.ok()?;
    let answers = world.expect(ChannelKind::Telegram, ADA, 1, SOON).await?;
    assert_eq!(answers, ["echo: one"], "the running hub has picked it up");
    one(&world, ChannelKind::Telegram, "sent").await?;
    let refusal = world.zaki(&["deliveries", "retry", id(&dead)?]).await?.refusal()?;
    assert!(refusal.contains("is sent"), "{refusal}");

    // One that waits, and another behind it.
    world.telegram.fail(Some("sendMessage"), 1, Fault::RateLimited { after_ms: 8000 });
    world.say(ChannelKind::Telegram, ADA, "two");
    let waits = one(&world, ChannelKind::Telegram, "pending").await?;
    world.say(ChannelKind::Telegram, ADA, "three");
    let queued = |found: &Vec<Value>| {
        found.iter().filter(|delivery| delivery["state"] == "pending").count() == 2
    };
    world.until("two wait", || world.deliveries(ChannelKind::Telegram), queued).await?;
    world.zaki(&["deliveries", "drop", id(&waits)?]).await?.ok()?;
    let answers = world.expect(ChannelKind::Telegram, ADA, 2, SOON).await?;
    assert_eq!(answers, ["echo: one", "echo: three"], "dropped without a word");
    for all in ["--all-unknown", "--all-dead"] {
        let nothing = world.zaki(&["deliveries", "retry", all]).await?.ok()?;
        assert!(nothing.contains("nothing"), "{nothing}: what was dropped is not sent");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_follows_one_that_failed() -> Result<()> {
    let world = world(ChannelKind::Telegram).await?;
    // The first of three parts passes, the second never will.
    world.telegram.fail(Some("sendMessage"), 1, Fault::Delay { ms: 1 });
    world.telegram.fail(Some("sendMessage"), 1, Fault::Status { code: 400 });
    let words: Vec<String> = (0..1200).map(|n| format!("{n:08}")).collect();
    world.say(ChannelKind::Telegram, ADA, &words.join(" "));
    let over = |found: &Vec<Value>| {
        let dead = found.iter().filter(|delivery| delivery["state"] == "dead");
        dead.count() == 2
    };
    world.until("two dead parts", || world.deliveries(ChannelKind::Telegram), over).await?;
    world.say(ChannelKind::Telegram, ADA, "next");
    let answers = world.expect(ChannelKind::Telegram, ADA, 3, SOON).await?;
    assert!(answers[0].starts_with("echo: 00000000"), "{answers:?}");
    assert_eq!(answers[1], "echo: next");
    assert!(answers[2].starts_with("An answer of mine") && answers[2].contains(IS_LOST));
    let third =
        |call: &Call| call.body["text"].as_str().is_some_and(|text| text.contains("00001199"));
    assert!(!sends(&world, ChannelKind::Telegram).iter().any(third), "the third part was tried");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_limits_holds_each_conversation_and_no_other() -> Result<()> {
    let world = world(ChannelKind::Telegram).await?;
    let crowd: Vec<Person> = (10..25).map(Person).collect();
    let wait = Duration::from_secs(3);
    let storm = u32::try_from(crowd.len())?;
    world.telegram.fail(Some("sendMessage"), storm, Fault::rate_limited(wait));
    for who in &crowd {
        world.say(ChannelKind::Telegram, *who, "hello");
    }
    let refused = |call: &Call| call.method == "sendMessage" && call.status == 429;
    let refused = world.telegram.calls().wait_for_count(crowd.len(), refused, SOON).await?;
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "me?").await?, "echo: me?");
    for who in &crowd {
        assert!(world.answers(ChannelKind::Telegram, *who).is_empty(), "ADA waited for {who:?}");
    }
    for who in &crowd {
        let answers = world.expect(ChannelKind::Telegram, *who, 1, SOON).await?;
        assert_eq!(answers, ["echo: hello"]);
    }
    let chat = |call: &Call| call.body["chat_id"].to_string();
    for call in sends(&world, ChannelKind::Telegram).iter().filter(|call| call.status == 200) {
        if let Some(before) = refused.iter().find(|refused| chat(refused) == chat(call)) {
            let waited = call.at.duration_since(before.at)?;
            assert!(waited >= wait, "{} was asked again after {waited:?}", chat(call));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_cut_by_a_crash_is_found_out_about_or_told() -> Result<()> {
    for channel in [ChannelKind::Discord, ChannelKind::Telegram] {
        let mut world = world(channel).await?;
        let method = if channel == ChannelKind::Discord { "create_message" } else { "sendMessage" };
        world.platform(channel).fail(Some(method), 1, Fault::Delay { ms: 60_000 });
        world.say(channel, ADA, "hello");
        let arrived = world.platform(channel).arrived();
        arrived.wait_for(|call| call == method, SOON).await.with_context(|| world.log())?;
        world.kill()?;
        world.up().await?;
        let answers = world.expect(channel, ADA, 1, SOON).await?;
        match channel {
            ChannelKind::Discord => assert_eq!(answers, ["echo: hello"], "by its nonce"),
            _ => assert!(answers[0].contains(MAY_BE_LOST), "{answers:?}"),
        }
        assert_eq!(world.ask(channel, ADA, "next").await?, "echo: next");
        assert_eq!(world.answers(channel, ADA).len(), 2, "{channel}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_follows_a_group_that_moved() -> Result<()> {
    let world = world(ChannelKind::Telegram).await?;
    let group = telegram::Chat::basic_group(-4001, "Friends");
    world.telegram.fail(Some("sendMessage"), 1, Fault::Delay { ms: 1000 });
    world.telegram.say_in(&group, &ADA.telegram(), "@zaki_sim_bot what is up", json!({}));
    let arrived = world.telegram.arrived();
    arrived.wait_for(|call| call == "sendMessage", SOON).await.with_context(|| world.log())?;
    let (new, _) = world.telegram.upgrade(&group, &ADA.telegram(), -1_001_234_567_890);
    let answer = world.expect_sent(ChannelKind::Telegram, zaki_simulators::Sent::has_text).await?;
    assert_eq!(
        (answer.conversation, answer.text),
        (new.id.to_string(), "echo: what is up".to_owned())
    );
    one(&world, ChannelKind::Telegram, "sent").await?;
    Ok(())
}
