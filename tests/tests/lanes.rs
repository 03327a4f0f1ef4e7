//! What becomes of messages that arrive together, mid-turn, or in too great a number.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_simulators::telegram::Chat;
use zaki_simulators::{Act, Sent, Simulator};
use zaki_tests::chaos::Seed;
use zaki_tests::replicas::Replicas;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
/// Keeps the agent busy for as long as a test needs; it says `word0`, `word1` and so on.
const LONG: &str = "SLOW:600x100";
/// Time enough to write something meanwhile.
const SHORT: &str = "SLOW:15x100";

fn telegram() -> Setup {
    Setup::echo().only(&[TELEGRAM])
}

/// Ada's messages as the ledger has them, oldest first.
async fn inbox(world: &World) -> Result<Vec<Value>> {
    let mut lines = world.inbox(TELEGRAM).await?;
    lines.reverse();
    Ok(lines)
}

fn text(line: &Value) -> &str {
    line["parts"][0]["text"].as_str().unwrap_or_default()
}

fn field<'v>(lines: &'v [Value], said: &str, field: &str) -> &'v str {
    let line = lines.iter().find(|line| text(line) == said);
    line.and_then(|line| line[field].as_str()).unwrap_or_default()
}

/// Asks for something that takes its time, and waits until the agent is at it.
async fn occupy(world: &World, with: &str) -> Result<()> {
    world.say(TELEGRAM, ADA, with);
    until_state(world, with, "joined").await
}

async fn until_state(world: &World, said: &str, state: &str) -> Result<()> {
    let what = format!("`{said}` {state}");
    let is = |lines: &Vec<Value>| field(lines, said, "state") == state;
    world.until(&what, || inbox(world), is).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_mid_turn_waits_and_becomes_one_next_turn() -> Result<()> {
    let world = telegram().start().await?;
    occupy(&world, SHORT).await?;
    for said in ["one", "two", "three"] {
        world.say(TELEGRAM, ADA, said);
    }
    let answers = world.expect(TELEGRAM, ADA, 2, SOON).await?;
    assert!(answers[0].ends_with("word14"), "{answers:?}");
    assert_eq!(answers[1], "echo: one\ntwo\nthree");
    let lines = inbox(&world).await?;
    assert_eq!(field(&lines, "one", "turn"), field(&lines, "three", "turn"));
    assert_ne!(field(&lines, "one", "turn"), field(&lines, SHORT, "turn"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_album_is_one_turn() -> Result<()> {
    let world = telegram().start().await?;
    let user = ADA.telegram();
    world.telegram.album(&Chat::private(&user), &user, "my cats", 5);
    let answers = world.expect(TELEGRAM, ADA, 1, SOON).await?;
    assert_eq!(answers, ["echo: my cats"]);
    let lines = inbox(&world).await?;
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line["turn"] == lines[0]["turn"]), "{lines:#?}");
    assert_eq!(world.deliveries(TELEGRAM).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_client_has_cut_is_one_turn() -> Result<()> {
    let world = telegram().start().await?;
    let long = "x".repeat(4096);
    world.say(TELEGRAM, ADA, &long);
    world.say(TELEGRAM, ADA, &long);
    world.say(TELEGRAM, ADA, "the rest");
    let last = |sent: &Sent| sent.text.ends_with("the rest");
    world.expect_sent(TELEGRAM, last).await?;
    let lines = inbox(&world).await?;
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["turn"] == lines[0]["turn"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_joins_the_running_turn_for_whoever_wants_that() -> Result<()> {
    let world = telegram().start().await?;
    let said = world.ask(TELEGRAM, ADA, "/mode steer").await?;
    assert!(said.contains("reaches it at once"), "{said}");
    occupy(&world, SHORT).await?;
    world.say(TELEGRAM, ADA, "and this");
    let answers = world.expect(TELEGRAM, ADA, 2, SOON).await?;
    assert!(answers[1].contains("word14"), "{answers:?}");
    assert!(answers[1].ends_with("echo: and this"), "{answers:?}");
    let lines = inbox(&world).await?;
    assert_eq!(field(&lines, "and this", "turn"), field(&lines, SHORT, "turn"));
    // Once it is over, a message is a turn of its own again.
    assert_eq!(world.ask(TELEGRAM, ADA, "later").await?, "echo: later");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_interrupts_the_running_turn_where_that_is_the_rule() -> Result<()> {
    let world = telegram().set("turn.mid_turn", "interrupt").start().await?;
    occupy(&world, LONG).await?;
    world.say(TELEGRAM, ADA, "rather this");
    let is_answer = |sent: &Sent| sent.text == "echo: rather this";
    world.expect_sent(TELEGRAM, is_answer).await?;
    let answers = world.answers(TELEGRAM, ADA);
    // What there was of the first answer comes before the second.
    assert_eq!(answers.last().map(String::as_str), Some("echo: rather this"), "{answers:?}");
    assert!(!answers.iter().any(|answer| answer.contains("word599")), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_overtakes_all_that_waits_and_takes_it_along() -> Result<()> {
    let world = telegram().start().await?;
    occupy(&world, LONG).await?;
    for said in ["one", "two"] {
        world.say(TELEGRAM, ADA, said);
        until_state(&world, said, "accepted").await?;
    }
    world.say(TELEGRAM, ADA, "/stop");
    let answers = world.expect(TELEGRAM, ADA, 1, SOON).await?;
    assert!(answers[0].contains("Stopped. 2 messages of yours"), "{answers:?}");
    for said in ["one", "two", "/stop"] {
        until_state(&world, said, "settled").await?;
    }
    assert_eq!(world.ask(TELEGRAM, ADA, "next").await?, "echo: next");
    assert_eq!(world.answers(TELEGRAM, ADA).len(), 2, "the person was told once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_with_nothing_to_stop_says_so() -> Result<()> {
    let world = telegram().start().await?;
    let said = world.ask(TELEGRAM, ADA, "/stop").await?;
    assert!(said.contains("nothing to stop"), "{said}");
    assert_eq!(world.ask(TELEGRAM, ADA, "next").await?, "echo: next");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_survives_a_crash() -> Result<()> {
    let mut world = telegram().start().await?;
    occupy(&world, LONG).await?;
    world.say(TELEGRAM, ADA, "waits");
    until_state(&world, "waits", "accepted").await?;
    world.kill()?;
    world.say(TELEGRAM, ADA, "/stop");
    world.up().await?;
    until_state(&world, "/stop", "settled").await?;
    until_state(&world, "waits", "settled").await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "next").await?, "echo: next");
    let answers = world.answers(TELEGRAM, ADA);
    assert!(!answers.iter().any(|answer| answer.contains("echo: waits")), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_are_declined_and_the_person_is_told_once() -> Result<()> {
    let world = telegram().set("lane.waiting", 2).start().await?;
    occupy(&world, SHORT).await?;
    let texts: Vec<String> = (0..6).map(|n| format!("message {n}")).collect();
    for text in &texts {
        world.say(TELEGRAM, ADA, text);
    }
    let answers = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    let told = answers.iter().filter(|answer| answer.contains("Too many")).count();
    assert_eq!(told, 1, "{answers:?}");
    assert_eq!(answers.last().context("none")?, "echo: message 0\nmessage 1");
    let lines = inbox(&world).await?;
    for text in &texts[2..] {
        assert_eq!(field(&lines, text, "reason"), "limited", "{text}");
    }
    assert_eq!(world.ask(TELEGRAM, ADA, "next").await?, "echo: next");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_hub_declines_what_would_wait_and_nothing_else() -> Result<()> {
    let world = telegram().set("lane.waiting_all", 1).start().await?;
    occupy(&world, SHORT).await?;
    world.say(TELEGRAM, ADA, "waits");
    until_state(&world, "waits", "accepted").await?;
    world.say(TELEGRAM, ADA, "declined");
    until_state(&world, "declined", "settled").await?;
    // Who has to wait for nothing is answered all the same.
    assert_eq!(world.ask(TELEGRAM, Person::BOB, "hello").await?, "echo: hello");
    let answers = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    assert_eq!(answers.last().context("none")?, "echo: waits");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_one_person_is_bounded_over_all_their_conversations() -> Result<()> {
    let world = telegram().set("lane.waiting_person", 1).set("lane.waiting", 1).start().await?;
    let group = Chat::group(-1_001_000_000_001, "Friends");
    let in_group = |who: Person, text: &str| {
        let text = format!("@zaki_sim_bot {text}");
        world.telegram.say_in(&group, &who.telegram(), &text, json!({}));
    };
    occupy(&world, LONG).await?;
    in_group(ADA, "SLOW:500x100");
    until_state(&world, "SLOW:500x100", "joined").await?;
    world.say(TELEGRAM, ADA, "waits");
    until_state(&world, "waits", "accepted").await?;
    in_group(ADA, "declined");
    until_state(&world, "declined", "settled").await?;
    // Others wait all the same.
    world.say(TELEGRAM, Person::BOB, "SLOW:400x100");
    until_state(&world, "SLOW:400x100", "joined").await?;
    world.say(TELEGRAM, Person::BOB, "Bob waits");
    until_state(&world, "Bob waits", "accepted").await?;
    // And she may again, once less does.
    world.say(TELEGRAM, ADA, "/stop");
    until_state(&world, "waits", "settled").await?;
    in_group(ADA, "waits now");
    until_state(&world, "waits now", "accepted").await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_hub_never_reach_the_agent_and_others_do() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        let help = world.ask(channel, ADA, "/mode").await?;
        assert!(help.contains("You can choose") && help.contains("interrupt"), "{channel}: {help}");
        let idle = world.ask(channel, ADA, "/stop").await?;
        assert!(idle.contains("nothing to stop"), "{channel}: {idle}");
        assert_eq!(world.ask(channel, ADA, "/weather").await?, "echo: /weather", "{channel}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_person_keeps_nobody_waiting() -> Result<()> {
    let world = telegram().start().await?;
    occupy(&world, LONG).await?;
    for n in 0..5 {
        let who = Person(10 + n);
        assert_eq!(world.ask(TELEGRAM, who, "hello").await?, "echo: hello");
    }
    // Nor does a lane block the source that its messages come from.
    for number in 0..10 {
        payload::message(&world, TELEGRAM, ADA, number, "more").expect(&world, 200).await?;
    }
    assert!(world.answers(TELEGRAM, ADA).is_empty());
    world.say(TELEGRAM, ADA, "/stop");
    let answers = world.expect(TELEGRAM, ADA, 1, SOON).await?;
    assert!(answers[0].contains("10 messages"), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lane_over_two_replicas_is_one_lane() -> Result<()> {
    let Some(replicas) = Replicas::start(telegram(), 2, Seed::find()).await? else {
        return Ok(());
    };
    let world = &replicas.world;
    // Messages go to either replica by chance: that of the turn, or the other one.
    for round in 0..6 {
        let [slow, waits, next] =
            ["SLOW:600x100", "waits", "next"].map(|it| format!("{it} {round}"));
        occupy(world, &slow).await.with_context(|| replicas.log())?;
        world.say(TELEGRAM, ADA, &waits);
        until_state(world, &waits, "accepted").await?;
        world.say(TELEGRAM, ADA, "/stop");
        until_state(world, &waits, "settled").await.with_context(|| replicas.log())?;
        world.say(TELEGRAM, ADA, &next);
        let answer = format!("echo: {next}");
        let is_answer = |sent: &Sent| sent.text == answer;
        world.expect_sent(TELEGRAM, is_answer).await.with_context(|| replicas.log())?;
    }
    let answers = world.answers(TELEGRAM, ADA);
    assert!(!answers.iter().any(|answer| answer.contains("echo: waits")), "{answers:?}");
    assert!(!answers.iter().any(|answer| answer.contains("word599")), "{answers:?}");
    // And without a stop, what waits is answered after what runs.
    occupy(world, SHORT).await?;
    world.say(TELEGRAM, ADA, "later");
    world.expect_sent(TELEGRAM, |sent| sent.text == "echo: later").await?;
    let answers = world.answers(TELEGRAM, ADA);
    let [.., first, second] = &answers[..] else { panic!("{answers:?}") };
    assert!(first.ends_with("word14") && second == "echo: later", "{answers:?}");
    Ok(())
}

/// The demo's chat, whose person has written `lines` already.
async fn chat(lines: &str) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let written = dir.path().join("lines");
    std::fs::write(&written, lines)?;
    let mut demo = zaki_tests::program::command(["demo", "--echo"])?;
    demo.stdin(std::fs::File::open(written)?);
    zaki_tests::program::finish(demo).await?.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_chat_shows_what_the_hub_itself_answers() -> Result<()> {
    let said = chat("/mode\n/stop\nhello\n").await?;
    for answer in ["You can choose", "There is nothing to stop", "telegram> echo: hello"] {
        assert!(said.contains(answer), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_chat_can_be_written_to_while_an_answer_is_awaited() -> Result<()> {
    let said = chat(&format!("/mode interrupt\n{LONG}\nrather this\n")).await?;
    assert!(said.contains("telegram> echo: rather this"), "{said}");
    assert!(!said.contains("word599"), "{said}");
    let stopped = chat(&format!("{LONG}\n/stop\n")).await?;
    assert!(stopped.contains("Stopped."), "{stopped}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn discords_own_command_has_the_hubs_behind_it_and_is_answered_in_its_place() -> Result<()> {
    const DISCORD: ChannelKind = ChannelKind::Discord;
    let world = Setup::echo().only(&[DISCORD]).start().await?;
    let (direct, user) = (world.discord.direct(&ADA.discord()), ADA.discord());
    for (said, answer) in [
        ("mode steer", "reaches it at once"),
        ("/stop", "nothing to stop"),
        ("stop the press", "echo: stop the press"),
    ] {
        world.discord.command(&direct, &user, "zaki", ("message", said)).await;
        // The "thinking…" that Discord shows becomes the answer.
        let answered = |sent: &Sent| sent.act == Act::Edit && sent.text.contains(answer);
        world.expect_sent(DISCORD, answered).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_command_discord_shows_it_as_under_way_no_more() -> Result<()> {
    const DISCORD: ChannelKind = ChannelKind::Discord;
    let world = Setup::echo().only(&[DISCORD]).set("lane.waiting", 2).start().await?;
    let (direct, user) = (world.discord.direct(&ADA.discord()), ADA.discord());
    let say = async |said: &str| {
        world.discord.command(&direct, &user, "zaki", ("message", said)).await;
    };
    say(LONG).await;
    let is_on = |lines: &Vec<Value>| field(lines, LONG, "state") == "joined";
    world.until("a turn", || world.inbox(DISCORD), is_on).await?;
    // Two wait, two are too many, and one stops them all.
    for said in ["one", "two", "three", "four", "/stop"] {
        say(said).await;
    }
    let gone = |sent: &Sent| sent.act == Act::Retract;
    let answered = |sent: &Sent| sent.act == Act::Edit;
    let seen = world.discord.sent().wait_for_count(4, gone, SOON).await;
    seen.with_context(|| world.log())?;
    let seen = world.discord.sent().wait_for_count(2, answered, SOON).await;
    let seen = seen.with_context(|| world.log())?;
    assert!(seen.iter().any(|sent| sent.text.contains("Stopped.")), "{seen:?}");
    Ok(())
}
