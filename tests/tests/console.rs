//! How strangers are let in from a machine: by commands, and at a console.
#![allow(clippy::panic, reason = "a suite")]

use std::fs::File;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, program};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

/// One object that a command prints.
async fn one(world: &World, args: &[&str]) -> Result<Value> {
    let mut lines = world.list(args).await?;
    ensure!(lines.len() == 1, "{args:?}: {lines:?}");
    lines.pop().context("no line")
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_and_pairings_let_strangers_in() -> Result<()> {
    let mut world =
        Setup::echo().only(&[TELEGRAM]).set("identity.sign_up", "invite").start().await?;
    let text = world.zaki(&["invite", "--note", "for Ada"]).await?.ok()?;
    let code = text.lines().next().context("no code")?.to_owned();
    assert!(text.contains(&format!("/link {code}")), "{text}");
    world.ask(TELEGRAM, ADA, &format!("/link {code}")).await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");
    let kept = one(&world, &["invite", "list"]).await?;
    assert_eq!((&kept["uses_left"], &kept["note"]), (&json!(0), &json!("for Ada")));
    assert!(!kept.to_string().contains(&code), "a code is shown once: {kept}");
    let made = one(&world, &["invite", "create", "--uses", "3", "--days", "7"]).await?;
    let id = made["id"].as_str().context("no id")?;
    one(&world, &["invite", "revoke", id]).await?;
    let code = made["code"].as_str().context("no code")?;
    let said = world.ask(TELEGRAM, BOB, &format!("/link {code}")).await?;
    assert!(said.contains("does not work"), "{said}");
    let again = world.zaki(&["invite", "revoke", "abcdef"]).await?.refusal()?;
    assert!(again.contains("zaki invite list"), "{again}");
    let odd = world.zaki(&["invite", "--tier", "gold"]).await?.refusal()?;
    assert!(odd.contains("standard-1"), "{odd}");

    world.noted().await?;
    world.stop(Signal::SIGTERM).await?;
    world.reconfigure("identity.sign_up", "pairing")?;
    world.up().await?;
    for stranger in [BOB, Person(3)] {
        world.ask(TELEGRAM, stranger, "hello").await?;
    }
    let waiting = world.list(&["pairing", "list"]).await?;
    let codes: Vec<&str> = waiting.iter().filter_map(|line| line["code"].as_str()).collect();
    let [bob, other] = codes[..] else { panic!("{waiting:?}") };
    assert!(world.zaki(&["pairing", "list"]).await?.ok()?.contains("telegram/main"));
    one(&world, &["pairing", "approve", bob]).await?;
    one(&world, &["pairing", "deny", other]).await?;
    let told = world.expect(TELEGRAM, BOB, 3, SOON).await?;
    assert!(told[2].contains("You are in, welcome"), "{told:?}");
    let before = world.answers(TELEGRAM, BOB).len();
    world.say(TELEGRAM, BOB, "hello again");
    let answers = world.expect(TELEGRAM, BOB, before + 1, SOON).await?;
    assert!(answers.iter().any(|text| text == "echo: hello again"), "{answers:?}");
    let gone = world.zaki(&["pairing", "approve", other]).await?.refusal()?;
    assert!(gone.contains("zaki pairing list"), "{gone}");
    Ok(())
}

/// `zaki pairing`, with what somebody types.
async fn review(world: &World, args: &[&str], typed: &str) -> Result<program::Output> {
    let answers = world.dir().join("typed");
    std::fs::write(&answers, typed)?;
    let mut command = program::command(["pairing"].iter().chain(args))?;
    command.arg("--config").arg(world.config()).stdin(File::open(answers)?);
    program::finish(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_gone_through_at_a_console() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]).set("identity.sign_up", "pairing");
    let world = setup.start().await?;
    assert_eq!(review(&world, &[], "").await?.ok()?, "", "nobody waits");
    for stranger in [ADA, BOB, Person(3), Person(4)] {
        world.ask(TELEGRAM, stranger, "hello").await?;
    }
    let waiting = world.list(&["pairing", "list"]).await?;
    let unasked = review(&world, &[], "").await?.refusal()?;
    assert!(unasked.contains("zaki pairing approve|deny CODE"), "{unasked}");
    assert_eq!(world.list(&["pairing", "list"]).await?, waiting, "nothing was decided");

    let said = review(&world, &["review"], "what?\na\ns\nd\nq\n").await?;
    let year = said.stderr.find("asked at 20").context("no time")?;
    assert!(said.stderr[year..].contains("Z, waits until 20"), "{said:?}");
    for line in &waiting {
        let code = line["code"].as_str().context("no code")?;
        assert!(said.stderr.contains(&format!("on telegram/main, with the code {code}")));
    }
    assert!(said.stderr.contains("4 of 4: Person4"), "{said:?}");
    let list = said.ok()?;
    let done: Vec<&str> = list.lines().collect();
    let expected = [
        "Person1  is let in",
        "Person2  waits on",
        "Person3  was turned away",
        "Person4  waits on",
    ];
    assert_eq!(done.len(), expected.len(), "{list}");
    for (line, expected) in done.iter().zip(expected) {
        assert!(line.contains("telegram/main") && line.contains(expected), "{expected}: {line}");
    }
    let told = world.expect(TELEGRAM, ADA, 2, SOON).await?;
    assert!(told[1].contains("You are in, welcome"), "{told:?}");
    // It may end in the middle, and is read by programs, too.
    let done = review(&world, &["--json"], "deny\n").await?.ok()?;
    let outcomes: Vec<Value> = done.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let outcomes: Vec<_> = outcomes.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["turned_away", "left"]);
    assert_eq!(world.list(&["pairing", "list"]).await?.len(), 1);
    Ok(())
}
