//! No key of a provider, a channel or a store is anywhere in a sandbox with a real OpenClaw in it:
//! not in its environment, its files, its memory or its logs. What a sandbox can reach of others is
//! in the suite of the same name of the native edge.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zaki_tests::edge::KEY as EDGE_KEY;
use zaki_tests::memory::secrets_in;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::provider::{ANSWER, Provider};
use zaki_tests::world::own_address;
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const AGENT: Duration = Duration::from_mins(4);
const MODEL_KEY: &str = "sk-live-51c0ffee-never-in-a-sandbox";

/// Everything of the configuration that opens something: whatever is called so, and is long.
fn secrets(world: &World) -> Result<Vec<String>> {
    const CALLED: [&str; 5] = ["key", "token", "secret", "verify_token", "password"];
    fn gather(value: &toml::Value, is_secret: bool, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(name, value)| {
                let secret = CALLED.iter().any(|word| name.ends_with(word)) && name != "public_key";
                gather(value, secret, found);
            }),
            toml::Value::Array(all) => all.iter().for_each(|it| gather(it, is_secret, found)),
            toml::Value::String(text) if is_secret && text.len() >= 8 => found.push(text.clone()),
            _ => {}
        }
    }
    let config: toml::Value = toml::from_str(&fs::read_to_string(world.config())?)?;
    let mut found = Vec::new();
    gather(&config, false, &mut found);
    Ok(found)
}

/// The files under `dir` with one of them in it.
fn files_with(dir: &Path, secrets: &[String], found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            files_with(&path, secrets, found)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            if secrets.iter().any(|secret| text.contains(secret.as_str())) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_and_all_around_it_hold_no_key() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let provider = Provider::start().await?;
    let store_key = BASE64_STANDARD.encode(rand::random::<[u8; 32]>());
    let keys = toml::from_str::<toml::Table>(&format!("keys=[{{id='k1',key='{store_key}'}}]"))?;
    let world = Setup::openclaw(openclaw)
        .set("model.provider", "openai")
        .set("model.base_url", provider.url())
        .set("model.name", "stub")
        .set("model.api_key", MODEL_KEY)
        .set("edge.key", EDGE_KEY)
        .set("edge.listen", own_address().to_string())
        .set("ledger.keys", keys["keys"].clone())
        .start()
        .await?;
    assert_eq!(world.ask_within(TELEGRAM, ADA, "Hello?", AGENT).await?, ANSWER);
    let secrets = secrets(&world)?;
    for known in [MODEL_KEY, EDGE_KEY, &store_key] {
        ensure!(secrets.iter().any(|secret| secret == known), "{known} is not looked for");
    }
    ensure!(secrets.len() >= 10, "only {} secrets for four channels", secrets.len());

    let hub = world.hub()?.pid();
    let mut sandbox = world.processes();
    sandbox.retain(|process| process.pid != hub);
    ensure!(sandbox.len() > 2, "not a whole sandbox: {sandbox:?}");
    for process in &sandbox {
        let given = process.environment() + &process.command;
        let given: Vec<_> = secrets.iter().filter(|it| given.contains(it.as_str())).collect();
        assert_eq!(given.len(), 0, "{} was given a key", process.command);
        let kept = secrets_in(process.pid, &secrets)?;
        println!("{} keys looked for in the memory of {}", secrets.len(), process.pid);
        assert_eq!(kept, BTreeSet::new(), "in the memory of {}", process.command);
    }
    // Who looks in the hub's finds them.
    let own = secrets_in(hub, &secrets)?;
    assert!(own.contains(MODEL_KEY) && own.len() > 3, "the hub's own memory holds {own:?}");

    let mut files = Vec::new();
    for folder in ["sandboxes", "logs", "run", "private"] {
        files_with(&world.data().join(folder), &secrets, &mut files)?;
    }
    assert_eq!(files, [""; 0], "keys in files");
    let log = world.whole_log();
    let logged: Vec<_> = secrets.iter().filter(|it| log.contains(it.as_str())).collect();
    assert_eq!(logged.len(), 0, "keys in the log");
    context_is_isolated(&world).await
}

/// The world this was found in was one with walls, where the machine offers them.
async fn context_is_isolated(world: &World) -> Result<()> {
    let isolated = world.whole_log().contains("sandbox.isolated");
    if !isolated {
        println!(
            "SKIPPED: this machine offers sandboxes no namespaces; keys were looked for all the same"
        );
        return Ok(());
    }
    let user = world.first_user().await?;
    let (config, probe) = (world.config(), "cat /proc/net/route | wc -l; ls /proc/1/root/root");
    let config = config.to_str().context("a path")?;
    let args = ["sandbox", "exec", &user, "--config", config, "--", "sh", "-c", probe];
    let output = zaki_tests::program::run(args).await?;
    assert!(output.stdout.starts_with("1\n") && !output.stdout.contains("\n."), "{output:?}");
    Ok(())
}
