//! The hub dies, at any moment. What was acknowledged is answered after the next start, once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::net::TcpListener;
use zaki_simulators::{Call, Fault, Sent, Simulator};
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::processes::{self, Process};
use zaki_tests::store::Held;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
/// A cold start on a busy machine and a turn after it.
const AGENT: Duration = Duration::from_mins(4);

/// Waits until every channel's only message is in `state`.
async fn all_are(world: &World, state: &str) -> Result<()> {
    let all = |found: &Vec<Value>| {
        let said = found.iter().filter(|line| zaki_tests::world::is_said(line));
        said.filter(|line| line["state"] == state).count() == ChannelKind::ALL.len()
    };
    world.until(&format!("every message {state}"), || world.list(&["inbox", "list"]), all).await?;
    Ok(())
}

/// Every channel's message was answered once: nothing more comes before the answer to another.
async fn all_answered_once(world: &World, text: &str) -> Result<()> {
    for channel in ChannelKind::ALL {
        world.expect(channel, ADA, 1, SOON).await?;
        world.ask(channel, ADA, "last").await?;
        let expected = [format!("echo: {text}"), "echo: last".to_owned()];
        assert_eq!(world.answers(channel, ADA), expected, "{channel}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_accepted_but_not_begun_is_answered_after_a_crash() -> Result<()> {
    let mut world = Setup::echo().start().await?;
    // Who it is cannot be looked up, so no turn can begin.
    let held = Held::on(&world.data().join("hub/identity.db"))?;
    for channel in ChannelKind::ALL {
        world.say(channel, ADA, "before the crash");
    }
    all_are(&world, "accepted").await?;
    for channel in [TELEGRAM, ChannelKind::WhatsApp, ChannelKind::Slack] {
        let acknowledged = |attempt: &zaki_simulators::Attempt| attempt.accepted();
        world.platform(channel).attempts().wait_for(acknowledged, SOON).await?;
    }
    world.kill()?;
    drop(held);
    world.up().await?;
    all_answered_once(&world, "before the crash").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_under_way_is_taken_up_after_a_crash() -> Result<()> {
    // An edge that takes every turn and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", silent.local_addr()?);
    let setup = Setup::echo().set("edge.url", url).set("edge.key", "k".repeat(32));
    let mut world = setup.start().await?;
    for channel in ChannelKind::ALL {
        world.say(channel, ADA, "before the crash");
    }
    all_are(&world, "joined").await?;
    world.kill()?;
    world.reconfigure("edge.url", "")?;
    world.up().await?;
    all_answered_once(&world, "before the crash").await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_wait_are_sent_after_a_crash_in_order_and_not_before_their_time() -> Result<()>
{
    let mut world = Setup::echo().only(&[TELEGRAM]).start().await?;
    let wait = Duration::from_secs(3);
    world.telegram.fail(Some("sendMessage"), 1, Fault::rate_limited(wait));
    let words: Vec<String> = (0..1000).map(|n| format!("{n:08}")).collect();
    world.say(TELEGRAM, ADA, &words.join(" "));
    let waits =
        |found: &Vec<Value>| found.len() > 1 && found.iter().all(|one| one["state"] == "pending");
    let refused = |call: &Call| call.status == 429;
    let refused = world.telegram.calls().wait_for(refused, SOON).await?;
    world.until("a refused answer", || world.deliveries(TELEGRAM), waits).await?;
    world.kill()?;
    world.up().await?;
    world.say(TELEGRAM, ADA, "last");
    let is_last = |sent: &Sent| sent.text == "echo: last";
    world.expect_sent(TELEGRAM, is_last).await?;
    let told = world.answers(TELEGRAM, ADA).join(" ");
    assert_eq!(told, format!("echo: {} echo: last", words.join(" ")));
    let first = world.telegram.sent().wait_for(Sent::has_text, SOON).await?;
    let waited = first.at.duration_since(refused.at)?;
    assert!(waited >= wait, "the platform asked for {wait:?}, it got {waited:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_being_sent_at_the_crash_is_not_sent_twice() -> Result<()> {
    let mut world = Setup::echo().only(&[TELEGRAM]).start().await?;
    world.telegram.fail(Some("sendMessage"), 1, Fault::Delay { ms: 5000 });
    world.say(TELEGRAM, ADA, "hello");
    let sending = |found: &Vec<Value>| found.iter().any(|delivery| delivery["state"] == "sending");
    world.until("an answer being sent", || world.deliveries(TELEGRAM), sending).await?;
    world.kill()?;
    world.up().await?;
    world.say(TELEGRAM, ADA, "last");
    world.expect_sent(TELEGRAM, |sent| sent.text == "echo: last").await?;
    let answers = world.answers(TELEGRAM, ADA);
    let copies = answers.iter().filter(|text| *text == "echo: hello").count();
    assert!(copies <= 1, "sent {copies} times");
    let told = answers.iter().filter(|text| text.contains("may not have reached you")).count();
    assert_eq!(told, 1, "{answers:?}");
    let deliveries = world.deliveries(TELEGRAM).await?;
    assert_eq!(deliveries.last().map(|first| &first["state"]), Some(&"unknown".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_dies_nothing_acknowledged_is_lost_and_nothing_is_said_twice() -> Result<()> {
    let mut world = Setup::echo().only(&[TELEGRAM]).start().await?;
    for round in 0..12_u32 {
        let text = format!("round {round}");
        // Until the bot knows its name again, its platform is told to come again.
        let send = || payload::message(&world, TELEGRAM, ADA, round, &text).send(&world);
        world.until("an acknowledgement", send, |answer| answer.status == 200).await?;
        tokio::time::sleep(Duration::from_micros(300) * round).await;
        world.kill()?;
        world.up().await?;
    }
    // Answers keep their order, so all others came before this one.
    assert!(!world.ask(TELEGRAM, ADA, "last").await?.is_empty());
    let is_last = |sent: &Sent| sent.text == "echo: last";
    world.expect_sent(TELEGRAM, is_last).await?;
    let answers = world.answers(TELEGRAM, ADA);
    let mut deliveries = world.deliveries(TELEGRAM).await?;
    // The others tell of what may be lost.
    deliveries.retain(|delivery| delivery["kind"] == "reply");
    assert_eq!(deliveries.len(), 13, "one turn for each message");
    for round in 0..12_u32 {
        let text = format!("echo: round {round}");
        let copies = answers.iter().filter(|answer| **answer == text).count();
        let mine = deliveries
            .iter()
            .find(|one| one["outbound"].to_string().contains(&format!("{text}\"")));
        let state = mine.map(|delivery| &delivery["state"]).context("no answer was stored")?;
        // The crash fell into the sending: whether it arrived only the platform knows.
        let fits = if state == "sent" { copies == 1 } else { state == "unknown" && copies <= 1 };
        assert!(fits, "{text}: {copies} times, {state}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_asked_to_end_ends_well() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut world = Setup::echo().start().await?;
        for channel in ChannelKind::ALL {
            assert_eq!(world.ask(channel, ADA, "hello").await?, "echo: hello");
        }
        // One answer waits for its platform: that must not hold up the end.
        world.telegram.fail(Some("sendMessage"), 1, Fault::RateLimited { after_ms: 60_000 });
        world.say(TELEGRAM, ADA, "waits");
        let refused = |call: &Call| call.status == 429;
        world.telegram.calls().wait_for(refused, SOON).await.with_context(|| world.log())?;
        assert_eq!(world.stop(signal).await?.code(), Some(0), "{signal}");
        assert!(!world.whole_log().contains("stopping with unfinished work"), "{signal}");
        assert_eq!(world.processes(), [], "{signal}");
    }
    Ok(())
}

/// The sandbox's processes: everything of this world but the hub.
fn sandbox(world: &World) -> Result<Vec<Process>> {
    let hub = world.hub()?.pid();
    let mut all = world.processes();
    all.retain(|process| process.pid != hub);
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_goes_on_with_a_turn_while_the_hub_is_dead() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let mut world = Setup::openclaw(openclaw).only(&[TELEGRAM]).start().await?;
    let first = world.ask_within(TELEGRAM, ADA, "Hello.", AGENT).await?;
    ensure!(first.contains("Hello."), "not the offline model: {first}");
    let before = sandbox(&world)?;
    assert!(!before.is_empty(), "no sandbox process is found");

    // Once the turn still runs when the hub comes back, once it has ended by then.
    for (n, (slow, pause)) in [("SLOW:24x250", 1), ("SLOW:8x250", 5)].into_iter().enumerate() {
        let typing =
            world.telegram.sent().matching(|sent| sent.act == zaki_simulators::Act::Typing);
        world.say(TELEGRAM, ADA, slow);
        let one_more = |sent: &Sent| sent.act == zaki_simulators::Act::Typing;
        let seen = world.telegram.sent().wait_for_count(typing.len() + 1, one_more, SOON).await;
        seen.with_context(|| world.log())?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.kill()?;
        tokio::time::sleep(Duration::from_secs(pause)).await;
        assert!(before.iter().all(Process::is_alive), "the sandbox outlives the hub");
        world.up().await?;
        let answers = world.expect(TELEGRAM, ADA, n + 2, AGENT).await?;
        let words = if n == 0 { 24 } else { 8 };
        let last = answers.last().context("no answer")?;
        assert!(
            last.starts_with("word0 ") && last.contains(&format!("word{}", words - 1)),
            "{last}"
        );
        assert!(before.iter().all(Process::is_alive), "it is adopted, not started again");
    }

    // The agent's own count: had a turn run twice, this would not be the fourth message.
    let fourth = world.ask_within(TELEGRAM, ADA, "How many?", AGENT).await?;
    assert!(fourth.contains("message 4 of this session"), "{fourth}");
    assert_eq!(world.answers(TELEGRAM, ADA).len(), 4);

    let after = sandbox(&world)?;
    assert_eq!(world.stop(Signal::SIGTERM).await?.code(), Some(0));
    assert!(processes::gone(&after, SOON).await, "these are left: {:#?}", world.processes());
    assert_eq!(world.processes(), [], "and nothing else");
    Ok(())
}

/// The likeliest moment of all: the first message wakes the sandbox, and that takes a while.
#[tokio::test(flavor = "multi_thread")]
async fn openclaw_that_was_starting_at_the_crash_answers_once() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let mut world = Setup::openclaw(openclaw).only(&[TELEGRAM]).start().await?;
    for round in 1..=2_u64 {
        world.say(TELEGRAM, ADA, &format!("Hello, round {round}."));
        let hub = world.hub()?.pid();
        let starting = |found: &Vec<Process>| found.iter().any(|process| process.pid != hub);
        world.until("a sandbox", async || Ok(world.processes()), starting).await?;
        tokio::time::sleep(Duration::from_secs(round)).await;
        world.kill()?;
        world.up().await?;
        let answers = world.expect(TELEGRAM, ADA, usize::try_from(round)?, AGENT).await?;
        let last = answers.last().context("no answer")?;
        assert!(last.contains(&format!("message {round} of this session")), "run twice: {last}");
        let containers = sandbox(&world)?;
        let is_container = |process: &&Process| {
            process.command.contains("--listen") && !process.command.contains("--unshare-pid")
        };
        let containers = containers.iter().filter(is_container);
        assert_eq!(containers.count(), 1, "one sandbox, no other left behind");
        // The next round begins with a stopped sandbox.
        assert_eq!(world.stop(Signal::SIGTERM).await?.code(), Some(0));
        assert_eq!(world.processes(), []);
        world.up().await?;
    }
    assert_eq!(world.answers(TELEGRAM, ADA).len(), 2, "each once");
    Ok(())
}
