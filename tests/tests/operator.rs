//! What whoever runs Zaki is told: by its log, and by `/ready`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use anyhow::Result;
use nix::sys::signal::Signal;
use zaki_tests::chaos::Seed;
use zaki_tests::edge::{Edge, KEY};
use zaki_tests::proxy::{Proxy, Trouble};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
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
