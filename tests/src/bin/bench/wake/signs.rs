//! From a message to the first thing its person sees, on every channel and however their sandbox
//! rests. Each channel has a person of its own.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::timeout;
use zaki_simulators::Call;
use zaki_tests::load::Times;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::{ChannelKind, Person, Setup, World};

use super::{PATIENCE, is_frozen, is_stopped, until};

pub(super) async fn run(openclaw: OpenClaw) -> Result<Value> {
    let setup = Setup::openclaw(openclaw).set("sandbox.freeze_after_s", 2);
    let world = setup.set("sandbox.stop_after_s", 8).start().await?;
    let sandboxes = world.data().join("sandboxes");
    let (mut report, mut all) = (json!({"goal": {"max_ms": 300}}), Times::default());
    for channel in ChannelKind::ALL {
        let who = Person::ADA;
        for rest in ["new", "awake", "frozen", "stopped"] {
            match rest {
                "frozen" => until("a frozen sandbox", || is_frozen(&sandboxes)).await?,
                "stopped" => until("a stopped sandbox", || is_stopped(&sandboxes)).await?,
                _ => {}
            }
            let (after, sign) = sign(&world, channel, who).await?;
            all.push(after);
            let ms = after.as_secs_f64() * 1000.0;
            eprintln!("{}, {rest}: {after:?} by {sign}", channel.as_str());
            report[channel.as_str()][rest] = json!({"ms": ms, "by": sign});
        }
        until("a stopped sandbox", || is_stopped(&sandboxes)).await?;
    }
    report["all"] = all.report();
    Ok(report)
}

/// What comes first after a message, and how long after; returns once it is answered.
async fn sign(world: &World, channel: ChannelKind, who: Person) -> Result<(Duration, String)> {
    let mut calls = world.platform(channel).calls().follow();
    calls.take();
    let answered = world.answers(channel, who).len() + 1;
    let said = SystemTime::now();
    world.say(channel, who, "what is on my list for today?");
    let is_seen = |call: &Call| call.status < 300 && !UNSEEN.contains(&call.method.as_str());
    let first = async {
        loop {
            if let Some(call) = calls.more().await.into_iter().find(is_seen) {
                return call;
            }
        }
    };
    let first = timeout(PATIENCE, first).await.context("nothing was seen")?;
    world.expect(channel, who, answered, PATIENCE).await?;
    Ok((first.at.duration_since(said).unwrap_or_default(), first.method))
}

/// Calls that nobody in a chat sees.
const UNSEEN: [&str; 8] = [
    "getUpdates",
    "getMe",
    "setWebhook",
    "setMyCommands",
    "auth.test",
    "users.info",
    "conversations.open",
    "create_dm",
];
