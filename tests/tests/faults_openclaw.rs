//! The line between the edge and a real sandbox breaks and refuses in every way, and no turn runs twice.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use zaki_tests::chaos::{CONNECTIONS, STORMS, Seed};
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::proxy::{Proxy, Trouble};
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
/// A cold start on a busy machine and a turn after it.
const AGENT: Duration = Duration::from_mins(4);

/// While the hub is down, the socket of its only sandbox is led through a proxy: the next start finds
/// the sandbox where the proxy is.
async fn between(world: &World, seed: Seed) -> Result<Proxy> {
    let mut own = fs::read_dir(world.data().join("run/sandboxes"))?;
    let socket = own.next().context("the sandbox has no socket")??.path();
    let real = socket.with_extension("real");
    fs::rename(&socket, &real)?;
    let behind = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let proxy = Proxy::to(behind.local_addr()?, seed).await?;
    let (front, before) = (UnixListener::bind(&socket)?, proxy.address());
    tokio::spawn(async move {
        while let Ok((mut edge, _)) = front.accept().await {
            tokio::spawn(async move {
                let mut line = TcpStream::connect(before).await?;
                copy_bidirectional(&mut edge, &mut line).await
            });
        }
    });
    tokio::spawn(async move {
        while let Ok((mut line, _)) = behind.accept().await {
            let real = real.clone();
            tokio::spawn(async move {
                let mut sandbox = UnixStream::connect(real).await?;
                copy_bidirectional(&mut line, &mut sandbox).await
            });
        }
    });
    Ok(proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_behind_a_line_that_breaks_runs_no_turn_twice() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let seed = Seed::find();
    let mut world = Setup::openclaw(openclaw).only(&[TELEGRAM]).start().await?;
    let first = world.ask_within(TELEGRAM, ADA, "Hello.", AGENT).await?;
    ensure!(first.contains("Hello."), "not the offline model: {first}");
    world.noted().await?;
    world.kill()?;
    let proxy = between(&world, seed).await?;
    world.up().await?;
    world.ask_within(TELEGRAM, ADA, "Through the proxy.", AGENT).await?;
    ensure!(proxy.connections() > 0, "the sandbox was not found behind the proxy");

    let troubles = [&CONNECTIONS[..], &[Trouble::Twice], &STORMS].concat();
    for (n, trouble) in troubles.iter().enumerate() {
        // The line breaks once before the turn and once, with the next message, in its middle.
        let asked = n + 3;
        world.say(TELEGRAM, ADA, "SLOW:6x200");
        tokio::time::sleep(Duration::from_millis(if n % 2 == 0 { 0 } else { 500 })).await;
        proxy.make_for(*trouble, Duration::from_millis(1200)).await;
        let answers = world.expect(TELEGRAM, ADA, asked, AGENT).await;
        let answers = answers.with_context(|| format!("{trouble:?}"))?;
        let last = answers.last().context("no answer")?;
        let whole = last.starts_with("word0 ") && last.contains("word5");
        ensure!(whole, "{trouble:?}: {answers:?}\n{}", world.log());
    }
    let all = troubles.len() + 3;
    let count = world.ask_within(TELEGRAM, ADA, "How many?", AGENT).await?;
    ensure!(count.contains(&format!("message {all} of this session")), "not {all}: {count}");
    ensure!(world.answers(TELEGRAM, ADA).len() == all, "each once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_of_a_killed_hub_runs_on_beside_what_an_operator_asks() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let mut world = Setup::openclaw(openclaw).only(&[TELEGRAM]).start().await?;
    world.ask_within(TELEGRAM, BOB, "Hello.", AGENT).await?;
    let bob = world.first_user().await?;
    world.ask_within(TELEGRAM, ADA, "Hello.", AGENT).await?;
    let users = world.list(&["users", "list"]).await?;
    let others = users.iter().filter_map(|user| user["user"].as_str()).find(|user| *user != bob);
    let ada = others.context("Ada is nobody")?.to_owned();
    world.say(TELEGRAM, ADA, "SLOW:80x500");
    let is_it = |one: &Value| one["parts"][0]["text"] == "SLOW:80x500" && one["state"] == "joined";
    let runs = |found: &Vec<Value>| found.iter().any(is_it);
    world.until("a turn runs", || world.inbox(TELEGRAM), runs).await?;
    world.kill()?;
    let archive = world.dir().join("all.zip").display().to_string();
    let export = ["users", "export", &ada, "--out", &archive];
    let verbs = [&["sandbox", "list"][..], &["sandbox", "show", &ada], &export];
    for asked in verbs.into_iter().chain([&["sandbox", "stop", &bob][..]]) {
        world.zaki(asked).await?.ok()?;
    }
    world.up().await?;
    let adopted = world.log().matches("sandbox.adopted").count();
    ensure!(adopted == 1, "{adopted} go on, and not only hers:\n{}", world.log());
    let answers = world.expect(TELEGRAM, ADA, 2, AGENT).await?;
    let last = answers.last().context("no answer")?;
    ensure!(last.starts_with("word0 ") && last.contains("word79"), "{answers:?}\n{}", world.log());
    let count = world.ask_within(TELEGRAM, ADA, "How many?", AGENT).await?;
    ensure!(count.contains("message 3 of this session"), "a turn ran twice: {count}");
    Ok(())
}
