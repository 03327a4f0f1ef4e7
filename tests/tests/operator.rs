//! What whoever runs Zaki is told: by its log, and by `/ready`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use zaki_simulators::{Fault, Simulator};
use zaki_tests::chaos::Seed;
use zaki_tests::edge::{Edge, KEY};
use zaki_tests::proxy::{Proxy, Trouble};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

async fn ready(world: &World) -> Result<String> {
    Ok(world.http.get(world.url("/ready")).send().await?.text().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_not_there_at_the_start_is_named_until_it_is() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let edge = Edge::start(&dir.path().join("edge")).await?;
    let proxy = Proxy::to(edge.address(), Seed::find()).await?;
    proxy.make(Trouble::Refused);
    let url = format!("http://{}", proxy.address());
    let setup = Setup::echo().only(&[TELEGRAM]).set("edge.url", url.clone()).set("edge.key", KEY);
    let world = setup.start().await?;
    let said = format!("the edge at {url} cannot be reached; turns wait until it can");
    let shown = format!("ready\nedge: {said}\n");
    world.until("the edge is missed", || ready(&world), |it| *it == shown).await?;
    assert!(world.whole_log().contains(&said), "{}", world.log());

    world.say(TELEGRAM, ADA, "hello");
    proxy.make(Trouble::None);
    world.until("the edge is found", || ready(&world), |it| it == "ready\n").await?;
    assert_eq!(world.expect(TELEGRAM, ADA, 1, SOON).await?, ["echo: hello"]);
    Ok(())
}

async fn degraded(world: &World) -> Result<Value> {
    let asked = world.http.get(world.url("/ready")).header("accept", "application/json");
    let answer = asked.send().await?.error_for_status()?;
    let said: Value = answer.json().await?;
    ensure!(said["ready"] == true, "{said}");
    Ok(said["degraded"].clone())
}

/// Until what is degraded is this alone, with these words.
async fn only(world: &World, what: &str, words: &str) -> Result<()> {
    let is_it = |found: &Value| {
        let all = found.as_array().map_or(0, Vec::len);
        let why = found[0]["why"].as_str().unwrap_or_default();
        all == 1 && found[0]["what"] == what && why.contains(words)
    };
    world.until(what, || degraded(world), is_it).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_not_reached_is_named_and_the_others_are_served() -> Result<()> {
    let world = Setup::echo().hasty().start().await?;
    for (n, channel) in ChannelKind::ALL.into_iter().enumerate() {
        world.platform(channel).faults().next(10_000, Fault::Drop);
        for text in ["one", "two", "three"] {
            world.say(channel, ADA, text);
        }
        let what = format!("{channel}/main (sending)");
        only(&world, &what, "it is tried again by itself").await?;
        let doctor = world.zaki(&["doctor"]).await?.ok()?;
        let row = doctor.lines().find(|line| line.contains(&what)).unwrap_or_default();
        assert!(row.starts_with("note"), "{channel}: {doctor}");
        let other = ChannelKind::ALL[(n + 1) % ChannelKind::ALL.len()];
        assert_eq!(world.ask(other, BOB, "hello").await?, "echo: hello");
        world.platform(channel).faults().clear();
        world.say(channel, ADA, "four");
        let well = |found: &Value| *found == json!([]);
        world.until("all is well", || degraded(&world), well).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_is_named_and_takes_no_hub_away() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in [TELEGRAM, ChannelKind::Discord] {
        world.platform(channel).faults().next(10_000, Fault::Status { code: 401 });
        world.say(channel, ADA, "hello");
        only(&world, &format!("{channel}/main (sending)"), "token is not valid").await?;
        assert_eq!(world.ask(ChannelKind::Slack, ADA, "hello").await?, "echo: hello");
        assert!(ready(&world).await?.starts_with("ready\n"));
        world.platform(channel).faults().clear();
        world.say(channel, ADA, "again");
        world.until("all is well", || ready(&world), |said| said == "ready\n").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_refused_for_a_moment_is_received_from_again() -> Result<()> {
    let both = [TELEGRAM, ChannelKind::Discord];
    let world = Setup::echo().only(&both).without_public_url().start().await?;
    world.telegram.fail(Some("getUpdates"), 1, Fault::Status { code: 401 });
    only(&world, "telegram/main (receiving)", "token is not valid").await?;
    world.say(TELEGRAM, ADA, "hello");
    let answers = world.expect(TELEGRAM, ADA, 1, Duration::from_secs(100)).await?;
    assert_eq!(answers, ["echo: hello"]);
    let begun = Instant::now();
    while ready(&world).await? != "ready\n" {
        ensure!(begun.elapsed() < Duration::from_mins(1), "{}", ready(&world).await?);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_hangs_is_named_by_the_doctor() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).start().await?;
    world.hub()?.signal(Signal::SIGSTOP)?;
    let said = world.zaki(&["doctor"]).await;
    world.hub()?.signal(Signal::SIGCONT)?;
    let said = said?.stdout;
    assert!(said.contains("MISSING") && said.contains("does not answer at"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_cannot_be_opened_is_named_until_it_is() -> Result<()> {
    let channels = [TELEGRAM, ChannelKind::Discord];
    let mut world = Setup::echo().only(&channels).without_public_url().prepare().await?;
    for channel in channels {
        world.platform(channel).faults().next(10_000, Fault::Drop);
    }
    let before = world.met();
    world.launch().await?;
    for what in ["receiving", "set-up"] {
        for channel in channels {
            let line = format!("{channel}/main ({what}): ");
            world.until(&line, || ready(&world), |said| said.contains(&line)).await?;
        }
    }
    for channel in channels {
        world.platform(channel).faults().clear();
    }
    world.until("all is well", || ready(&world), |said| said == "ready\n").await?;
    world.attach(before, 1).await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_an_archive_is_its_operators_to_write() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).without_public_url().start().await?;
    let said = world.ask(TELEGRAM, ADA, "/export").await?;
    let command = format!("zaki users export {} --out FILE", world.first_user().await?);
    assert!(said.contains("whoever runs this bot") && said.contains(&command), "{said}");
    world.noted().await?;
    let log = world.whole_log();
    assert!(log.contains("hub.public_url is not set") && log.contains(&command), "{log}");
    let doctor = world.zaki(&["doctor"]).await?.ok()?;
    let row = doctor.lines().find(|line| line.contains("/export")).unwrap_or_default();
    assert!(row.starts_with("note") && row.contains("zaki users export"), "{doctor}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_says_what_it_leaves() -> Result<()> {
    let mut world = Setup::echo().only(&[TELEGRAM]).set("hub.stop_timeout_s", 1).start().await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");
    world.noted().await?;
    world.stop(Signal::SIGTERM).await?;
    assert!(world.whole_log().contains("stopped; nothing waits"), "{}", world.whole_log());

    world.up().await?;
    world.say(TELEGRAM, ADA, "SLOW:600x100");
    let joined = |lines: &Vec<serde_json::Value>| lines.iter().any(|it| it["state"] == "joined");
    world.until("a turn runs", || world.inbox(TELEGRAM), joined).await?;
    world.stop(Signal::SIGTERM).await?;
    let left = "stopped; for the next start there is: 1 begun turn";
    assert!(world.whole_log().contains(left), "{}", world.whole_log());
    Ok(())
}
