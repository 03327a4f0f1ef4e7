//! People at the door: owners hear of strangers who wait, strangers hear that they are in, a link
//! asks before it joins anybody to somebody, a button answers its own question, and a code that is
//! all somebody writes reaches no agent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use zaki_identity::{Actor, PeopleFilter, Role};
use zaki_simulators::Simulator;
use zaki_tests::chaos::Seed;
use zaki_tests::house::{self, House};
use zaki_tests::replicas::Replicas;
use zaki_tests::tenant::Operator;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const CEM: Person = Person(3);
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const WHATSAPP: ChannelKind = ChannelKind::WhatsApp;
const SLACK: ChannelKind = ChannelKind::Slack;
/// Longer than a hub needs to see what others have written down.
const PULSES: Duration = Duration::from_secs(3);

const IN: &str = "You are in, welcome";
const WAITS: &str = "would like to be let in";

fn code(said: &str) -> Result<String> {
    zaki_tests::tenant::code(said).with_context(|| format!("no code in {said:?}"))
}

fn pairing(channels: &[ChannelKind]) -> Setup {
    Setup::echo().only(channels).set("identity.sign_up", "pairing").set("deliver.paced", false)
}

/// Ada comes in by an operator, and is an owner who has written since: she has a home.
async fn with_an_owner(channels: &[ChannelKind], channel: ChannelKind) -> Result<World> {
    let world = pairing(channels).start().await?;
    let house = House::of(&world).await?;
    let said = world.ask(channel, ADA, "hello").await?;
    assert!(house.approve(&code(&said)?).await?);
    let told = world.expect(channel, ADA, 2, SOON).await?;
    assert!(told[1].contains(IN) && told[1].contains("write again"), "{channel}: {told:?}");
    house.make_owner(house.user(channel, ADA).await?).await?;
    assert_eq!(world.ask(channel, ADA, "hello").await?, "echo: hello");
    Ok(world)
}

fn count(said: &[String], what: &str) -> usize {
    said.iter().filter(|text| text.contains(what)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_hears_of_a_stranger_once_and_lets_them_in_by_a_press() -> Result<()> {
    for channel in ChannelKind::ALL {
        let world = with_an_owner(&[channel], channel).await?;
        let code = code(&world.ask(channel, BOB, "let me in").await?)?;
        world.say(channel, BOB, "please");
        let told = world.expect(channel, ADA, 4, SOON).await?;
        assert!(told[3].contains(WAITS) && told[3].contains(&code), "{channel}: {told:?}");
        assert!(told[3].contains(&format!("/approve {code}")), "and in words: {told:?}");
        let mut asked = world.platform(channel).sent().all().into_iter();
        let asked = asked.rfind(|sent| sent.text.contains(WAITS)).context("it was not sent")?;
        let buttons = world.buttons(channel, 1).await?;
        assert_eq!(buttons.len(), 2, "{channel}: {buttons:?}");
        tokio::time::sleep(PULSES).await;
        assert_eq!(count(&world.answers(channel, ADA), WAITS), 1, "{channel}: once");
        world.press(channel, ADA, &asked, &buttons[0]).await?;
        let told = world.expect(channel, BOB, 2, SOON).await?;
        assert!(told[1].contains(IN), "{channel}: {told:?}");
        world.expect(channel, ADA, 5, SOON).await?;
        assert_eq!(world.ask(channel, BOB, "hello").await?, "echo: hello");
        assert_eq!(count(&world.answers(channel, BOB), IN), 1, "{channel}: once");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_turned_away_hears_nothing_more() -> Result<()> {
    let world = with_an_owner(&[TELEGRAM, WHATSAPP], TELEGRAM).await?;
    // By a press, and by the command line.
    world.ask(WHATSAPP, BOB, "let me in").await?;
    world.expect(TELEGRAM, ADA, 4, SOON).await?;
    let asked = world.telegram.sent().last().context("nothing was sent")?;
    let buttons = world.buttons(TELEGRAM, 1).await?;
    world.press(TELEGRAM, ADA, &asked, &buttons[1]).await?;
    let said = world.expect(TELEGRAM, ADA, 5, SOON).await?;
    assert!(said[4].contains("was not let in"), "{said:?}");
    let code = code(&world.ask(WHATSAPP, CEM, "me too").await?)?;
    world.zaki(&["pairing", "deny", &code]).await?.ok()?;
    for (who, refused) in [(BOB, 3), (CEM, 4)] {
        world.say(WHATSAPP, who, "and now?");
        let enough = |inbox: &Vec<Value>| {
            inbox.iter().filter(|line| line["reason"] == "refused").count() == refused
        };
        world.until("a refusal", || world.inbox(WHATSAPP), enough).await?;
        assert_eq!(world.answers(WHATSAPP, who).len(), 1, "{who:?} has heard the first line only");
    }
    tokio::time::sleep(PULSES).await;
    assert_eq!(count(&world.answers(TELEGRAM, ADA), WAITS), 1, "nor is an owner asked again");
    assert!(world.list(&["pairing", "list"]).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_who_wait_are_one_message_to_the_first_owner_there_is() -> Result<()> {
    let world = pairing(&[TELEGRAM]).start().await?;
    for n in 10..15 {
        world.ask(TELEGRAM, Person(n), "let me in").await?;
    }
    let house = House::of(&world).await?;
    let said = world.ask(TELEGRAM, ADA, "hello").await?;
    assert!(house.approve(&code(&said)?).await?);
    world.expect(TELEGRAM, ADA, 2, SOON).await?;
    house.make_owner(house.user(TELEGRAM, ADA).await?).await?;
    let told = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    assert!(told[2].contains("5 people would like to be let in"), "{told:?}");
    let waiting = world.list(&["pairing", "list"]).await?;
    for line in &waiting {
        let code = line["code"].as_str().context("no code")?;
        assert!(told[2].contains(code), "{code} is not in {told:?}");
    }
    let listed = world.ask(TELEGRAM, ADA, "/approve").await?;
    assert!(listed.contains("5 people"), "who waits is never let in unnamed: {listed}");
    let code = waiting[0]["code"].as_str().context("no code")?.to_owned();
    let said = world.ask(TELEGRAM, ADA, &format!("/approve {code}")).await?;
    assert!(said.contains("is in now"), "{said}");
    let again = world.ask(TELEGRAM, ADA, &format!("/approve {code}")).await?;
    assert!(again.contains("no such request"), "{again}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_let_in_while_no_hub_runs_hears_of_it_from_the_next() -> Result<()> {
    let mut world = pairing(&[WHATSAPP]).start().await?;
    let code = code(&world.ask(WHATSAPP, BOB, "let me in").await?)?;
    world.noted().await?;
    world.stop(nix::sys::signal::Signal::SIGTERM).await?;
    world.zaki(&["pairing", "approve", &code]).await?.ok()?;
    world.up().await?;
    let told = world.expect(WHATSAPP, BOB, 2, SOON).await?;
    assert!(told[1].contains(IN), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_whatsapp_would_not_take_any_more_is_not_sent() -> Result<()> {
    let mut world = pairing(&[WHATSAPP]).start().await?;
    let code = code(&world.ask(WHATSAPP, BOB, "let me in").await?)?;
    world.noted().await?;
    world.stop(nix::sys::signal::Signal::SIGTERM).await?;
    world.zaki(&["pairing", "approve", &code]).await?.ok()?;
    let store = rusqlite::Connection::open(world.data().join("hub/identity.db"))?;
    let day = 24 * 60 * 60 * 1000;
    let moved = store.execute("UPDATE admission SET asked_at = asked_at - ?1", [day])?;
    assert_eq!(moved, 1);
    drop(store);
    world.up().await?;
    assert_eq!(world.ask(WHATSAPP, BOB, "hello").await?, "echo: hello");
    tokio::time::sleep(PULSES).await;
    assert_eq!(count(&world.answers(WHATSAPP, BOB), IN), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_replicas_each_line_is_said_once() -> Result<()> {
    let Some(replicas) = Replicas::start(pairing(&[TELEGRAM, SLACK]), 2, Seed::find()).await?
    else {
        return Ok(());
    };
    let world = &replicas.world;
    let done = async {
        let code_of_ada = code(&world.ask(TELEGRAM, ADA, "hello").await?)?;
        world.zaki(&["pairing", "approve", &code_of_ada]).await?.ok()?;
        world.expect(TELEGRAM, ADA, 2, SOON).await?;
        let operator = Operator::of(world).await?;
        let directory = &operator.directory;
        let ada = directory.people(PeopleFilter::default()).await?;
        let ada = ada.first().context("nobody")?.user;
        directory.set_role(ada, Role::Owner, Actor::Operator, house::now()).await?;
        // To either of them.
        for n in 0..4 {
            let text = format!("hello {n}");
            assert_eq!(world.ask(TELEGRAM, ADA, &text).await?, format!("echo: {text}"));
        }
        let code = code(&world.ask(SLACK, BOB, "let me in").await?)?;
        world.expect(TELEGRAM, ADA, 7, SOON).await?;
        for who in ["one", "other"] {
            world.ask(TELEGRAM, ADA, &format!("/feedback {who}")).await?;
        }
        world.ask(TELEGRAM, ADA, &format!("/approve {code}")).await?;
        let told = world.expect(SLACK, BOB, 2, SOON).await?;
        assert!(told[1].contains(IN), "{told:?}");
        for n in 0..4 {
            let text = format!("hello {n}");
            assert_eq!(world.ask(SLACK, BOB, &text).await?, format!("echo: {text}"));
        }
        tokio::time::sleep(PULSES).await;
        assert_eq!(count(&world.answers(TELEGRAM, ADA), WAITS), 1);
        assert_eq!(count(&world.answers(SLACK, BOB), IN), 1);
        anyhow::Ok(())
    };
    done.await.with_context(|| replicas.log())
}

async fn users(world: &World) -> Result<usize> {
    let mut users = world.list(&["users", "list"]).await?;
    users.retain(|user| user["bindings"].as_array().is_some_and(|all| !all.is_empty()));
    Ok(users.len())
}

fn open(channels: &[ChannelKind]) -> Setup {
    Setup::echo().only(channels).set("deliver.paced", false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_asks_a_stranger_before_it_joins_them_to_anybody() -> Result<()> {
    let world = open(&[TELEGRAM, SLACK]).start().await?;
    // By a link that somebody has sent them, or because they were told to type it.
    for (who, presses, by) in
        [(BOB, Some(0), "/start"), (CEM, Some(1), "/link"), (Person(4), None, "/link")]
    {
        let code = code(&world.ask(SLACK, ADA, "/link").await?)?.replace('-', "");
        let before = users(&world).await?;
        let asked = world.ask(TELEGRAM, who, &format!("{by} {code}")).await?;
        assert!(asked.contains("both of you can read all of it"), "{asked}");
        assert!(asked.contains("/link yes") && asked.contains("/link no"), "{asked}");
        assert!(!asked.contains(&ADA.slack()), "no id of whoever it is: {asked}");
        assert_eq!(users(&world).await?, before, "nothing has happened yet");
        let (told, sent) = (world.answers(SLACK, ADA).len(), world.telegram.sent().last());
        match presses {
            Some(n) => {
                let nth = usize::from(who.0) - 1;
                let buttons = world.buttons(TELEGRAM, nth).await?;
                let sent = sent.context("nothing was sent")?;
                world.press(TELEGRAM, who, &sent, &buttons[n]).await?;
            }
            None => drop(world.say(TELEGRAM, who, "/link yes")),
        }
        let said = world.expect(TELEGRAM, who, 2, SOON).await?;
        let there = world.expect(SLACK, ADA, told + 1, SOON).await?;
        assert!(there[told].contains("Telegram"), "and she is told: {there:?}");
        let joined = presses != Some(1);
        assert_eq!(said[1].contains("the same assistant here"), joined, "{said:?}");
        let links = world.ask(SLACK, ADA, "/links").await?;
        let expected = 1 + usize::from(who.0 - 1) - usize::from(who.0 > 2);
        assert!(links.contains(&format!("from {expected} place")), "{expected}: {links}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_button_answers_no_new_question() -> Result<()> {
    let world = open(&[TELEGRAM, SLACK, WHATSAPP]).start().await?;
    for channel in [TELEGRAM, SLACK, WHATSAPP] {
        world.ask(channel, ADA, "hello").await?;
    }
    // Slack's Ada types Telegram's code, and then thinks better of it.
    let first = code(&world.ask(TELEGRAM, ADA, "/link").await?)?;
    world.ask(SLACK, ADA, &format!("/link {first}")).await?;
    world.expect(TELEGRAM, ADA, 3, SOON).await?;
    let (old, shown) = (world.buttons(TELEGRAM, 1).await?, world.telegram.sent().last());
    let shown = shown.context("nothing was sent")?;
    world.ask(SLACK, ADA, "/link no").await?;
    world.expect(TELEGRAM, ADA, 4, SOON).await?;
    // WhatsApp's Ada is another: what Telegram's says to the first is not said to her.
    let second = code(&world.ask(TELEGRAM, ADA, "/link").await?)?;
    world.ask(WHATSAPP, ADA, &format!("/link {second}")).await?;
    world.expect(TELEGRAM, ADA, 6, SOON).await?;
    world.ask(WHATSAPP, ADA, "/link yes").await?;
    world.press(TELEGRAM, ADA, &shown, &old[0]).await?;
    let said = world.expect(TELEGRAM, ADA, 7, SOON).await?;
    assert!(said[6].contains("nothing to confirm"), "{said:?}");
    assert_eq!(users(&world).await?, 3, "nobody has become anybody");
    let new = world.buttons(TELEGRAM, 2).await?;
    assert_ne!(new, old);
    world.press(TELEGRAM, ADA, &shown, &new[0]).await?;
    let said = world.expect(TELEGRAM, ADA, 8, SOON).await?;
    assert!(said[7].contains("WhatsApp"), "{said:?}");
    assert_eq!(users(&world).await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_all_somebody_writes_reaches_no_agent() -> Result<()> {
    let world = open(&[TELEGRAM, SLACK, WHATSAPP]).start().await?;
    let fresh = async || code(&world.ask(TELEGRAM, ADA, "/link").await?);
    // What is none is for the agent, also of somebody new.
    assert_eq!(world.ask(WHATSAPP, CEM, "half-year").await?, "echo: half-year");
    assert_eq!(world.ask(SLACK, ADA, "half-year").await?, "echo: half-year");
    let first = fresh().await?;
    let asked = world.ask(WHATSAPP, BOB, &first.to_lowercase()).await?;
    assert!(asked.contains("both of you can read all of it"), "{asked}");
    let second = fresh().await?;
    let asked = world.ask(SLACK, ADA, &second).await?;
    assert!(asked.contains("/link yes"), "{asked}");
    world.noted().await?;
    let kept = format!("{:?}{:?}", world.inbox(WHATSAPP).await?, world.inbox(SLACK).await?);
    for code in [first, second] {
        assert!(!kept.contains(&code) && !kept.contains(&code.to_lowercase()), "{kept}");
        assert!(!world.whole_log().contains(&code));
    }
    Ok(())
}
