//! A whole run: hubs are started, everybody acts, and what came of it is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use toml::Table;

use super::archive;
use super::cast::Cast;
use super::ear::Ear;
use super::judge::{Flaw, MessageNo, Records, Verdict, judge, words};
use super::operator::Operator;
use super::play::{Figures, play};
use super::script::{self, Script};
use super::wire::{Turn, Wire};
use crate::chaos::Seed;
use crate::edge::KEY;
use crate::replicas::Replicas;
use crate::world::own_address;
use crate::{Setup, World};

/// So many turns are asked for in other people's names.
const FORGED: usize = 40;
/// So many flaws are described.
const DESCRIBED: usize = 8;

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Households, of four to seven accounts each.
    pub households: u32,
    /// What each of them does.
    pub steps: u32,
}

impl Size {
    /// `ZAKI_TENANTS` households that do `ZAKI_STEPS` things each, unless otherwise given.
    pub fn find(households: u32) -> Self {
        let number = |name: &str, otherwise| {
            std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
        };
        Self { households: number("ZAKI_TENANTS", households), steps: number("ZAKI_STEPS", 16) }
    }

    /// As many households as make up so many accounts, on an average.
    pub fn of_accounts(accounts: u32) -> Self {
        let (least, beyond) = script::SIZE;
        Self { households: 1 + (2 * accounts).div_ceil(least + beyond - 1), ..Self::find(0) }
    }
}

/// A run that went well, in figures.
#[derive(Clone, Debug)]
pub struct Outcome {
    seed: Seed,
    replicas: usize,
    households: u32,
    accounts: usize,
    people: usize,
    messages: usize,
    answers: usize,
    /// Answers to what raced with a change of who somebody is.
    raced: usize,
    figures: Figures,
    /// Words that were looked at in archives, and how many archives.
    exported: (usize, usize),
    /// Messages of people who were erased.
    erased: usize,
    /// Forged requests that the edge refused.
    forged: u32,
    took: Duration,
}

impl Outcome {
    /// For programs and for people.
    pub fn to_json(&self) -> Value {
        json!({
            "seed": self.seed.0, "replicas": self.replicas, "households": self.households,
            "accounts": self.accounts, "people": self.people, "messages": self.messages,
            "answers": self.answers, "raced": self.raced, "flaws": 0, "acts": self.figures,
            "words_in_archives": self.exported.0, "archives": self.exported.1,
            "messages_of_erased": self.erased, "forged_at_the_edge": self.forged,
            "seconds": self.took.as_secs(),
        })
    }
}

/// Nothing waits but for what it needs: limits have suites of their own.
fn setup() -> Setup {
    Setup::echo().set("deliver.paced", false).set("hub.commands_per_minute", 0)
}

/// On one hub with files.
pub async fn on_one(seed: Seed, size: Size) -> Result<Outcome> {
    let setup = setup().set("edge.key", KEY).set("edge.listen", own_address().to_string());
    let world = setup.start().await?;
    run(&world, 1, seed, size).await.with_context(|| world.log())
}

/// On several hubs that share a database; `None` where PostgreSQL is not installed.
pub async fn on_several(seed: Seed, size: Size, replicas: usize) -> Result<Option<Outcome>> {
    let Some(hubs) = Replicas::start(setup(), replicas, seed).await? else { return Ok(None) };
    let outcome = run(&hubs.world, replicas, seed, size).await.with_context(|| hubs.log())?;
    Ok(Some(outcome))
}

async fn run(world: &World, replicas: usize, seed: Seed, size: Size) -> Result<Outcome> {
    let begun = Instant::now();
    let script = Script::new(seed, size.households, size.steps);
    println!("{} accounts in {} households", script.accounts(), size.households);
    let (cast, ear) = (Cast::of(world), Ear::on(world));
    let operator = Operator::of(world).await?;
    let (mut records, figures) = match play(&cast, &ear, &operator, &script, seed).await {
        Ok(played) => played,
        Err(error) => {
            let about = waiting(world, &format!("{error:#}")).await?;
            return Err(error.context(about));
        }
    };
    records.kept = archive::kept(world).await?;
    let verdict = judge(&records);
    println!("{figures:?}; {} answers, {} of them raced", verdict.answers, verdict.raced);
    report(&records, &verdict)?;
    ensure!(verdict.raced > 0 && figures.contains_key("merged by both"), "nothing was tried");
    let exported = archive::exports(world, &script, &records, &verdict).await?;
    let forged = forge(world, &verdict).await?;
    Ok(Outcome {
        seed,
        replicas,
        households: size.households,
        accounts: script.accounts(),
        people: verdict.users.len(),
        messages: records.asked.len(),
        answers: verdict.answers,
        raced: verdict.raced,
        figures,
        exported,
        erased: records.erased.len(),
        forged,
        took: begun.elapsed(),
    })
}

/// What the ledger has not settled, for whoever looks into it.
async fn waiting(world: &World, error: &str) -> Result<String> {
    let inbox = world.list(&["inbox", "list", "--limit", "1000000"]).await?;
    let open = inbox.iter().filter(|line| line["state"] == "accepted");
    let sent = world.list(&["deliveries", "list", "--limit", "1000000"]).await?;
    let unsent = sent.iter().filter(|line| line["state"] != "sent");
    let number = error.split_once(" was not answered").and_then(|it| it.0.rsplit(' ').next());
    let mark = format!("m{}w0z", number.unwrap_or("?"));
    let about = inbox.iter().filter(|line| line.to_string().contains(&mark));
    let lines = open.take(20).chain(unsent.take(20)).chain(about);
    let lines = lines.map(|line| format!("{line:.900}\n"));
    let joined = inbox.iter().filter(|line| line["state"] == "joined");
    let turns: BTreeSet<&str> = sent.iter().filter_map(|line| line["turn"].as_str()).collect();
    let silent = joined.filter(|line| line["turn"].as_str().is_some_and(|it| !turns.contains(it)));
    Ok(lines.chain(silent.take(20).map(|line| format!("no reply: {line:.900}\n"))).collect())
}

/// Fails with what there is about the first of the flaws.
fn report(records: &Records, verdict: &Verdict) -> Result<()> {
    let about = |flaw: &Flaw| {
        let shown = format!("{flaw:?}");
        let number = shown.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
        let number = number.and_then(|digits| digits.parse::<u32>().ok()).unwrap_or_default();
        let asked = records.asked.iter().find(|asked| asked.message == number);
        let seen = records.shown.iter().filter(|(_, text)| words(text).any(|one| one == number));
        format!("{shown}\n  {asked:?}\n  {:?}\n", seen.collect::<Vec<_>>())
    };
    let shown: String = verdict.flaws.iter().take(DESCRIBED).map(about).collect();
    ensure!(verdict.flaws.is_empty(), "{} walls did not hold:\n{shown}", verdict.flaws.len());
    Ok(())
}

/// What anybody could say to the edge about the turns of others.
async fn forge(world: &World, verdict: &Verdict) -> Result<u32> {
    let inbox = world.list(&["inbox", "list", "--limit", "4000"]).await?;
    let turns = inbox.iter().filter_map(|line| {
        let id = line["turn"].as_str()?.to_owned();
        let message: MessageNo = words(&line.to_string()).next()?;
        Some(Turn { user: verdict.by.get(&message)?.clone(), id, message })
    });
    // One of each person.
    let turns: BTreeMap<String, Turn> = turns.map(|turn| (turn.user.clone(), turn)).collect();
    let turns: Vec<Turn> = turns.into_values().take(FORGED).collect();
    let wire = Wire { http: &world.http, edge: edge(world)? };
    wire.forge(&turns).await
}

/// Where the hubs of a world find their edge.
fn edge(world: &World) -> Result<String> {
    let config: Table = fs::read_to_string(world.config())?.parse()?;
    let config = config.get("edge").context("no edge is configured")?;
    let at = |name: &str| config.get(name).and_then(toml::Value::as_str);
    let listen = || at("listen").map(|address| format!("http://{address}"));
    at("url").map(str::to_owned).or_else(listen).context("nobody knows where the edge is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_accounts_are_about_as_many() {
        for wanted in [1000, 3000] {
            let size = Size::of_accounts(wanted);
            let made = u32::try_from(Script::new(Seed(3), size.households, 1).accounts()).unwrap();
            assert!(made.abs_diff(wanted) < wanted / 10, "{made} for {wanted}");
        }
    }
}
