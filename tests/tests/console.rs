//! The console of whoever lets people in.

use std::fs::File;

use anyhow::{Context, Result};
use serde_json::Value;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, program};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

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
