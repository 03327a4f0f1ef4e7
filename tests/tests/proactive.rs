//! What agents say by themselves: it arrives where it was asked for, once, whoever sleeps meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zaki_simulators::Simulator;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::workerd::Rig;
use zaki_tests::{ChannelKind, Person, Setup, World};

use ChannelKind::{Discord, Slack, Telegram, WhatsApp};

const ADA: Person = Person::ADA;
const SOON: Duration = Duration::from_secs(20);
const AGENT: Duration = Duration::from_mins(4);

fn count(world: &World, channel: ChannelKind, words: &str) -> usize {
    world.answers(channel, ADA).iter().filter(|answer| answer.trim() == words).count()
}

/// Waits until exactly this was said there.
async fn arrives(world: &World, channel: ChannelKind, words: &str, within: Duration) -> Result<()> {
    let arrived = async {
        while count(world, channel, words) == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let arrived = tokio::time::timeout(within, arrived).await;
    arrived.with_context(|| {
        let there = world.answers(channel, ADA);
        format!("{words:?} did not arrive on {channel}, only {there:?}\n{}", world.log())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_arrives_on_the_channel_it_was_asked_on_wherever_they_wrote_last() -> Result<()> {
    let world = Setup::echo().start().await?;
    world.ask(Telegram, ADA, "hello").await?;
    world.link_all(ADA).await?;
    for (n, channel) in ChannelKind::ALL.into_iter().enumerate() {
        let asked = format!("LATER:1500:the tea of {channel} is ready");
        world.ask(channel, ADA, &asked).await?;
        let elsewhere = ChannelKind::ALL[(n + 1) % ChannelKind::ALL.len()];
        world.ask(elsewhere, ADA, "and something else").await?;
        arrives(&world, channel, &format!("the tea of {channel} is ready"), SOON).await?;
    }
    world.noted().await?;
    for (channel, other) in
        ChannelKind::ALL.into_iter().flat_map(|one| ChannelKind::ALL.map(|other| (one, other)))
    {
        let words = format!("the tea of {channel} is ready");
        assert_eq!(count(&world, other, &words), usize::from(channel == other), "{other}: {words}");
    }
    let log = world.whole_log();
    ensure!(!log.contains("the tea of"), "the log holds what was said");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_in_a_group_is_said_there() -> Result<()> {
    let world = Setup::echo().only(&[Slack]).start().await?;
    world.ask(Slack, ADA, "hello").await?;
    let place = "C0GENERAL";
    world.slack.add_channel(place, "general");
    let asked = "LATER:500:the news are out";
    world.slack.mention(place, &ADA.slack(), asked, json!({}));
    let is_it = |sent: &zaki_simulators::Sent| {
        sent.conversation == place && sent.text.trim() == "the news are out"
    };
    world.slack.sent().wait_for(is_it, SOON).await.with_context(|| world.log())?;
    assert_eq!(count(&world, Slack, "the news are out"), 0, "and not in private");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_they_are_no_more_nobody_is_told_and_it_goes_where_they_wrote_last() -> Result<()> {
    let world = Setup::echo().only(&[Telegram, Discord, WhatsApp]).start().await?;
    world.ask(Telegram, ADA, "hello").await?;
    let users = world.list(&["users", "list"]).await?;
    let user = users[0]["user"].as_str().context("nobody is known")?;
    for channel in [Discord, WhatsApp] {
        let (scope, sender) = ADA.sender(&world, channel);
        let args = ["users", "link", user, channel.as_str(), &sender, "--scope", &scope];
        world.zaki(&args).await?.ok()?;
    }
    world.ask(Telegram, ADA, "LATER:8000:the tea is ready").await?;
    world.ask(WhatsApp, ADA, "one").await?;
    world.ask(Discord, ADA, "two").await?;
    let (scope, sender) = ADA.sender(&world, Telegram);
    let args = ["users", "unlink", user, "telegram", &sender, "--scope", &scope];
    world.zaki(&args).await?.ok()?;
    let told = world.expect(Discord, ADA, 2, SOON).await?;
    ensure!(
        told[1].contains("where you last wrote to me") && told[1].contains("the tea is ready"),
        "{told:?}"
    );
    assert_eq!(count(&world, Telegram, "the tea is ready"), 0, "somebody else may be there now");
    Ok(())
}

/// A job of OpenClaw's own scheduler, as its agent makes one.
fn remind(seconds: u64, words: &str) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let at = u64::try_from(now.as_millis())? + seconds * 1_000;
    let job: Value = json!({"name": "tea", "schedule": {"kind": "at", "atMs": at},
                            "payload": {"kind": "agentTurn", "message": format!("SAY:{words}")}});
    Ok(format!("TOOL:automations:{} ENDTOOL", json!({"action": "add", "job": job})))
}

/// Whether a line of the log says so of a sandbox.
async fn logged(world: &World, what: &str, before: usize) -> Result<()> {
    let logged = async {
        while world.whole_log().matches(what).count() <= before {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let logged = tokio::time::timeout(AGENT, logged).await;
    logged.with_context(|| format!("{what} is not in the log\n{}", world.log()))
}

/// Has the agent remind `ADA` on the first of two channels, writes on the other one, and waits until
/// the sandbox has gone to rest as the log calls it, and was woken for it. A machine that is so slow
/// that it was due before anybody slept gets more time. What she was told.
async fn reminded_asleep(
    world: &World,
    what: &str,
    [on, other]: [ChannelKind; 2],
    rest: &str,
    seconds: [u64; 3],
) -> Result<String> {
    for seconds in seconds {
        let words = format!("the {what} of {seconds} is ready");
        let before = world.whole_log().matches(rest).count();
        let answer = world.ask_within(on, ADA, &remind(seconds, &words)?, AGENT).await?;
        ensure!(answer.contains("\"id\""), "no job was made: {answer}");
        world.ask_within(other, ADA, "and something else", AGENT).await?;
        logged(world, rest, before).await?;
        let was_awake = count(world, on, &words) > 0;
        arrives(world, on, &words, 2 * AGENT).await?;
        if !was_awake {
            return Ok(words);
        }
    }
    anyhow::bail!("it never went to sleep in time\n{}", world.log())
}

/// How often an edge has said that it wakes a sandbox for what is due.
fn woken(world: &World) -> usize {
    world.whole_log().matches("sandbox.due").count()
}

/// With a real OpenClaw: set in a chat, due while its sandbox is frozen, and again while it is stopped.
/// A container on the Worker cannot be held still, and is woken by its object's alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_fires_after_its_sandbox_went_to_sleep() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let stop: u32 = if Rig::is_wanted() { 5 } else { 20 };
    let setup = Setup::openclaw(openclaw).only(&[Telegram, Slack]);
    let setup = setup.set("sandbox.freeze_after_s", 2).set("sandbox.stop_after_s", stop);
    let world = setup.set("backup.quiet_s", 3600).start().await?;
    world.ask_within(Telegram, ADA, "hello", AGENT).await?;
    let user = world.first_user().await?;
    let (scope, sender) = ADA.sender(&world, Slack);
    let args = ["users", "link", &user, "slack", &sender, "--scope", &scope];
    world.zaki(&args).await?.ok()?;

    let mut told = Vec::new();
    if !world.is_on_workerd() {
        // Before what is frozen would be stopped.
        let soon = [4, 3, 2].map(|before| u64::from(stop - before));
        let tea = reminded_asleep(&world, "tea", [Telegram, Slack], "sandbox.frozen", soon).await?;
        told.push((tea, Telegram));
    }
    let before = woken(&world);
    // What is stopped is woken 45 seconds early: also where it was busy when it was to stop.
    let late = [u64::from(stop + 90), 180, 360];
    let cake = reminded_asleep(&world, "cake", [Slack, Telegram], "sandbox.stopped", late).await?;
    told.push((cake, Slack));
    ensure!(woken(&world) > before, "nobody woke it\n{}", world.log());
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (words, there) in &told {
        for channel in [Telegram, Slack] {
            let times = usize::from(channel == *there);
            assert_eq!(count(&world, channel, words), times, "{channel}: {words}");
        }
    }
    let log = world.whole_log();
    ensure!(!log.contains("the tea ") && !log.contains("the cake "), "the log holds it");
    Ok(())
}
