//! The command line beside a running hub: what it prints is what scripts and people rely on.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use zaki_envelope::Inbound;
use zaki_simulators::{Fault, Simulator};
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

/// A mistyped directory must not look like one in which nothing has happened yet.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_look_make_no_data_directory() -> Result<()> {
    const ID: &str = "01arz3ndektsv4rrffq69g5fav";
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("above/data");
    let path = data.to_str().context("a path that is not UTF-8")?;
    let commands: [&[&str]; 12] = [
        &["inbox", "list"],
        &["inbox", "list", "--dead", "--json"],
        &["deliveries", "list"],
        &["deliveries", "show", ID],
        &["deliveries", "retry", "--all-unknown"],
        &["deliveries", "drop", ID],
        &["users", "list"],
        &["users", "list", "--json"],
        &["users", "link", ID, "telegram", "3"],
        &["sandbox", "list"],
        &["sandbox", "show", ID],
        &["pairing", "review"],
    ];
    for command in commands {
        let args = command.iter().copied().chain(["--data", path]);
        let said = program::run(args).await?.refusal()?;
        let expected =
            format!("there is no Zaki data in {path}; give --config or --data as for `zaki up`");
        assert!(said.contains(&expected), "{command:?}: {said}");
    }
    let said = program::run(["doctor", "--data", path]).await?.stdout;
    assert!(said.contains(&format!("{path}, from the first start")), "{said}");
    assert!(!dir.path().join("above").exists(), "the directory has been made");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_says_so_and_stays_empty_for_programs() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    for list in [["inbox", "list"], ["deliveries", "list"], ["users", "list"]] {
        let for_people = world.zaki(&list).await?;
        assert_eq!(for_people.stderr.trim(), "nothing yet", "{list:?}");
        assert_eq!(for_people.ok()?, "", "{list:?}");
        let for_programs = world.zaki(&[list[0], list[1], "--json"]).await?;
        assert_eq!(for_programs.stderr, "", "{list:?}");
        assert_eq!(for_programs.ok()?, "", "{list:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_other_commands_ask_for() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.ask(ChannelKind::Telegram, ADA, "hello\nworld").await?;
    world.noted().await?;
    let inbox = world.zaki(&["inbox", "list"]).await?.ok()?;
    let message = &world.list(&["inbox", "list"]).await?[0];
    let [line] = &inbox.lines().collect::<Vec<_>>()[..] else { panic!("one line: {inbox}") };
    for column in ["id", "channel", "state"] {
        let column = message[column].as_str().context("no text")?;
        assert!(line.split_whitespace().any(|word| word == column), "{column}: {line}");
    }
    assert!(line.ends_with("hello world"), "{line}");
    let deliveries = world.zaki(&["deliveries", "list"]).await?.ok()?;
    let delivery = &world.list(&["deliveries", "list"]).await?[0];
    let place = &delivery["address"]["conversation"]["id"];
    for column in [&delivery["id"], &delivery["state"], place] {
        let column = column.as_str().context("no text")?;
        assert!(deliveries.split_whitespace().any(|word| word == column), "{column}: {deliveries}");
    }
    let shown = delivery["id"].as_str().context("no id")?;
    assert!(world.zaki(&["deliveries", "show", shown]).await?.ok()?.contains("echo: hello"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_is_told_is_what_happens() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.telegram.fail(Some("sendMessage"), 1, Fault::RateLimited { after_ms: 60_000 });
    world.say(ChannelKind::Telegram, ADA, "hello");
    let read = || world.deliveries(ChannelKind::Telegram);
    let pending = |found: &Vec<Value>| found.iter().any(|delivery| delivery["state"] == "pending");
    let found = world.until("a delivery that waits", read, pending).await?;
    let id = found[0]["id"].as_str().context("no id")?;
    let said = world.zaki(&["deliveries", "drop", id]).await?.ok()?;
    assert!(said.contains("will not be sent"), "{said}");
    let said = world.zaki(&["deliveries", "drop", id]).await?.ok()?;
    assert!(said.contains("nobody will be told"), "{said}");
    let said = world.zaki(&["deliveries", "drop", id]).await?.refusal()?;
    assert!(said.contains("is dead: it is not going to be sent"), "{said}");
    let said = world.zaki(&["deliveries", "retry", id]).await?.ok()?;
    assert_eq!(
        said.trim(),
        format!("{id} will be sent again, by the running hub or at its next start")
    );
    // And it is on record; what was refused is not.
    let all = world.list(&["audit", "list"]).await?;
    let on_it = |act: &&Value| {
        act["detail"].as_str().is_some_and(|it| it.contains(id)) && act["by"] == "operator"
    };
    let acts: Vec<_> = all.iter().filter(on_it).map(|act| &act["act"]).collect();
    assert_eq!(acts, ["delivery_dropped", "delivery_dropped", "delivery_retried"], "{all:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_linked_by_the_scope_it_comes_with() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.ask(ChannelKind::Telegram, ADA, "hello").await?;
    let people = world.list(&["users", "list"]).await?;
    let person = people[0]["user"].as_str().context("no id")?;
    for channel in ["slack", "whatsapp"] {
        let said = world.zaki(&["users", "link", person, channel, "U123"]).await?.refusal()?;
        for word in ["--scope", "zaki inbox list --json", "sender.scope"] {
            assert!(said.contains(word), "{channel}: {said}");
        }
    }
    let scoped = ["users", "link", person, "telegram", "9", "--scope", "T1"];
    let said = world.zaki(&scoped).await?.refusal()?;
    assert!(said.contains("leave --scope out"), "{said}");
    for (args, rule) in [
        (["telegram", "", "--scope="], "a number"),
        (["telegram", "@ada", "--scope="], "a number"),
        (["discord", "ada", "--scope="], "15 to 20 digits"),
        (["whatsapp", "+49151000001", "--scope=1"], "in digits alone"),
        (["slack", "ada", "--scope=T1"], "U024BE7LH"),
        (["slack", "U123", "--scope=acme"], "a team or an enterprise"),
    ] {
        let args = [["users", "link", person].as_slice(), &args].concat();
        let said = world.zaki(&args).await?.refusal()?;
        assert!(said.contains("must be") && said.contains(rule), "{args:?}: {said}");
    }
    world.zaki(&["users", "link", person, "slack", "U123", "--scope", "T1"]).await?.ok()?;
    world.zaki(&["users", "link", person, "telegram", "9"]).await?.ok()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none_is_said_in_plain_words() -> Result<()> {
    let said = program::run(["users", "link", "bogus", "telegram", "3"]).await?.refusal()?;
    assert!(said.contains("not the id of a person; `zaki users list` shows them"), "{said}");
    for command in ["show", "retry", "drop"] {
        let said = program::run(["deliveries", command, "bogus"]).await?.refusal()?;
        assert!(said.contains("not the id of a delivery; `zaki deliveries list`"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_with_one_underscore_is_warned_of() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).prepare().await?;
    let mut command = program::command(["doctor", "--config"])?;
    command.arg(world.config()).env("ZAKI_TELEGRAM__MAIN__TOKEN", "1:hush");
    let said = program::finish(command).await?.stderr;
    assert!(said.starts_with("warning: ZAKI_TELEGRAM__MAIN__TOKEN is ignored"), "{said}");
    assert!(said.contains("did you mean ZAKI__TELEGRAM__MAIN__TOKEN?"), "{said}");
    Ok(())
}

/// Without a key and a port of its own the edge is called by a note for its owner alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_sandboxes_of_a_hub_that_runs_are_reached_out_of_the_box() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.ask(ChannelKind::Telegram, ADA, "hello").await?;
    let user = world.first_user().await?;
    let shown = world.list(&["sandbox", "show", &user]).await?;
    assert_eq!(shown[0]["phase"], "stopped", "{shown:?}");
    let note = world.data().join("hub/edge.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&note)?.permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Whoever cannot read it is nobody to the edge.
    fs::remove_file(&note)?;
    let refused = world.zaki(&["sandbox", "show", &user]).await?;
    assert!(refused.refusal()?.contains("run this as the user it runs as"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_cannot_be_written_is_said() -> Result<()> {
    let run = |to: &str| {
        let mut command = program::command(["schema", "envelope"])?;
        command.stdout(fs::OpenOptions::new().write(true).open(to)?).stderr(Stdio::piped());
        anyhow::Ok(command.output()?)
    };
    let full = run("/dev/full")?;
    assert!(!full.status.success());
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(said.contains("not all of the output could be written"), "{said}");
    assert!(run("/dev/null")?.status.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_missing_beside_their_messages_are_not_begun_anew() -> Result<()> {
    let mut world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    world.ask(ChannelKind::Telegram, ADA, "hello").await?;
    world.stop(Signal::SIGTERM).await?;
    let people = world.data().join("hub/identity.db");
    fs::rename(&people, people.with_extension("away"))?;
    for args in [&["users", "list"][..], &["audit", "verify"]] {
        let said = world.zaki(args).await?.refusal()?;
        assert!(said.contains("put it back from a backup"), "{args:?}: {said}");
    }
    assert!(!people.exists(), "and nothing was made in its place");
    fs::rename(people.with_extension("away"), &people)?;
    world.zaki(&["users", "list"]).await?.ok()?;
    Ok(())
}
