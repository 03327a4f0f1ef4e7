//! Groups: when the bot answers there, for whom it is there, and whose sandbox answers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_identity::{GroupChange, GroupMode, Who};
use zaki_simulators::Sent;
use zaki_simulators::telegram::Chat;
use zaki_tests::chaos::Seed;
use zaki_tests::house::{self, House};
use zaki_tests::replicas::Replicas;
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

fn telegram() -> Setup {
    Setup::echo().only(&[TELEGRAM])
}

fn friends() -> Chat {
    Chat::group(-1_001_000_000_001, "Friends")
}

/// Says something in the group, as it is.
fn say(world: &World, who: Person, text: &str) {
    world.telegram.say_in(&friends(), &who.telegram(), text, json!({}));
}

/// Says something to the bot in the group, and waits for what it says there about it.
async fn ask(world: &World, who: Person, text: &str) -> Result<String> {
    let before = answers(world).len();
    say(world, who, &format!("@zaki_sim_bot {text}"));
    answer(world, before).await
}

async fn answer(world: &World, before: usize) -> Result<String> {
    let here = move |sent: &Sent| in_group(sent);
    let sent = world.platform(TELEGRAM).sent();
    let seen = sent.wait_for_count(before + 1, here, zaki_tests::SOON).await;
    let seen = seen.map_err(|error| anyhow::anyhow!("{error}\n{}", world.log()))?;
    seen.into_iter().nth(before).map(|sent| sent.text).context("the log lost an answer")
}

fn in_group(sent: &Sent) -> bool {
    sent.has_text() && sent.conversation == friends().id.to_string()
}

fn answers(world: &World) -> Vec<String> {
    let found = world.platform(TELEGRAM).sent().matching(in_group);
    found.into_iter().map(|sent| sent.text).collect()
}

/// Waits until a message has been settled for a reason. It is kept without the bot's name.
async fn settled(world: &World, text: &str, reason: &str) -> Result<()> {
    let is = |lines: &Vec<Value>| {
        let said = |line: &&Value| line["parts"][0]["text"].as_str().unwrap_or_default() == text;
        lines.iter().filter(said).any(|line| line["reason"] == reason)
    };
    world.until(&format!("`{text}` {reason}"), || world.inbox(TELEGRAM), is).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_makes_the_bot_hear_everything_or_nothing_at_once() -> Result<()> {
    let world = telegram().start().await?;
    assert!(ask(&world, ADA, "hello").await?.contains("hello"));
    say(&world, ADA, "just talking");
    settled(&world, "just talking", "not_addressed").await?;
    assert!(ask(&world, ADA, "/mode always").await?.contains("owners"), "she is none yet");
    let house = House::of(&world).await?;
    house.make_owner(house.user(TELEGRAM, ADA).await?).await?;
    assert!(ask(&world, ADA, "/mode always").await?.contains("every message"));
    let before = answers(&world).len();
    say(&world, BOB, "not to the bot");
    assert_eq!(answer(&world, before).await?, "echo: not to the bot");
    assert!(ask(&world, ADA, "/mode off").await?.contains("silent"));
    say(&world, BOB, "@zaki_sim_bot are you there?");
    settled(&world, "are you there?", "refused").await?;
    let last = answers(&world);
    assert!(last.last().is_some_and(|said| said.contains("silent")), "{last:?}");
    assert!(ask(&world, ADA, "/mode mention").await?.contains("when I am addressed"));
    assert!(ask(&world, BOB, "again").await?.contains("again"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_changes_elsewhere_is_known_within_a_pulse() -> Result<()> {
    let mut world = telegram().start().await?;
    ask(&world, ADA, "hello").await?;
    let change = GroupChange { mode: Some(GroupMode::Always), ..GroupChange::default() };
    House::of(&world).await?.set_group(&friends(), change).await?;
    let before = answers(&world).len();
    let mut tries = 0;
    let heard = loop {
        tries += 1;
        let text = format!("try {tries}");
        say(&world, BOB, &text);
        let decided = |lines: &Vec<Value>| {
            let said = |line: &&Value| line["parts"][0]["text"] == text;
            lines.iter().filter(said).any(|line| line["state"] != "accepted")
        };
        let lines = world.until("a decision", || world.inbox(TELEGRAM), decided).await?;
        let line = lines.iter().find(|line| line["parts"][0]["text"] == text).unwrap();
        if line["state"] == "joined" {
            break text;
        }
        assert_eq!(line["reason"], "not_addressed");
        assert!(tries < 100, "never");
    };
    assert_eq!(answer(&world, before).await?, format!("echo: {heard}"));
    // And it is known from the start on.
    world.noted().await?;
    world.kill()?;
    world.up().await?;
    let before = answers(&world).len();
    say(&world, BOB, "after a restart");
    assert_eq!(answer(&world, before).await?, "echo: after a restart");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_grants_nothing_in_private() -> Result<()> {
    let setup = telegram().set("identity.sign_up", "closed");
    let world = setup.set("identity.groups.who", "everyone").start().await?;
    assert!(ask(&world, BOB, "hello").await?.contains("echo"));
    let said = world.ask(TELEGRAM, BOB, "hello in private").await?;
    assert!(said.contains("takes nobody new"), "{said}");
    settled(&world, "hello in private", "refused").await?;
    assert!(ask(&world, BOB, "still here").await?.contains("echo"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_in_private_is_not_in_a_group_of_others() -> Result<()> {
    let world = telegram().set("identity.groups.who", "listed").start().await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");
    let said = ask(&world, ADA, "hello in public").await?;
    assert!(said.contains("may not answer you in this group"), "{said}");
    settled(&world, "hello in public", "refused").await?;
    let house = House::of(&world).await?;
    assert!(house.allow_in_group(&friends(), house.user(TELEGRAM, ADA).await?).await?);
    assert!(ask(&world, ADA, "and now").await?.contains("echo"));
    let other = Chat::group(-1_001_000_000_002, "Others");
    let text = "@zaki_sim_bot another group";
    world.telegram.say_in(&other, &ADA.telegram(), text, json!({}));
    settled(&world, "another group", "refused").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_served_in_groups_only_where_they_could_sign_up_anyway() -> Result<()> {
    let world = telegram().set("identity.sign_up", "invite").start().await?;
    let said = ask(&world, BOB, "hello").await?;
    assert!(said.contains("only people I know"), "{said}");
    assert!(house::known_to_edge(&world).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_is_told_of_a_group_holds_on_the_other() -> Result<()> {
    let Some(replicas) = Replicas::start(telegram(), 2, Seed::find()).await? else {
        return Ok(());
    };
    let world = &replicas.world;
    ask(world, ADA, "hello").await?;
    let users = world.list(&["users", "list"]).await?;
    let ada = users[0]["user"].as_str().context("no user")?;
    world.zaki(&["users", "role", ada, "owner"]).await?.ok()?;
    assert!(ask(world, ADA, "/mode off").await?.contains("silent"));
    // Either replica may get the next ones: none of them answers, whatever it remembers.
    for n in 0..6 {
        let text = format!("anybody? {n}");
        say(world, ADA, &format!("@zaki_sim_bot {text}"));
        settled(world, &text, "refused").await.with_context(|| replicas.log())?;
    }
    Ok(())
}

/// Whose sandbox answered a message.
async fn answered_by(world: &World, text: &str) -> Result<String> {
    let inbox = world.inbox(TELEGRAM).await?;
    let said = |line: &&Value| line["parts"][0]["text"].as_str().unwrap_or_default().contains(text);
    let line = inbox.iter().find(said).with_context(|| format!("{text} in {inbox:#?}"))?;
    let turn = line["turn"].as_str().context("no turn")?;
    house::turns(world)?.remove(turn).context("no such turn")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_speaker_has_their_own_sandbox_unless_somebody_lends_theirs() -> Result<()> {
    let world = telegram().start().await?;
    for who in [ADA, BOB] {
        world.ask(TELEGRAM, who, "hello").await?;
        ask(&world, who, &format!("one of {}", who.0)).await?;
    }
    let house = House::of(&world).await?;
    let (ada, bob) = (house.user(TELEGRAM, ADA).await?, house.user(TELEGRAM, BOB).await?);
    assert_eq!(answered_by(&world, "one of 1").await?, ada.to_string());
    assert_eq!(answered_by(&world, "one of 2").await?, bob.to_string());
    let lend = GroupChange { owner: Some(Some(ada)), ..GroupChange::default() };
    house.set_group(&friends(), lend).await?;
    // From the next message on, whatever was remembered of Bob.
    ask(&world, BOB, "two of 2").await?;
    assert_eq!(answered_by(&world, "two of 2").await?, ada.to_string());
    assert_eq!(world.ask(TELEGRAM, BOB, "in private").await?, "echo: in private");
    assert_eq!(answered_by(&world, "in private").await?, bob.to_string());
    let take =
        GroupChange { owner: Some(None), who: Some(Who::Everyone), ..GroupChange::default() };
    house.set_group(&friends(), take).await?;
    ask(&world, BOB, "three of 2").await?;
    assert_eq!(answered_by(&world, "three of 2").await?, bob.to_string());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_sees_that_the_assistant_of_a_host_is_at_work() -> Result<()> {
    let world = telegram().start().await?;
    for who in [ADA, BOB] {
        world.ask(TELEGRAM, who, "hello").await?;
        ask(&world, who, "hello").await?;
    }
    let house = House::of(&world).await?;
    let ada = house.user(TELEGRAM, ADA).await?;
    let lend = GroupChange { owner: Some(Some(ada)), ..GroupChange::default() };
    house.set_group(&friends(), lend).await?;
    let before = answers(&world).len();
    say(&world, ADA, "@zaki_sim_bot SLOW:100x60000");
    // Behind it in the line of the sender: what is asked next comes after it.
    say(&world, ADA, "/status@zaki_sim_bot");
    let own = answer(&world, before).await?;
    assert!(own.contains("Your assistant is working"), "{own}");
    say(&world, BOB, "/status@zaki_sim_bot");
    let guest = answer(&world, before + 1).await?;
    assert!(guest.contains("The assistant here is working"), "{guest}");
    say(&world, ADA, "/stop@zaki_sim_bot");
    answer(&world, before + 2).await?;
    // What is said about what a guest wrote is in the guest's language.
    world.ask(TELEGRAM, BOB, "/lang de").await?;
    world.ask(TELEGRAM, ADA, "/lang fr").await?;
    say(&world, BOB, "/stop@zaki_sim_bot");
    let idle = answer(&world, before + 3).await?;
    assert!(idle.contains("nichts zu stoppen"), "{idle}");
    Ok(())
}
