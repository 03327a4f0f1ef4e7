//! Who is who: one person per sender, several senders of one person, and never two in one place.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zaki_simulators::telegram;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const AGENT: Duration = Duration::from_mins(4);

async fn users(world: &World) -> Result<Vec<Value>> {
    world.list(&["users", "list"]).await
}

/// The user that a sender belongs to.
async fn user_of(world: &World, channel: ChannelKind, who: Person) -> Result<String> {
    let (_, sender) = who.sender(world, channel);
    let is_theirs = |user: &&Value| {
        let bindings = user["bindings"].as_array();
        bindings.is_some_and(|all| {
            all.iter().any(|one| one["channel"] == channel.as_str() && one["sender"] == sender)
        })
    };
    let users = users(world).await?;
    let user = users
        .iter()
        .find(is_theirs)
        .with_context(|| format!("{sender} is in none of {users:#?}"))?;
    Ok(user["user"].as_str().context("a user without an id")?.to_owned())
}

async fn link(world: &World, user: &str, channel: ChannelKind, who: Person) -> Result<String> {
    let (scope, sender) = who.sender(world, channel);
    let args = ["users", "link", user, channel.as_str(), &sender, "--scope", &scope];
    world.zaki(&args).await?.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_sender_is_always_the_same_person() -> Result<()> {
    let mut world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        world.ask(channel, ADA, "hello").await?;
    }
    let known = users(&world).await?;
    assert_eq!(known.len(), 4, "four senders whom nobody has linked: {known:#?}");
    let mut renamed = telegram::User::new(ADA.telegram().id, "Another Name");
    renamed.username = Some("another".to_owned());
    world.telegram.say(&renamed, "a name is no identity");
    world.expect(TELEGRAM, ADA, 2, zaki_tests::SOON).await?;
    world.noted().await?;
    world.kill()?;
    world.up().await?;
    for channel in ChannelKind::ALL {
        world.ask(channel, ADA, "hello again").await?;
    }
    let ids = |users: &[Value]| -> BTreeSet<String> {
        users.iter().map(|user| user["user"].to_string()).collect()
    };
    assert_eq!(ids(&users(&world).await?), ids(&known));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_senders_are_one_person_from_the_next_message_on() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        world.ask(channel, ADA, "hello").await?;
    }
    world.ask(TELEGRAM, BOB, "hello").await?;
    let ada = user_of(&world, TELEGRAM, ADA).await?;
    // The hub runs on, and must not go by what it remembers.
    for channel in ChannelKind::ALL {
        link(&world, &ada, channel, ADA).await?;
        assert_eq!(world.ask(channel, ADA, "and now?").await?, "echo: and now?");
        assert_eq!(user_of(&world, channel, ADA).await?, ada, "{channel}");
    }
    assert_ne!(user_of(&world, TELEGRAM, BOB).await?, ada);
    let nobody = link(&world, "01arz3ndektsv4rrffq69g5fav", TELEGRAM, BOB).await;
    assert!(nobody.is_err(), "there is no such person: {nobody:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_house_lets_no_stranger_in() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM]);
    let mut world = setup.start().await?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    world.noted().await?;
    world.kill()?;
    world.reconfigure("identity.policy", "closed")?;
    world.up().await?;
    world.say(TELEGRAM, BOB, "let me in");
    let settled = |found: &Vec<Value>| found.iter().any(|one| one["reason"] == "refused");
    let inbox = world.until("a refusal", || world.inbox(TELEGRAM), settled).await?;
    assert_eq!(inbox[0]["state"], json!("settled"));
    assert_eq!(world.ask(TELEGRAM, ADA, "still here").await?, "echo: still here");
    assert!(world.answers(TELEGRAM, BOB).iter().all(|text| !text.contains("echo")));
    assert_eq!(users(&world).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_have_no_openclaw_memory_or_file_in_common() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else {
        return Ok(());
    };
    let world = Setup::openclaw(openclaw).only(&[TELEGRAM]).start().await?;
    let told = world.ask_within(TELEGRAM, ADA, "My favourite colour is teal.", AGENT).await?;
    ensure!(told.contains("teal"), "not the offline model: {told}");
    let question = "What is my favourite colour?";
    let bob = world.ask_within(TELEGRAM, BOB, question, AGENT).await?;
    assert!(!bob.contains("teal"), "told to the wrong person: {bob}");
    let ada = world.ask_within(TELEGRAM, ADA, question, AGENT).await?;
    assert!(ada.contains("teal"), "forgotten: {ada}");

    let (ada, bob) = (Sandbox::of(&world, ADA).await?, Sandbox::of(&world, BOB).await?);
    assert!(ada.pids.is_disjoint(&bob.pids), "{ada:?} {bob:?}");
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: sandboxes have users of their own only under root");
        return Ok(());
    }
    let (Some(ada_uid), Some(bob_uid)) = (ada.uid, bob.uid) else { panic!("{ada:?} {bob:?}") };
    assert!(ada_uid != bob_uid && ada_uid != 0 && bob_uid != 0, "{ada_uid} {bob_uid}");
    let list = |uid: u32| Command::new("ls").arg(&ada.state).uid(uid).gid(uid).output();
    assert!(list(ada_uid)?.status.success(), "her own directory is hers to read");
    assert!(!list(bob_uid)?.status.success(), "and nobody else's");
    Ok(())
}

/// One person's sandbox, as the machine shows it.
#[derive(Debug)]
struct Sandbox {
    pids: BTreeSet<i32>,
    uid: Option<u32>,
    state: std::path::PathBuf,
}

impl Sandbox {
    async fn of(world: &World, who: Person) -> Result<Self> {
        let name = format!("openclaw-{}", user_of(world, TELEGRAM, who).await?);
        let all = world.processes();
        let mine = all.iter().filter(|process| {
            process.command.contains(&name) || process.environment().contains(&name)
        });
        let mine: Vec<_> = mine.collect();
        let uids: BTreeSet<_> = mine.iter().filter_map(|process| process.uid()).collect();
        ensure!(uids.len() == 1, "{name} runs as {uids:?}: {all:#?}");
        let state = world.data().join("sandboxes").join(&name);
        ensure!(state.is_dir(), "{} is not there", state.display());
        let pids = mine.iter().map(|process| process.pid).collect();
        Ok(Self { pids, uid: uids.first().copied(), state })
    }
}
