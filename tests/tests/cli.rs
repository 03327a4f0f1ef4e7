//! The command line beside a running hub: what it prints is what scripts and people rely on.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use zaki_envelope::Inbound;
use zaki_tests::{ChannelKind, Person, Setup, program};

const ADA: Person = Person::ADA;

/// A private message on Telegram, as the platform sends it.
fn update() -> Value {
    json!({"update_id": 1, "message": {
        "message_id": 2, "date": 1_790_000_000, "text": "hello",
        "from": {"id": 3, "is_bot": false, "first_name": "Ada"},
        "chat": {"id": 3, "type": "private", "first_name": "Ada"},
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_names_what_an_envelope_holds() -> Result<()> {
    let schema: Value = serde_json::from_str(&program::run(["schema", "envelope"]).await?.ok()?)?;
    let known = schema["properties"].as_object().context("no properties")?;
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.ask(ChannelKind::Telegram, ADA, "hello").await?;
    let [line] = &world.inbox(ChannelKind::Telegram).await?[..] else { panic!("one message") };
    let envelope: Inbound = serde_json::from_value(line.clone())?;
    let envelope = serde_json::to_value(&envelope)?;
    for key in envelope.as_object().context("no object")?.keys() {
        assert!(known.contains_key(key), "{key} is not in the schema");
    }
    assert_eq!(envelope["v"], 1);
    for required in schema["required"].as_array().context("nothing is required")? {
        let key = required.as_str().unwrap_or_default();
        assert!(!envelope[key].is_null(), "{key} is missing in {envelope}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_inspected_from_a_file_a_recording_or_standard_input() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("update.json");
    fs::write(&file, update().to_string())?;
    let path = file.to_str().context("a path that is not UTF-8")?;
    let from_file = program::run(["inspect", "telegram", path]).await?.ok()?;
    let inbound = Inbound::from_json(from_file.trim_end())?;
    assert_eq!(zaki_envelope::plain_text(&inbound.parts), "hello");

    let recorded = json!({"content_type": "application/json", "body": update().to_string()});
    fs::write(&file, recorded.to_string())?;
    let from_recording = program::run(["inspect", "telegram", path]).await?.ok()?;

    let mut child = tokio::process::Command::from(program::command(["inspect", "telegram"])?);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(update().to_string().as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    for other in [from_recording, String::from_utf8(output.stdout)?] {
        assert_eq!(Inbound::from_json(other.trim_end())?.dedupe, inbound.dedupe);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_ignored_prints_nothing_and_succeeds() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("payload.json");
    let path = file.to_str().context("a path that is not UTF-8")?;
    let nothing = [
        ("slack", json!({"type": "url_verification", "challenge": "c", "token": "t"})),
        ("whatsapp", json!({"object": "whatsapp_business_account", "entry": []})),
        (
            "discord",
            json!({"id": "1", "application_id": "2", "type": 1, "token": "t", "version": 1}),
        ),
    ];
    for (channel, payload) in nothing {
        fs::write(&file, payload.to_string())?;
        let printed = program::run(["inspect", channel, path]).await?;
        assert_eq!(printed.clone().ok()?, "", "{channel}: {printed:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_for_people_and_with_json_for_programs() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.ask(ChannelKind::Telegram, ADA, "hello").await?;
    for list in [["inbox", "list"], ["deliveries", "list"], ["users", "list"]] {
        let text = world.zaki(&list).await?.ok()?;
        assert!(!text.trim().is_empty() && !text.starts_with('{'), "{list:?}: {text}");
        let lines = world.list(&list).await?;
        assert!(!lines.is_empty() && lines.iter().all(Value::is_object), "{list:?}: {lines:?}");
    }
    let newest = world.list(&["inbox", "list", "--limit", "1"]).await?;
    assert_eq!(newest.len(), 1);
    Ok(())
}
