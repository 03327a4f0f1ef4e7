//! How much people may use, what they are told of it, and who comes first when the machine is full.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_simulators::Sent;
use zaki_simulators::telegram::Chat;
use zaki_tests::chaos::Seed;
use zaki_tests::house::{self, House};
use zaki_tests::replicas::Replicas;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
/// Keeps the agent busy for as long as a test needs.
const LONG: &str = "SLOW:600x100";
/// Long enough for the others to be told that they wait.
const SHORT: &str = "SLOW:40x100";

fn telegram() -> Setup {
    Setup::echo().only(&[TELEGRAM])
}

fn tier(key: &str, value: i64) -> Setup {
    telegram().set(&format!("tiers.standard-1.{key}"), value)
}

/// What is said to the bot in a group is kept without its name.
fn is(line: &Value, text: &str) -> bool {
    line["parts"][0]["text"] == text.trim_start_matches("@zaki_sim_bot ")
}

/// Waits until what has become of a message is this: its state, or why it was settled.
async fn until(world: &World, text: &str, what: &str) -> Result<()> {
    let done = |lines: &Vec<Value>| {
        let line = lines.iter().find(|line| is(line, text));
        line.is_some_and(|line| line["state"] == what || line["reason"] == what)
    };
    world.until(&format!("`{text}` {what}"), || world.inbox(TELEGRAM), done).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_slowed_down_and_told_so_once_while_commands_are_carried_out() -> Result<()> {
    // Two at once, and then one in half a minute.
    let world = tier("messages_per_minute", 4).start().await?;
    for said in ["one", "two"] {
        assert_eq!(world.ask(TELEGRAM, ADA, said).await?, format!("echo: {said}"));
    }
    let told = world.ask(TELEGRAM, ADA, "three").await?;
    assert!(told.contains("That was a lot at once"), "{told}");
    world.say(TELEGRAM, ADA, "four");
    until(&world, "three", "limited").await?;
    until(&world, "four", "limited").await?;
    let help = world.ask(TELEGRAM, ADA, "/help").await?;
    assert!(help.contains("/stop"), "{help}");
    assert_eq!(world.answers(TELEGRAM, ADA).len(), 4, "it is said once");
    assert_eq!(world.ask(TELEGRAM, BOB, "hello").await?, "echo: hello", "nobody else is slowed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_messages_are_counted_over_a_restart_and_a_better_tier_has_more() -> Result<()> {
    let setup = tier("messages_per_day", 3).set("tiers.gold.messages_per_day", 100);
    let mut world = setup.start().await?;
    for said in ["one", "two", "three"] {
        assert_eq!(world.ask(TELEGRAM, ADA, said).await?, format!("echo: {said}"));
    }
    let told = world.ask(TELEGRAM, ADA, "four").await?;
    assert!(told.contains("as many messages today") && told.contains("continue in"), "{told}");
    world.say(TELEGRAM, ADA, "five");
    until(&world, "five", "limited").await?;
    assert_eq!(world.answers(TELEGRAM, ADA).len(), 4, "it is said once");
    world.noted().await?;
    world.stop(nix::sys::signal::Signal::SIGTERM).await?;
    world.up().await?;
    world.say(TELEGRAM, ADA, "six");
    until(&world, "six", "limited").await?;
    let house = House::of(&world).await?;
    house.set_tier(house.user(TELEGRAM, ADA).await?, "gold").await?;
    // The tier is known within a second; nobody need ask for it.
    let mut tries = 0;
    while !world.answers(TELEGRAM, ADA).iter().any(|said| said.starts_with("echo: seven")) {
        tries += 1;
        assert!(tries < 100, "never\n{}", world.log());
        world.say(TELEGRAM, ADA, &format!("seven {tries}"));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_messages_are_those_of_all_replicas_together() -> Result<()> {
    let Some(replicas) = Replicas::start(tier("messages_per_day", 6), 2, Seed::find()).await?
    else {
        return Ok(());
    };
    let world = &replicas.world;
    // Each replica may not know of what the other has let in within this second.
    for n in 0..6 {
        let text = format!("number {n}");
        world.say(TELEGRAM, ADA, &text);
        let answered = move |sent: &Sent| sent.text == format!("echo: {text}");
        world.expect_sent(TELEGRAM, answered).await.with_context(|| replicas.log())?;
    }
    let usage = async || world.ask(TELEGRAM, ADA, "/usage").await;
    world.until("six messages", usage, |said| said.contains("6 of 6")).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for n in 0..4 {
        let text = format!("one too many {n}");
        world.say(TELEGRAM, ADA, &text);
        until(world, &text, "limited").await.with_context(|| replicas.log())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn near_a_limit_the_person_is_told_beside_the_answer() -> Result<()> {
    let world = tier("messages_per_day", 10).start().await?;
    for n in 1..=8 {
        world.ask(TELEGRAM, ADA, &format!("number {n}")).await?;
    }
    world.say(TELEGRAM, ADA, "the ninth");
    let answers = world.expect(TELEGRAM, ADA, 10, SOON).await?;
    let said = |wanted: &str| answers.iter().filter(|said| said.contains(wanted)).count();
    assert_eq!(said("You have 1 message left today"), 1, "{answers:?}");
    assert_eq!(said("echo: the ninth"), 1, "{answers:?}");
    assert_eq!(world.ask(TELEGRAM, ADA, "the tenth").await?, "echo: the tenth");
    Ok(())
}

/// What the directory has counted for a person today.
async fn tokens(world: &World, who: Person) -> Result<u64> {
    let house = House::of(world).await?;
    let user = house.user(TELEGRAM, who).await?;
    Ok(house.directory.totals(user, house::now()).await?.day.tokens())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_counted_once_a_turn_and_the_last_ones_end_the_day() -> Result<()> {
    let world = tier("tokens_per_day", 100).start().await?;
    let answer = world.ask(TELEGRAM, ADA, "USE:40x20x0").await?;
    assert!(answer.starts_with("echo"), "{answer}");
    let answer = world.ask(TELEGRAM, ADA, "USE:30x20x0").await?;
    assert!(answer.starts_with("echo"), "40 were left when it began: {answer}");
    let told = world.ask(TELEGRAM, ADA, "more").await?;
    assert!(told.contains("Today’s tokens are used up"), "{told}");
    until(&world, "more", "limited").await?;
    let kept = |tokens: &u64| *tokens == 110;
    world.until("110 tokens", || tokens(&world, ADA), kept).await?;
    let usage = world.ask(TELEGRAM, ADA, "/usage").await?;
    assert!(usage.contains("110") && usage.contains("100"), "{usage}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sandbox_costs_that_serves_a_group_is_its_owners() -> Result<()> {
    let setup = telegram().set("tiers.standard-1.cost_per_month", 0.5);
    let world = setup.start().await?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    let house = House::of(&world).await?;
    let ada = house.user(TELEGRAM, ADA).await?;
    let group = Chat::group(-1_001_000_000_001, "Friends");
    let lend = zaki_identity::GroupChange { owner: Some(Some(ada)), ..Default::default() };
    house.set_group(&group, lend).await?;
    let say = |text: &str| {
        world.telegram.say_in(&group, &BOB.telegram(), &format!("@zaki_sim_bot {text}"), json!({}))
    };
    say("USE:1x1x500000");
    let answered = |sent: &Sent| sent.text.starts_with("echo: USE");
    world.expect_sent(TELEGRAM, answered).await?;
    // The next message waits for the end of that turn in its lane, so it is counted by then.
    until(&world, "@zaki_sim_bot USE:1x1x500000", "joined").await?;
    let spent = async || Ok(house.directory.totals(ada, house::now()).await?.month.cost_micros);
    world.until("the cost", spent, |cost| *cost == 500_000).await?;
    // The guest hears of it in words of his own, the host what it is.
    world.ask(TELEGRAM, BOB, "/lang de").await?;
    say("more");
    let told = |sent: &Sent| sent.text.starts_with("Der Assistent, der hier antwortet, hat");
    world.expect_sent(TELEGRAM, told).await?;
    let own = world.ask(TELEGRAM, ADA, "more").await?;
    assert!(own.contains("This month’s budget is used up"), "{own}");
    assert_eq!(world.ask(TELEGRAM, BOB, "my own").await?, "echo: my own");
    Ok(())
}

fn one_at_a_time() -> Setup {
    telegram().set("hub.turns_at_once", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_their_place_and_answered_all_by_itself() -> Result<()> {
    let world = one_at_a_time().start().await?;
    world.say(TELEGRAM, ADA, SHORT);
    until(&world, SHORT, "joined").await?;
    world.say(TELEGRAM, BOB, "hello");
    let answers = world.expect(TELEGRAM, BOB, 2, SOON).await?;
    assert!(answers[0].contains("You are next"), "{answers:?}");
    assert_eq!(answers[1], "echo: hello");
    let hers = world.expect(TELEGRAM, ADA, 1, SOON).await?;
    assert!(hers[0].ends_with("word39"), "{hers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_many_turns_does_not_come_before_whoever_has_one() -> Result<()> {
    let world = one_at_a_time().start().await?;
    world.say(TELEGRAM, ADA, SHORT);
    until(&world, SHORT, "joined").await?;
    let group = |n: i64| Chat::group(-1_001_000_000_000 - n, "Friends");
    // The second takes long enough that nothing which comes before it is seen after it.
    for (n, text) in [(1, "one"), (2, "SLOW:30x100 two"), (3, "three")] {
        let addressed = format!("@zaki_sim_bot {text}");
        world.telegram.say_in(&group(n), &ADA.telegram(), &addressed, json!({}));
        until(&world, text, "joined").await?;
    }
    world.say(TELEGRAM, BOB, "bob");
    until(&world, "bob", "joined").await?;
    let second = move |sent: &Sent| {
        sent.conversation == group(2).id.to_string() && sent.text.contains("word29")
    };
    world.expect_sent(TELEGRAM, second).await?;
    let bob = world.answers(TELEGRAM, BOB);
    assert!(bob.iter().any(|said| said == "echo: bob"), "he had none that ran: {bob:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_can_be_stopped_and_lets_the_next_one_by() -> Result<()> {
    let world = one_at_a_time().start().await?;
    world.say(TELEGRAM, ADA, LONG);
    until(&world, LONG, "joined").await?;
    world.say(TELEGRAM, BOB, "hello");
    until(&world, "hello", "joined").await?;
    world.say(TELEGRAM, BOB, "/stop");
    let stopped = |sent: &Sent| sent.text.contains("Stopped");
    let sent = world.expect_sent(TELEGRAM, stopped).await?;
    assert_eq!(sent.conversation, BOB.telegram().id.to_string());
    world.say(TELEGRAM, ADA, "/stop");
    let hers = |sent: &Sent| stopped(sent) && sent.conversation == ADA.telegram().id.to_string();
    world.expect_sent(TELEGRAM, hers).await?;
    assert_eq!(world.ask(TELEGRAM, BOB, "again").await?, "echo: again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_a_turn_that_waits_joins_it() -> Result<()> {
    let world = one_at_a_time().set("turn.mid_turn", "steer").start().await?;
    world.say(TELEGRAM, ADA, SHORT);
    until(&world, SHORT, "joined").await?;
    let own = "SLOW:5x100";
    world.say(TELEGRAM, BOB, own);
    until(&world, own, "joined").await?;
    world.say(TELEGRAM, BOB, "and this");
    let answered = |sent: &Sent| sent.text.contains("and this");
    let sent = world.expect_sent(TELEGRAM, answered).await?;
    assert!(sent.text.contains("word4"), "one answer to both: {}", sent.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_own_turns_wait_for_each_other_where_their_tier_says_so() -> Result<()> {
    let world = tier("turns_at_once", 1).start().await?;
    world.say(TELEGRAM, ADA, LONG);
    until(&world, LONG, "joined").await?;
    let group = Chat::group(-1_001_000_000_001, "Friends");
    let text = "@zaki_sim_bot in the group";
    world.telegram.say_in(&group, &ADA.telegram(), text, json!({}));
    until(&world, text, "joined").await?;
    assert_eq!(world.ask(TELEGRAM, BOB, "hello").await?, "echo: hello", "others do not wait");
    let told = |sent: &Sent| sent.text.contains("as many conversations going at once as you may");
    let sent = world.expect_sent(TELEGRAM, told).await?;
    assert_eq!(sent.conversation, group.id.to_string(), "it is said where it waits");
    let answered = |sent: &Sent| sent.text.contains("in the group");
    assert!(world.platform(TELEGRAM).sent().matching(answered).is_empty());
    world.say(TELEGRAM, ADA, "/stop");
    world.expect_sent(TELEGRAM, answered).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_when_the_hub_died_is_answered_by_the_next_one() -> Result<()> {
    let mut world = one_at_a_time().start().await?;
    world.say(TELEGRAM, ADA, LONG);
    until(&world, LONG, "joined").await?;
    world.say(TELEGRAM, BOB, "hello");
    until(&world, "hello", "joined").await?;
    world.kill()?;
    world.up().await?;
    // Whether hers goes on or not, his is neither lost nor in front of it.
    world.say(TELEGRAM, ADA, "/stop");
    let answer = |sent: &Sent| sent.text == "echo: hello";
    world.expect_sent(TELEGRAM, answer).await?;
    Ok(())
}
