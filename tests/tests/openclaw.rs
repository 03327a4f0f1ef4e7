//! The road with a real OpenClaw at its end: one person, one sandbox, one memory; what is private
//! stays private; and no key or command gets where it must not.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::provider::{ANSWER, Provider};
use zaki_tests::workerd::Rig;
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const AGENT: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn one_person_has_one_sandbox_and_one_memory_on_all_channels() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let world = Setup::openclaw(openclaw).set("log.level", "debug").start().await?;
    let told = world.ask_within(TELEGRAM, ADA, "My favourite spice is saffron.", AGENT).await?;
    ensure!(told.contains("saffron"), "not the offline model: {told}");
    world.link_all(ADA).await?;
    for channel in ChannelKind::ALL {
        let answer = world.ask_within(channel, ADA, "What is my favourite spice?", AGENT).await?;
        assert!(answer.contains("saffron"), "{channel} does not know: {answer}");
    }
    let sandboxes = zaki_tests::house::known_to_edge(&world).await?;
    let count = sandboxes.iter().filter(|name| name.starts_with("openclaw-")).count();
    assert_eq!(count, 1, "{sandboxes:?}");

    let place = "C0GENERAL";
    world.slack.add_channel(place, "general");
    for question in ["What is my favourite spice?", "What did I say first?"] {
        let (message, _) = world.slack.mention(place, &ADA.slack(), question, json!({}));
        let mine = |sent: &zaki_simulators::Sent| {
            sent.has_text() && sent.thread.as_ref() == Some(&message.ts)
        };
        let answer = zaki_simulators::Simulator::sent(&world.slack).wait_for(mine, AGENT).await;
        let answer = answer.with_context(|| world.log())?;
        assert!(!answer.text.contains("saffron"), "told in a group: {}", answer.text);
    }

    let asked = r#"TOOL:exec:{"command":"id"} ENDTOOL"#;
    let answer = world.ask_within(TELEGRAM, ADA, asked, AGENT).await?;
    assert!(!answer.contains("uid="), "a command ran: {answer}");

    let log = world.whole_log();
    assert!(!log.contains("saffron") && !log.contains("favourite"), "the log holds what was said");
    Ok(())
}

/// A key that must be found nowhere but with the provider.
const KEY: &str = "sk-live-8d1f0c77-never-in-a-sandbox";

/// The files under `dir` that hold `needle`.
fn holding(dir: &Path, needle: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            found.extend(holding(&path, needle)?);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_model_reaches_the_provider_and_no_sandbox() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let provider = Provider::start().await?;
    let setup = Setup::openclaw(openclaw).only(&[TELEGRAM]).set("model.provider", "openai");
    let setup = setup.set("model.base_url", provider.url()).set("model.name", "stub");
    let world = setup.set("model.api_key", KEY).start().await?;
    assert_eq!(world.ask_within(TELEGRAM, ADA, "Hello?", AGENT).await?, ANSWER);
    let keys = provider.keys();
    assert!(!keys.is_empty() && keys.iter().all(|key| *key == format!("Bearer {KEY}")), "{keys:?}");

    let hub = world.hub()?.pid();
    let mut sandbox = world.processes();
    sandbox.retain(|process| process.pid != hub);
    assert!(!sandbox.is_empty());
    for process in &sandbox {
        let shown = process.environment() + &process.command;
        assert!(!shown.contains(KEY), "{} was given the key", process.command);
    }
    let files = holding(&world.data(), KEY)?;
    assert_eq!(files, [""; 0], "the key is on the disk");
    assert!(!world.whole_log().contains(KEY), "the key is in the log");
    reads_nothing_of_the_hub(&world, sandbox.iter().find_map(zaki_tests::processes::Process::uid))
}

/// What the user of a sandbox can read of the hub's.
fn reads_nothing_of_the_hub(world: &World, uid: Option<u32>) -> Result<()> {
    let uid = uid.context("a process without a user")?;
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: sandboxes have users of their own only under root");
        return Ok(());
    }
    assert_ne!(uid, 0, "a sandbox runs as root");
    let hub = world.hub()?.pid();
    let closed = [
        format!("/proc/{hub}/environ"),
        format!("/proc/{hub}/mem"),
        world.config().display().to_string(),
        world.data().join("hub/ledger.db").display().to_string(),
        world.data().join("hub/identity.db").display().to_string(),
        world.data().join("private/edge.db").display().to_string(),
    ];
    for path in closed {
        let read = Command::new("head").args(["-c", "1", &path]).uid(uid).gid(uid).output()?;
        assert!(!read.status.success(), "user {uid} can read {path}");
    }
    Ok(())
}

/// The demo is the first thing anybody runs.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_answers_on_all_four_channels() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let dir = tempfile::Builder::new()
        .prefix("zaki-tests-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let mut command = zaki_tests::program::command(["demo", "--once", "--json", "--data"])?;
    command.arg(dir.path()).env("ZAKI__SANDBOX__RUNTIME_DIR", openclaw.dir());
    if Rig::is_wanted() {
        command.args(["--edge", "workerd"]);
    }
    let mut demo = tokio::process::Command::from(command);
    let demo = demo.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let output = tokio::time::timeout(AGENT, demo.kill_on_drop(true).output()).await??;
    let (stdout, stderr) =
        (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let lines: Vec<Value> = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let channels: Vec<_> = lines.iter().filter_map(|line| line["channel"].as_str()).collect();
    assert_eq!(channels, ["telegram", "discord", "whatsapp", "slack"], "{stdout}");
    for line in &lines {
        assert_eq!(line["openclaw"], openclaw.version()?, "{line}");
        assert!(line["sent"].is_string() && line["reply"].is_string(), "{line}");
        for stage in ["accepted_ms", "wake_ms", "first_delta_ms", "delivered_ms"] {
            assert!(line[stage].is_number(), "{stage}: {line}");
        }
    }
    let left = zaki_tests::processes::of(dir.path());
    assert_eq!(left, [], "it ends what it started");
    Ok(())
}

/// Whoever has not what the other edge takes is told what to do.
#[test]
fn the_demo_on_workerd_says_what_is_missing() -> Result<()> {
    let mut demo = zaki_tests::program::command(["demo", "--edge", "workerd", "--once"])?;
    let output = demo.env_remove("ZAKI_TEST_WORKER").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`cargo xtask edge demo`"), "{said}");
    Ok(())
}
