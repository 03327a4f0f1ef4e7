//! Payloads that nobody here wrote, through the real program: none panics, none that holds a
//! message loses it; and the known-answer vectors through the real webhooks.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zaki_envelope::Inbound;
use zaki_tests::program::{self, Output};
use zaki_tests::world::{ACCOUNT, World};
use zaki_tests::{ChannelKind, Post, SOON, Setup, corpus};

async fn inspect(channel: ChannelKind, file: &Path) -> Result<Output> {
    let mut command = program::command(["inspect", channel.as_str()])?;
    command.arg(file);
    program::finish(command).await
}

/// The envelopes of a file that is the platform's.
async fn envelopes(channel: ChannelKind, file: &Path) -> Result<Vec<Inbound>> {
    let shown = file.display();
    let output = inspect(channel, file).await?;
    ensure!(!output.stderr.contains("panicked"), "{shown}: {output:?}");
    ensure!(output.code == Some(0), "{shown}: {output:?}");
    let lines = output.stdout.lines().map(|line| Inbound::from_json(line).map_err(Into::into));
    let found: Vec<Inbound> = lines.collect::<Result<_>>().with_context(|| shown.to_string())?;
    let ours = found.iter().all(|inbound| inbound.channel == channel);
    ensure!(ours, "{shown}: an envelope of another channel");
    Ok(found)
}

/// Runs every file of a source; `messages` says how many messages of people a file holds at least,
/// and which words must be found in their envelopes.
async fn every(
    source: &str,
    channel: ChannelKind,
    files: usize,
    messages: impl Fn(&Value) -> Vec<String>,
) -> Result<()> {
    let Some(corpus) = corpus::find() else {
        return Ok(());
    };
    let all = corpus::files(&corpus, source)?;
    ensure!(all.len() >= files, "{source}: {} files", all.len());
    let mut lost = Vec::new();
    for file in all {
        let payload: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let expected = messages(&payload);
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match envelopes(channel, &file).await {
            Err(error) => lost.push(format!("{name}: {error:#}")),
            Ok(found) if found.len() < expected.len() => {
                lost.push(format!("{name}: {} of {} messages", found.len(), expected.len()));
            }
            Ok(found) => {
                let parts =
                    serde_json::to_string(&found.iter().map(|one| &one.parts).collect::<Vec<_>>())?;
                let words = expected.iter().flat_map(|text| text.split_whitespace());
                let missing = words.filter(|word| !parts.contains(&quoted(word)));
                lost.extend(missing.map(|word| format!("{name}: {word:?} is not in {parts}")));
            }
        }
    }
    assert!(lost.is_empty(), "\n{}\n", lost.join("\n"));
    Ok(())
}

/// A word as it stands inside JSON.
fn quoted(word: &str) -> String {
    Value::from(word).to_string().trim_matches('"').to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Schema-driven: each kind of update that somebody writes, with its text or caption.
fn telegram_messages(update: &Value) -> Vec<String> {
    let kinds = [
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "business_message",
        "edited_business_message",
        "guest_message",
    ];
    let messages = kinds.iter().filter_map(|kind| update.get(kind));
    messages.map(|message| text(&message["text"]) + " " + &text(&message["caption"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_telegram_message_is_lost() -> Result<()> {
    every("telegram/generated-seed-1", ChannelKind::Telegram, 60, telegram_messages).await
}

/// Everything in `messages` but the platform's own announcements.
fn whatsapp_messages(payload: &Value) -> Vec<String> {
    let entries = payload["entry"].as_array().into_iter().flatten();
    let changes = entries.flat_map(|entry| entry["changes"].as_array().into_iter().flatten());
    let values =
        changes.filter(|change| change["field"] == "messages").map(|change| &change["value"]);
    let messages = values.flat_map(|value| value["messages"].as_array().into_iter().flatten());
    let said = messages.filter(|message| message["type"] != "system");
    let caption = |message: &Value| {
        let kind = message["type"].as_str().unwrap_or_default();
        text(&message["text"]["body"]) + " " + &text(&message[kind]["caption"])
    };
    said.map(caption).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_whatsapp_message_is_lost() -> Result<()> {
    every("whatsapp/pywa", ChannelKind::WhatsApp, 74, whatsapp_messages).await
}

/// Messages and mentions of people, new or changed, also inside a socket's envelope; commands.
fn slack_messages(payload: &Value) -> Vec<String> {
    let inner = if payload["payload"].is_object() { &payload["payload"] } else { payload };
    let is_form = payload["content_type"].as_str().is_some_and(|kind| kind.contains("form"));
    if is_form || inner["command"].is_string() {
        return vec![String::new()];
    }
    let event = &inner["event"];
    let said = matches!(event["type"].as_str(), Some("message" | "app_mention"));
    let by_people = matches!(
        event["subtype"].as_str(),
        None | Some("file_share" | "thread_broadcast" | "message_changed" | "message_deleted")
    );
    let is_bot = event["bot_id"].is_string() || event["message"]["bot_id"].is_string();
    if !said || !by_people || is_bot {
        return Vec::new();
    }
    // Entities and links are written otherwise in an envelope: plain words are enough.
    let plain = |word: &&str| word.chars().all(char::is_alphanumeric);
    let words = text(&event["text"]);
    vec![words.split_whitespace().filter(plain).collect::<Vec<_>>().join(" ")]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_slack_message_is_lost() -> Result<()> {
    every("slack/bolt-python", ChannelKind::Slack, 70, slack_messages).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_over_a_slack_socket_is_read_too() -> Result<()> {
    every("slack/python-slack-sdk", ChannelKind::Slack, 7, slack_messages).await
}

/// Every string is empty and fields stand together that never do: only not to stumble.
#[tokio::test(flavor = "multi_thread")]
async fn no_slack_shape_is_stumbled_over() -> Result<()> {
    every("slack/java-slack-sdk", ChannelKind::Slack, 105, |_| Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_platforms_fail_without_a_panic() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("payload.json");
    let deep = "[".repeat(100_000);
    let garbage: [&[u8]; 8] = [
        b"",
        b"null",
        b"[]",
        b"17",
        b"{",
        b"\xff\xfe\x00\x01",
        b"not JSON at all",
        deep.as_bytes(),
    ];
    for channel in ChannelKind::ALL {
        for bytes in garbage {
            fs::write(&file, bytes)?;
            let said = inspect(channel, &file).await?.refusal();
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
            said.with_context(|| format!("{channel}: {shown:?}"))?;
        }
    }
    let missing = inspect(ChannelKind::Slack, &dir.path().join("no-such-file")).await?.refusal()?;
    assert!(missing.contains("no-such-file"), "{missing}");
    Ok(())
}

/// The status of the answer. A bot turns messages away until it knows its name on Telegram.
async fn answer(world: &World, post: Post) -> Result<u16> {
    let until = Instant::now() + SOON;
    loop {
        let status = post.clone().send(world).await?.status;
        if status != 503 || Instant::now() > until {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends the cases of one channel to a hub with their secret; each is accepted or refused.
async fn vectors(
    name: &str,
    channel: ChannelKind,
    key: &str,
    setting: &str,
    cases: usize,
) -> Result<()> {
    let Some(corpus) = corpus::find() else {
        return Ok(());
    };
    let all: Value = serde_json::from_slice(&fs::read(corpus.join("vectors.json"))?)?;
    let all = all[name]["cases"].as_array().context("no cases")?;
    ensure!(all.len() >= cases, "{name}: {} cases", all.len());
    let secret = text(&all.first().context("no case")?[key]);
    let setup = Setup::echo()
        .only(&[channel])
        .set(&format!("{channel}.{ACCOUNT}.{setting}"), secret.clone());
    // The cases were signed long ago.
    let setup = match channel {
        ChannelKind::Discord => setup.set("discord.main.signature_window_secs", 4_000_000_000_i64),
        _ => setup,
    };
    let mut world = setup.prepare().await?;
    world.launch().await?;
    let mut wrong = Vec::new();
    for case in all {
        ensure!(case[key] == secret, "a case with another secret: {case}");
        let body = STANDARD.decode(text(&case["body_base64"]))?;
        let mut post = Post::signed(&world, channel, body);
        post.headers.retain(|(name, _)| name == "content-type");
        for (header, value) in case["headers"].as_object().into_iter().flatten() {
            post = post.header(&header.to_lowercase(), &text(value));
        }
        let accepted = match answer(&world, post).await? {
            200 => true,
            401 => false,
            other => anyhow::bail!("{}: {other}\n{}", case["name"], world.log()),
        };
        if case["accept"] != accepted && case["lenient_ok"] != true {
            wrong.push(format!("{}: accepted is {accepted}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn telegrams_vectors_come_out_right_at_the_webhook() -> Result<()> {
    vectors("telegram", ChannelKind::Telegram, "secret", "webhook_secret", 9).await
}

#[tokio::test(flavor = "multi_thread")]
async fn discords_vectors_come_out_right_at_the_webhook() -> Result<()> {
    vectors("discord", ChannelKind::Discord, "public_key", "public_key", 20).await
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_vectors_come_out_right_at_the_webhook() -> Result<()> {
    vectors("meta", ChannelKind::WhatsApp, "secret", "app_secret", 18).await
}
