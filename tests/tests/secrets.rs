//! With every log line switched on, and with trouble on the way: no token, no secret, no key and
//! nothing that was said stands in the log, in a listing's reason or in a file beside the stores.

use std::fs;
use std::path::Path;

use anyhow::Result;
use zaki_simulators::{Fault, Simulator};
use zaki_tests::world::TELEGRAM_SECRET;
use zaki_tests::{ChannelKind, Person, Post, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const SAID: &str = "xyloquartz";
const EDGE_KEY: &str = "edge-key-0123456789-abcdefghijklmn";

/// What must stand nowhere.
fn secrets(world: &World) -> Vec<String> {
    let config = world.whatsapp.config();
    let mut secrets = vec![
        SAID.to_owned(),
        EDGE_KEY.to_owned(),
        TELEGRAM_SECRET.to_owned(),
        world.discord.token().to_owned(),
        config.token.clone(),
        config.app_secret.clone(),
        config.verify_token.clone(),
        world.slack.config().bot_token.clone(),
        world.slack.config().signing_secret.clone(),
        "simulated-token".to_owned(),
    ];
    // The part after the bot's id: what makes a Telegram token one.
    secrets.extend(world.telegram.token().split(':').nth(1).map(str::to_owned));
    secrets
}

/// The lines of `text` that hold one of `secrets`.
fn leaks(text: &str, secrets: &[String]) -> Vec<String> {
    let holds = |line: &&str| secrets.iter().any(|secret| line.contains(secret.as_str()));
    text.lines().filter(holds).take(5).map(str::to_owned).collect()
}

/// Every file under `dir` that is not a store.
fn texts(dir: &Path) -> Result<String> {
    let mut all = String::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all += &texts(&path)?;
        } else if !path.to_string_lossy().contains(".db") {
            all += &String::from_utf8_lossy(&fs::read(&path)?);
        }
    }
    Ok(all)
}

/// Whether the log says one id of some turn from its webhook to its end at the edge.
fn is_traced(log: &str) -> bool {
    let is_id = |word: &&str| word.len() == 32 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let id =
        |line: &'_ str| line.split(|it: char| !it.is_alphanumeric()).find(is_id).map(str::to_owned);
    let says = |what: &str, id: &str| log.lines().any(|it| it.contains(what) && it.contains(id));
    let mut handed = log.lines().filter(|line| line.contains("turn.handed_over")).filter_map(id);
    handed.any(|id| says("message.accepted", &id) && says("turn.ended", &id))
}

async fn trouble(world: &World) -> Result<()> {
    let faults = [Fault::Drop, Fault::Status { code: 500 }, Fault::RateLimited { after_ms: 1000 }];
    for channel in ChannelKind::ALL {
        for fault in &faults {
            world.platform(channel).fail(None, 1, fault.clone());
            world.say(channel, ADA, &format!("{SAID} in trouble"));
        }
        let garbage = format!("{{\"unheard of\":\"{SAID}\"}}");
        Post::signed(world, channel, garbage).expect(world, 200).await?;
        let unsigned =
            payload::message(world, channel, ADA, 7, SAID).header("x-hub-signature-256", SAID);
        unsigned.header("x-slack-signature", SAID).send(world).await?;
    }
    let direct = world.discord.direct(&ADA.discord());
    world.discord.command(&direct, &ADA.discord(), "zaki", ("message", SAID)).await;
    for channel in ChannelKind::ALL {
        world.platform(channel).faults().clear();
        let done = |sent: &zaki_simulators::Sent| sent.text.contains(&format!("{SAID} at last"));
        world.say(channel, ADA, &format!("{SAID} at last"));
        world.expect_sent(channel, done).await?;
    }
    Ok(())
}

async fn conversation(setup: Setup) -> Result<()> {
    let setup = setup.set("log.level", "trace").set("edge.key", EDGE_KEY);
    let setup = setup.set("deliver.report_s", 2);
    let mut world = setup.start().await?;
    trouble(&world).await?;
    let log = world.whole_log();
    assert!(log.contains("TRACE") && log.contains("WARN"), "the log does not hold everything");
    assert!(is_traced(&log), "no id leads from a webhook to the edge");
    let secrets = secrets(&world);
    assert_eq!(leaks(&log, &secrets), [""; 0], "in the log");
    for delivery in world.list(&["deliveries", "list"]).await? {
        let reason = delivery["reason"].to_string();
        assert_eq!(leaks(&reason, &secrets), [""; 0], "in a reason");
    }
    for letter in world.list(&["inbox", "list", "--dead"]).await? {
        assert_eq!(leaks(&letter["reason"].to_string(), &secrets), [""; 0], "in a reason");
    }
    world.stop(nix::sys::signal::Signal::SIGTERM).await?;
    assert_eq!(leaks(&texts(&world.data())?, &secrets), [""; 0], "in a file");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_secret_and_nothing_that_was_said() -> Result<()> {
    conversation(Setup::echo()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_log_holds_none_either() -> Result<()> {
    conversation(Setup::echo().set("log.format", "json")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_in_trouble_logs_no_token() -> Result<()> {
    let setup = Setup::echo().only(&[ChannelKind::Telegram]).without_public_url();
    let world = setup.set("log.level", "trace").start().await?;
    world.telegram.fail(Some("getUpdates"), 1, Fault::Drop);
    world.telegram.fail(Some("getUpdates"), 1, Fault::Status { code: 500 });
    world.say(ChannelKind::Telegram, ADA, SAID);
    world.expect(ChannelKind::Telegram, ADA, 1, SOON).await?;
    world.say(ChannelKind::Telegram, ADA, SAID);
    world.expect(ChannelKind::Telegram, ADA, 2, SOON).await?;
    assert_eq!(leaks(&world.whole_log(), &secrets(&world)), [""; 0]);
    Ok(())
}
