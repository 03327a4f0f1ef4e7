//! A provider of models that takes no call: the person hears so at once, the operator sees why, and
//! everything comes right by itself.

use std::time::Duration;

use anyhow::{Context, Result};
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::provider::{ANSWER, Provider};
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const AGENT: Duration = Duration::from_mins(4);
const KEY: &str = "sk-live-8d1f0c77-in-no-log-either";

async fn ready(world: &World) -> Result<String> {
    Ok(world.http.get(world.url("/ready")).send().await?.text().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_no_key_is_told_to_everybody_it_concerns() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let provider = Provider::start().await?;
    let setup = Setup::openclaw(openclaw).only(&[TELEGRAM]).set("model.provider", "openai");
    let setup = setup.set("model.base_url", provider.url()).set("model.name", "stub");
    let edge = zaki_tests::world::own_address().to_string();
    let world = setup.set("model.api_key", KEY).set("edge.listen", edge).start().await?;
    assert_eq!(world.ask_within(TELEGRAM, ADA, "Hello?", AGENT).await?, ANSWER);

    provider.refuse(true);
    let calls = provider.keys().len();
    for n in 1..=5 {
        let answer = world.ask_within(TELEGRAM, ADA, &format!("And now ({n})?"), AGENT).await?;
        assert!(answer.contains("the model it uses reported a failure"), "{answer}");
    }
    assert_eq!(provider.keys().len(), calls + 5, "none was tried again");
    let told = |said: &String| said.contains("model: no provider answers");
    let said = world.until("the trouble", || ready(&world), told).await?;
    assert!(said.contains("does not take the key"), "{said}");
    let status = world.ask(TELEGRAM, ADA, "/status").await?;
    assert!(status.contains("does not answer just now"), "{status}");
    let doctor = world.zaki(&["doctor"]).await?.stdout;
    // Of an edge elsewhere the hub is asked, whose operators know what it stands for.
    let (row, says) = if world.is_on_workerd() {
        ("model at main", "does not take the key")
    } else {
        ("(refused)", "MISSING")
    };
    let row = doctor.lines().find(|line| line.contains(row)).context(doctor.clone())?;
    assert!(row.contains(says), "{row}");

    provider.refuse(false);
    let answer = world.until(
        "an answer",
        || world.ask_within(TELEGRAM, ADA, "Are you back?", AGENT),
        |answer| answer == ANSWER,
    );
    answer.await?;
    world.until("no trouble", || ready(&world), |said| !said.contains("model")).await?;
    assert!(!world.whole_log().contains(KEY), "the key is in the log");
    Ok(())
}
