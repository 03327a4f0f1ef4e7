//! Who is let in, and what becomes of everybody else: one polite line, and nothing that costs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_identity::Actor;
use zaki_simulators::telegram::{Chat, User};
use zaki_simulators::{Act, Sent};
use zaki_tests::edge::KEY;
use zaki_tests::house::{self, House};
use zaki_tests::world::own_address;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

fn telegram(sign_up: &str) -> Setup {
    Setup::echo().only(&[TELEGRAM]).set("identity.sign_up", sign_up)
}

/// Waits until so many messages of a channel have been settled as refused.
async fn refused(world: &World, channel: ChannelKind, count: usize) -> Result<()> {
    let enough = |lines: &Vec<Value>| {
        let refused = |line: &&Value| line["reason"] == "refused";
        lines.iter().filter(refused).count() == count
    };
    world.until("refusals", || world.inbox(channel), enough).await.map(drop)
}

/// Nobody became a person, and no sandbox was heard of.
async fn nothing_was_woken(world: &World) -> Result<()> {
    let users = world.list(&["users", "list"]).await?;
    assert!(users.is_empty(), "{users:#?}");
    let sandboxes = house::known_to_edge(world).await?;
    assert!(sandboxes.is_empty(), "{sandboxes:?}");
    assert!(house::turns(world)?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_a_closed_door_is_told_once_on_every_channel_and_costs_nothing() -> Result<()>
{
    let world = Setup::echo().set("identity.sign_up", "closed").start().await?;
    for channel in ChannelKind::ALL {
        let said = world.ask(channel, BOB, "let me in").await?;
        assert!(said.contains("takes nobody new"), "{channel}: {said}");
        for again in 0..3 {
            world.say(channel, BOB, &format!("please {again}"));
        }
        refused(&world, channel, 4).await?;
        assert_eq!(world.answers(channel, BOB).len(), 1, "{channel}: one line a day");
    }
    nothing_was_woken(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_the_list_needs_nothing_else() -> Result<()> {
    let listed = vec![toml::Value::String(ADA.telegram().id.to_string())];
    let world = telegram("allowlist").set("identity.allow.ids", listed).start().await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");
    let said = world.ask(TELEGRAM, BOB, "hello").await?;
    assert!(said.contains("only for certain people"), "{said}");
    refused(&world, TELEGRAM, 1).await?;
    let known = async || house::known_to_edge(&world).await;
    world.until("one sandbox", known, |known| known.len() == 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_lets_one_person_in_and_its_code_is_kept_nowhere() -> Result<()> {
    let world = telegram("invite").start().await?;
    let said = world.ask(TELEGRAM, BOB, "hello").await?;
    assert!(said.contains("you need an invitation"), "{said}");
    nothing_was_woken(&world).await?;
    let code = House::of(&world).await?.invite().await?;
    let said = world.ask(TELEGRAM, BOB, &code).await?;
    assert!(said.contains("Your invitation is valid"), "{said}");
    assert_eq!(world.ask(TELEGRAM, BOB, "hello").await?, "echo: hello");
    // It was for one.
    let said = world.ask(TELEGRAM, ADA, &code).await?;
    assert!(!said.contains("valid, welcome"), "{said}");
    let kept = format!("{:?}", world.inbox(TELEGRAM).await?);
    assert!(!kept.contains(&code) && !kept.contains(&code.replace('-', "")), "{kept}");
    assert!(!world.whole_log().contains(&code));
    Ok(())
}

/// The code in what a stranger is told.
fn code_in(said: &str) -> Result<String> {
    let words = said.split(|c: char| c.is_whitespace() || c == '`');
    let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-';
    let mut codes = words.map(|word| word.trim_matches('.')).filter(is_code);
    codes.next().map(str::to_owned).with_context(|| format!("no code in {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_a_code_is_let_in_by_an_operator_or_an_owner() -> Result<()> {
    let world = telegram("pairing").start().await?;
    let house = House::of(&world).await?;
    let said = world.ask(TELEGRAM, ADA, "hello").await?;
    nothing_was_woken(&world).await?;
    assert!(house.approve(&code_in(&said)?).await?);
    let told = world.expect(TELEGRAM, ADA, 2, SOON).await?;
    assert!(told[1].contains("You are in, welcome"), "{told:?}");
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello");

    house.make_owner(house.user(TELEGRAM, ADA).await?).await?;
    let said = world.ask(TELEGRAM, BOB, "hello").await?;
    let code = code_in(&said)?;
    let asked = world.expect(TELEGRAM, ADA, 4, SOON).await?;
    assert!(asked[3].contains(&code), "{asked:?}");
    let said = world.ask(TELEGRAM, ADA, &format!("/approve {code}")).await?;
    assert!(said.contains("is in now"), "{said}");
    let told = world.expect(TELEGRAM, BOB, 2, SOON).await?;
    assert!(told[1].contains("You are in, welcome"), "{told:?}");
    assert_eq!(world.ask(TELEGRAM, BOB, "hello").await?, "echo: hello");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_told_to_come_alone_where_it_came_with_other_words() -> Result<()> {
    let world = telegram("invite").start().await?;
    let code = House::of(&world).await?.invite().await?;
    world.say(TELEGRAM, BOB, &format!("hello, {code} is my code"));
    let told = world.expect(TELEGRAM, BOB, 2, SOON).await?;
    let alone = |text: &String| text.contains("please send it to me alone");
    assert_eq!(told.iter().filter(|text| alone(text)).count(), 1, "{told:?}");
    let said = world.ask(TELEGRAM, BOB, &code).await?;
    assert!(said.contains("Your invitation is valid"), "it is as good as it was: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_to_a_full_list_hears_so_and_their_code_once_there_is_room() -> Result<()> {
    const MOST: i64 = 100;
    let world = telegram("pairing").set("deliver.paced", false).start().await?;
    for n in 0..MOST {
        let stranger = User::new(900_000 + n, "Stranger");
        world.telegram.say_in(&Chat::private(&stranger), &stranger, "hi", serde_json::json!({}));
    }
    let codes = |sent: &Sent| sent.text.contains("Please give them this code");
    let all = usize::try_from(MOST)?;
    let told = world.platform(TELEGRAM).sent().wait_for_count(all, codes, SOON).await;
    assert!(told.is_ok(), "whoever waits knows their code, however many come in a minute");
    let said = world.ask(TELEGRAM, BOB, "let me in").await?;
    assert!(said.contains("many are waiting for that already"), "{said}");
    world.say(TELEGRAM, BOB, "please");
    refused(&world, TELEGRAM, all + 2).await?;
    assert_eq!(world.answers(TELEGRAM, BOB).len(), 1, "once a day");
    let waiting = world.list(&["pairing", "list"]).await?;
    assert_eq!(waiting.len(), all);
    let code = waiting[0]["code"].as_str().context("no code")?;
    world.zaki(&["pairing", "deny", code]).await?.ok()?;
    let said = world.ask(TELEGRAM, BOB, "and now?").await?;
    assert!(said.contains("Please give them this code"), "the same day: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_differ_from_the_house() -> Result<()> {
    let channels = [TELEGRAM, ChannelKind::Slack];
    let setup = Setup::echo().only(&channels);
    let world = setup.set("telegram.main.access.sign_up", "closed").start().await?;
    assert_eq!(world.ask(ChannelKind::Slack, BOB, "hello").await?, "echo: hello");
    let said = world.ask(TELEGRAM, BOB, "hello").await?;
    assert!(said.contains("takes nobody new"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_blocked_is_not_answered_from_the_next_message_on() -> Result<()> {
    let world = telegram("open").start().await?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    let house = House::of(&world).await?;
    let ada = house.user(TELEGRAM, ADA).await?;
    house.directory.block(ada, Actor::Operator, house::now()).await?;
    world.say(TELEGRAM, ADA, "still there?");
    refused(&world, TELEGRAM, 1).await?;
    world.say(TELEGRAM, ADA, "/status");
    refused(&world, TELEGRAM, 2).await?;
    assert_eq!(world.answers(TELEGRAM, ADA), ["echo: hello"], "nothing is said to them");
    house.directory.unblock(ada, Actor::Operator, house::now()).await?;
    assert_eq!(world.ask(TELEGRAM, ADA, "and now?").await?, "echo: and now?");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_strangers_does_not_make_the_bot_talk_without_end() -> Result<()> {
    const CROWD: i64 = 90;
    let world = telegram("closed").start().await?;
    for n in 0..CROWD {
        let stranger = User::new(900_000 + n, "Stranger");
        world.telegram.say_in(&Chat::private(&stranger), &stranger, "hi", serde_json::json!({}));
    }
    refused(&world, TELEGRAM, usize::try_from(CROWD)?).await?;
    let lines = |sent: &Sent| sent.act == Act::Post && sent.has_text();
    let told = world.platform(TELEGRAM).sent().matching(lines).len();
    println!("{told} of {CROWD} strangers were told");
    assert!(told < usize::try_from(CROWD)?);
    nothing_was_woken(&world).await
}

/// One object that a command prints.
async fn one(world: &World, args: &[&str]) -> Result<Value> {
    world.list(args).await?.pop().with_context(|| format!("{args:?} says nothing"))
}

/// Who answers somebody.
async fn who(world: &World, person: Person) -> Result<String> {
    let said = world.ask(TELEGRAM, person, "WHO").await?;
    let (_, rest) = said.split_once("answered by openclaw-").with_context(|| said.clone())?;
    Ok(rest.split(' ').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_outlives_whoever_was_blocked() -> Result<()> {
    let world = telegram("open")
        .set("edge.key", KEY)
        .set("edge.listen", own_address().to_string())
        .start()
        .await?;
    let (ada, bob) = (who(&world, ADA).await?, who(&world, BOB).await?);
    for user in [&ada, &bob] {
        one(&world, &["users", "block", user]).await?;
    }
    let (of_ada, of_bob) = (ADA.sender(&world, TELEGRAM).1, BOB.sender(&world, TELEGRAM).1);
    let unlinked = one(&world, &["users", "unlink", &ada, "telegram", &of_ada]).await?;
    assert_eq!(unlinked["blocked"], true);
    let erased = one(&world, &["users", "erase", &bob, "--yes"]).await?;
    assert_eq!((&erased["bindings"], &erased["barred"]), (&json!(1), &json!(1)), "{erased}");
    for (n, person) in [ADA, BOB].into_iter().enumerate() {
        world.say(TELEGRAM, person, "let me in");
        let refused = |lines: &Vec<Value>| {
            lines.iter().filter(|line| line["reason"] == "refused").count() == n + 1
        };
        world.until("a refusal", || world.inbox(TELEGRAM), refused).await?;
    }
    let users = world.list(&["users", "list"]).await?;
    assert_eq!(users.len(), 1, "nobody new: {users:?}");
    let link = world.zaki(&["users", "link", &ada, "telegram", &of_bob]).await?.refusal()?;
    assert!(link.contains("users unblock CHANNEL:ID"), "{link}");

    let named = format!("telegram:{of_bob}");
    let lifted = one(&world, &["users", "unblock", &named]).await?;
    assert_eq!((&lifted["changed"], &lifted["blocked"]), (&json!(true), &json!(false)));
    assert_eq!(one(&world, &["users", "unblock", &named]).await?["changed"], false);
    assert!(who(&world, BOB).await? != bob, "somebody new");
    let acts = world.list(&["audit", "list"]).await?;
    assert!(acts.iter().any(|act| act["act"] == "unbarred" && act["by"] == "operator"), "{acts:?}");
    for (wrong, rule) in
        [("telegram:bob", "a number"), ("aim:1", "telegram, discord"), ("bob", "users list")]
    {
        let said = world.zaki(&["users", "unblock", wrong]).await?.refusal()?;
        assert!(said.contains(rule), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_hears_once_of_an_invitation_among_other_words() -> Result<()> {
    let world = telegram("invite").start().await?;
    let made = one(&world, &["invite", "create", "--uses", "3"]).await?;
    let code = made["code"].as_str().context("no code")?;
    for n in 0..3 {
        world.say(TELEGRAM, ADA, &format!("I was given {code}, thanks {n}"));
    }
    refused(&world, TELEGRAM, 3).await?;
    let told = world.expect(TELEGRAM, ADA, 2, SOON).await?;
    assert!(told.iter().any(|text| text.contains("send it to me alone")), "{told:?}");
    assert!(world.ask(TELEGRAM, ADA, code).await?.contains("Your invitation is valid"));
    let told = world.answers(TELEGRAM, ADA);
    assert_eq!(told.len(), 3, "what was said at the door, of the code, and the welcome: {told:?}");
    Ok(())
}
