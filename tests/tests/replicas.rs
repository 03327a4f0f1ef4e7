//! Three hubs on one PostgreSQL, any webhook to any of them. One dies, one is cut off from the
//! database, one is frozen past its lease and wakes again: nobody is answered twice, nobody waits.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::Value;
use toml::Table;
use zaki_simulators::{Fault, Sent, Simulator};
use zaki_tests::chaos::{Script, Seed, Stage};
use zaki_tests::proxy::Trouble;
use zaki_tests::replicas::Replicas;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

/// Longer than a lease lives.
const LONG: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_secs(3);
/// When a platform that is asked too much wants to be asked again; longer than a hub needs to start.
const LATER: Duration = Duration::from_secs(12);
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
/// What nobody waits longer than, whatever dies.
const STALL: u128 = 10_000;

/// One after another; each is well again before the next is not.
async fn troubles(replicas: &mut Replicas) -> Result<()> {
    let [first, second, third] = &mut replicas.hubs[..] else { bail!("three hubs") };
    tokio::time::sleep(PAUSE).await;
    first.kill()?;
    tokio::time::sleep(LONG).await;
    first.begin()?;
    first.ready().await?;
    tokio::time::sleep(PAUSE).await;

    second.database.make_for(Trouble::Silent, LONG).await;
    second.ready().await.context("it recovers by itself")?;
    // What it had in hand has been taken up by now: one message must not meet two troubles.
    tokio::time::sleep(PAUSE).await;

    third.signal(Signal::SIGSTOP)?;
    tokio::time::sleep(LONG).await;
    third.signal(Signal::SIGCONT)?;
    third.ready().await.context("it comes back by itself")?;
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

/// Every replica is replaced, as with a new release.
async fn roll(replicas: &mut Replicas) -> Result<()> {
    for hub in &mut replicas.hubs {
        tokio::time::sleep(PAUSE).await;
        hub.end().await?;
        hub.begin()?;
        hub.ready().await?;
    }
    Ok(())
}

/// A script is played while every replica is replaced; nothing may be in doubt after it.
async fn rolls(script: impl Fn(Seed) -> Script) -> Result<()> {
    let seed = Seed::find();
    let setup = Setup::echo().hasty().set("hub.stop_timeout_s", 5);
    let Some(mut replicas) = Replicas::start(setup, 3, seed).await? else {
        return Ok(());
    };
    let stage = Stage::open(&replicas.world);
    let script = script(seed);
    let ((), done) = tokio::join!(stage.play(&script, 5 * PAUSE), roll(&mut replicas));
    done.with_context(|| replicas.log())?;
    let report = stage.settle(&replicas.world, Some(0), SOON).await?;
    println!("{report}");
    report.verdict().with_context(|| replicas.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_replicas_are_replaced_one_by_one() -> Result<()> {
    rolls(|seed| Script::brief(seed, 120, &ChannelKind::ALL)).await
}

/// What one person says within milliseconds lands on several replicas, and some of it on one that
/// is about to end.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_to_several_replicas_is_answered_in_order() -> Result<()> {
    rolls(|seed| Script::new(seed, 60, &ChannelKind::ALL)).await
}

/// A message on Telegram, which goes to the next replica, again and again while that asks for it; it
/// has been acknowledged.
async fn deliver(world: &World, who: Person, number: u32, text: &str) -> Result<()> {
    let config: Table = std::fs::read_to_string(world.config())?.parse()?;
    let balancer = config["hub"]["public_url"].as_str().context("no public URL")?;
    let post = payload::message(world, TELEGRAM, who, number, text);
    let mut request = world.http.post(format!("{balancer}{}", post.path)).body(post.body);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    for _ in 0..20 {
        let again = request.try_clone().context("a body that can be sent once")?;
        let answer = again.send().await?;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            answer.error_for_status()?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("no replica took it")
}

/// Whoever wants to be heard at once is heard by a turn of another replica, too: each message once.
/// They join it in order; two replicas then tell the edge, each of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_hears_what_arrives_at_any_replica() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]).set("turn.mid_turn", "steer");
    let Some(replicas) = Replicas::start(setup, 2, Seed::find()).await? else {
        return Ok(());
    };
    let world = &replicas.world;
    deliver(world, Person::ADA, 0, "SLOW:40x100").await?;
    let busy = |lines: &Vec<Value>| lines.iter().any(|line| line["state"] == "joined");
    world.until("a turn runs", || world.inbox(TELEGRAM), busy).await?;
    for number in 1..=4 {
        deliver(world, Person::ADA, number, &format!("also{number}")).await?;
    }
    let sent = world.expect_sent(TELEGRAM, |sent| sent.text.contains("word39")).await;
    let sent = sent.with_context(|| replicas.log())?;
    let heard = sent.text.split_whitespace().filter(|word| word.starts_with("also"));
    let mut heard: Vec<_> = heard.collect();
    heard.sort_unstable();
    ensure!(heard == ["also1", "also2", "also3", "also4"], "{sent:?}\n{}", replicas.log());
    let turns: BTreeSet<String> =
        world.inbox(TELEGRAM).await?.iter().map(|line| line["turn"].to_string()).collect();
    ensure!(turns.len() == 1, "{turns:?}");
    Ok(())
}

/// Each is acknowledged before the next is said, and goes to the other replica: whichever begins
/// its turn first. What is a command for the hub, no turn takes along.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_over_two_replicas_is_answered_in_order() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]);
    let Some(replicas) = Replicas::start(setup, 2, Seed::find()).await? else {
        return Ok(());
    };
    let world = &replicas.world;
    let texts = ["one", "two", "/mode", "three"];
    // Not one person again and again, since Telegram wants to hear once a second about each.
    let people = || (10..70).map(Person);
    for person in people() {
        for (n, text) in (0..).zip(texts) {
            let number = 4 * u32::from(person.0) + n;
            deliver(world, person, number, text).await?;
        }
    }
    for person in people() {
        let chat = person.telegram().id.to_string();
        let is_there = |sent: &Sent| sent.conversation == chat;
        let is_last = |sent: &Sent| is_there(sent) && sent.text.ends_with("three");
        let is_help = |sent: &Sent| is_there(sent) && sent.text.contains("You can choose");
        world.expect_sent(TELEGRAM, is_last).await.with_context(|| replicas.log())?;
        world.expect_sent(TELEGRAM, is_help).await.with_context(|| replicas.log())?;
        let answers = world.answers(TELEGRAM, person);
        let echoes = answers.iter().filter_map(|answer| answer.strip_prefix("echo: "));
        let heard: Vec<_> = echoes.flat_map(str::split_whitespace).collect();
        ensure!(heard == ["one", "two", "three"], "{answers:?}\n{}", replicas.log());
    }
    Ok(())
}

/// The replica that closes has a turn to see through, and an answer that its platform does not want
/// yet: another one sends that meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_closes_keeps_no_answer_waiting() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]).set("hub.stop_timeout_s", 60);
    let Some(mut replicas) = Replicas::start(setup, 2, Seed::find()).await? else {
        return Ok(());
    };
    let Replicas { world, hubs, .. } = &mut replicas;
    let [first, second] = &mut hubs[..] else { bail!("two hubs") };
    // All this is for the first one.
    second.end().await?;
    world.say(TELEGRAM, Person::ADA, "SLOW:600x100");
    let busy = |lines: &Vec<Value>| lines.iter().any(|line| line["state"] == "joined");
    world.until("a turn runs", || world.inbox(TELEGRAM), busy).await?;
    world.telegram.fail(Some("sendMessage"), 1, Fault::rate_limited(LATER));
    world.say(TELEGRAM, Person::BOB, "hello");
    let held = |lines: &Vec<Value>| {
        lines.iter().any(|line| line["state"] == "pending" && line["reason"].is_string())
    };
    world.until("an answer is held", || world.deliveries(TELEGRAM), held).await?;
    second.begin()?;
    second.ready().await?;
    ensure!(world.answers(TELEGRAM, Person::BOB).is_empty(), "too slow a machine");

    first.signal(Signal::SIGTERM)?;
    let answers = world.expect(TELEGRAM, Person::BOB, 1, 2 * LATER).await;
    let answers = answers.with_context(|| replicas.log())?;
    ensure!(answers == ["echo: hello"], "{answers:?}");
    // The turn is still that of the first one, for which the second has it stopped.
    let world = &replicas.world;
    world.say(TELEGRAM, Person::ADA, "/stop");
    let answers = world.expect(TELEGRAM, Person::ADA, 1, SOON).await?;
    ensure!(answers.concat().ends_with("was stopped before it had finished.)"), "{answers:?}");
    Ok(())
}

async fn go_on(setup: Setup) -> Result<()> {
    let seed = Seed::find();
    let Some(mut replicas) = Replicas::start(setup.hasty(), 3, seed).await? else {
        return Ok(());
    };
    let stage = Stage::open(&replicas.world);
    // Few words to many people: what waits, waits for a hub and not for its turn.
    let script = Script::brief(seed, 300, &ChannelKind::ALL);
    let span = 3 * (LONG + PAUSE);
    let ((), done) = tokio::join!(stage.play(&script, span), troubles(&mut replicas));
    done.with_context(|| replicas.log())?;
    let report = stage.settle(&replicas.world, None, SOON).await?;
    println!("{report}");
    report.verdict().with_context(|| replicas.log())?;
    for (channel, longest) in stage.longest() {
        ensure!(longest < STALL, "{channel}: somebody waited {longest} ms\n{}", replicas.log());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_is_cut_off_or_sleeps_is_not_missed() -> Result<()> {
    go_on(Setup::echo()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_it_polls_telegram_or_holds_the_gateway() -> Result<()> {
    go_on(Setup::echo().without_public_url()).await
}
