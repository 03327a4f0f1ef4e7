//! What whoever runs this has done with people's sandboxes, by the command line beside a running hub:
//! it is done through their life, and it is in the record.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zaki_tests::edge::KEY;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::program::{self, Output};
use zaki_tests::world::own_address;
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const AGENT: Duration = Duration::from_mins(4);

/// A hub whose edge the command line can call.
fn open(setup: Setup) -> Setup {
    let address = own_address().to_string();
    setup.only(&[TELEGRAM]).set("edge.key", KEY).set("edge.listen", address)
}

/// One object that a verb prints.
async fn one(world: &World, args: &[&str]) -> Result<Value> {
    let args: Vec<&str> = ["sandbox"].iter().chain(args).copied().collect();
    let mut lines = world.list(&args).await?;
    ensure!(lines.len() == 1, "{args:?}: {lines:?}");
    lines.pop().context("no line")
}

async fn exec(world: &World, user: &str, options: &[&str], command: &[&str]) -> Result<Output> {
    let config = world.config();
    let config = config.to_str().context("a path that is not UTF-8")?;
    let head = ["sandbox", "exec", user, "--config", config];
    let words = head.iter().chain(options).chain(&["--"]).chain(command);
    program::run(words.copied()).await
}

/// What the record says was done with sandboxes.
async fn recorded(world: &World) -> Result<Vec<(String, Value)>> {
    let entries = world.list(&["audit", "list"]).await?;
    let acts = entries.iter().filter_map(|entry| {
        let act = entry["act"].as_str().filter(|act| act.starts_with("sandbox_"))?;
        assert_eq!(entry["by"], "operator");
        Some((act.to_owned(), serde_json::from_str(entry["detail"].as_str()?).ok()?))
    });
    Ok(acts.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_and_every_try_is_in_the_record() -> Result<()> {
    let world = open(Setup::echo()).start().await?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    let user = world.first_user().await?;
    let refused = world.zaki(&["sandbox", "stop", &user]).await?;
    if world.is_on_workerd() {
        assert!(refused.stdout.contains("stopped"), "{refused:?}");
        refused.ok()?;
    } else {
        assert!(refused.stdout.contains("failed: these sandboxes"), "{refused:?}");
        refused.refusal()?;
    }
    let refused = exec(&world, &user, &[], &["rm", "-rf", "/"]).await?;
    assert!(refused.code != Some(0) && refused.stdout.contains("failed"), "{refused:?}");
    let stranger = "01KZZZZZZZZZZZZZZZZZZZZZZZ".to_lowercase();
    let refused = world.zaki(&["sandbox", "restart", &stranger]).await?.refusal()?;
    assert!(refused.contains("no person"), "{refused}");
    assert!(world.zaki(&["sandbox", "logs", &user]).await?.ok()?.contains("there are none"));
    let record = [("sandbox_stop", json!({})), ("sandbox_exec", json!({"command": "rm -rf /"}))];
    assert_eq!(recorded(&world).await?, record.map(|(act, detail)| (act.to_owned(), detail)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_goes_where_it_is_brought() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let world = open(Setup::openclaw(openclaw)).start().await?;
    world.ask_within(TELEGRAM, ADA, "My favourite spice is saffron.", AGENT).await?;
    let user = world.first_user().await?;
    through(&world, &user).await.with_context(|| world.log())
}

async fn through(world: &World, user: &str) -> Result<()> {
    let phase = async |verb: &str| -> Result<Value> {
        Ok(one(world, &[verb, user]).await?["phase"].clone())
    };
    let shown = one(world, &["show", user]).await?;
    assert_eq!((&shown["phase"], &shown["release"]["wanted"]), (&json!("running"), &Value::Null));
    let version = shown["release"]["version"].as_str().context("no version")?;
    assert!(version.starts_with("20"), "{version}");
    if world.is_on_workerd() {
        for (verb, why) in [("freeze", "cannot be held still"), ("upgrade", "with a deployment")] {
            let refused = world.zaki(&["sandbox", verb, user]).await?;
            assert!(refused.stdout.contains(why), "{refused:?}");
            refused.refusal()?;
        }
        assert_eq!(phase("start").await?, "running");
        assert_eq!(phase("stop").await?, "stopped");
    } else {
        assert_eq!(phase("freeze").await?, "frozen");
        assert_eq!(phase("start").await?, "running");
        assert_eq!(phase("stop").await?, "stopped");
        assert_eq!(one(world, &["upgrade", user]).await?["version"], version, "it is there");
    }
    let output = exec(world, user, &[], &["sh", "-c", "echo here; echo there >&2; exit 7"]).await?;
    if !output.stdout.contains("isolated") {
        assert_eq!((output.code, output.stdout.as_str()), (Some(7), "here\n"), "{output:?}");
        assert!(output.stderr.contains("there"));
    }
    let seen = one(world, &["config", user]).await?;
    let patch = json!({"agents": {"defaults": {"userTimezone": "Asia/Tokyo"}}}).to_string();
    let now = one(world, &["config", user, "--patch", &patch]).await?;
    assert_eq!(now["config"]["agents"]["defaults"]["userTimezone"], "Asia/Tokyo");
    let etag = seen["etag"].as_str().context("no etag")?;
    let late = ["sandbox", "config", user, "--patch", "{}", "--if-match", etag];
    let refused = world.zaki(&late).await?;
    assert!(refused.stdout.contains("not the one that was seen"), "{refused:?}");
    let told = world.ask_within(TELEGRAM, ADA, "What is my favourite spice?", AGENT).await?;
    assert!(told.contains("saffron"), "{told}");
    let logs = one(world, &["logs", user, "--lines", "3"]).await?;
    // What a container prints is with whoever runs containers there.
    let printed = logs["logs"]["sandbox"].is_string();
    assert!(printed || world.is_on_workerd(), "{logs}");
    let acts: Vec<_> = recorded(world).await?;
    let words: Vec<_> = acts.iter().map(|(act, _)| act.trim_start_matches("sandbox_")).collect();
    let first = if world.is_on_workerd() {
        ["freeze", "upgrade", "start", "stop"]
    } else {
        ["freeze", "start", "stop", "upgrade"]
    };
    assert_eq!(words[..4], first);
    assert_eq!(words[4..], ["exec", "config", "config"]);
    assert_eq!(acts[5].1, json!({"paths": ["agents.defaults.userTimezone"]}), "not what it is");
    Ok(())
}
