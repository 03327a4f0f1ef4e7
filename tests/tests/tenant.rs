//! Nobody is ever answered by another person's sandbox, nor hears what is another's: hundreds of
//! accounts that are easily taken for each other link, part, merge and speak, all at the same time.
//!
//! `ZAKI_SEED` replays a run; `ZAKI_TENANTS` is how many households there are, `ZAKI_STEPS` how
//! much each of them does.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use zaki_tests::chaos::Seed;
use zaki_tests::edge::KEY;
use zaki_tests::replicas::Replicas;
use zaki_tests::tenant::{
    AccountNo, Cast, Ear, Flaw, Operator, PersonNo, Records, Script, Verdict, judge, play, words,
};
use zaki_tests::world::own_address;
use zaki_tests::{Setup, World};
use zip::ZipArchive;

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn setup() -> Setup {
    Setup::echo().set("deliver.paced", false).set("hub.commands_per_minute", 0)
}

async fn act(world: &World, seed: Seed, households: u32) -> Result<()> {
    let households = number("ZAKI_TENANTS", households);
    let script = Script::new(seed, households, number("ZAKI_STEPS", 16));
    println!("{} accounts in {households} households", script.accounts());
    let (cast, ear) = (Cast::of(world), Ear::on(world));
    let operator = Operator::of(world).await?;
    let (records, figures) = match play(&cast, &ear, &operator, &script, seed).await {
        Ok(played) => played,
        Err(error) => {
            let about = waiting(world, &format!("{error:#}")).await?;
            return Err(error.context(about));
        }
    };
    let verdict = judge(&records);
    println!("{figures:?}; {} answers, {} of them raced", verdict.answers, verdict.raced);
    report(&records, &verdict)?;
    ensure!(verdict.raced > 0 && figures.contains_key("merged by both"), "nothing was tried");
    exports(world, &script, &records, &verdict).await
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
    let lines = open.chain(unsent).chain(about).map(|line| format!("{line:.900}\n"));
    let joined = inbox.iter().filter(|line| line["state"] == "joined");
    let turns: BTreeSet<&str> = sent.iter().filter_map(|line| line["turn"].as_str()).collect();
    let silent = joined.filter(|line| line["turn"].as_str().is_some_and(|it| !turns.contains(it)));
    Ok(lines.chain(silent.map(|line| format!("no reply: {line:.900}\n"))).collect())
}

/// Fails with what there is about the first of each kind of flaw.
fn report(records: &Records, verdict: &Verdict) -> Result<()> {
    let about = |flaw: &Flaw| {
        let shown = format!("{flaw:?}");
        let number = shown.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
        let number = number.and_then(|digits| digits.parse::<u32>().ok()).unwrap_or_default();
        let asked = records.asked.iter().find(|asked| asked.message == number);
        let seen = records.shown.iter().filter(|(_, text)| words(text).any(|one| one == number));
        format!("{shown}\n  {asked:?}\n  {:?}\n", seen.collect::<Vec<_>>())
    };
    let shown: String = verdict.flaws.iter().take(8).map(about).collect();
    ensure!(verdict.flaws.is_empty(), "{} walls did not hold:\n{shown}", verdict.flaws.len());
    Ok(())
}

/// Nothing of one is in the other's archive: neither answers, nor what others have asked. In it may
/// be what they asked and were answered, also as somebody they have become; and what was said by
/// accounts that are theirs now.
async fn exports(
    world: &World,
    script: &Script,
    records: &Records,
    verdict: &Verdict,
) -> Result<()> {
    const SAMPLE: usize = 12;
    let people = world.list(&["users", "list"]).await?;
    let every = (verdict.users.len() / SAMPLE).max(1);
    let mut seen = 0;
    for (person, user) in verdict.users.iter().step_by(every) {
        let family = family(&people, user);
        let family: BTreeSet<PersonNo> =
            verdict.users.iter().filter(|(_, one)| family.contains(*one)).map(|it| *it.0).collect();
        let theirs = accounts(&people, user, script);
        for line in archive(world, user).await?.lines() {
            for message in words(line) {
                let asked = records.asked.iter().find(|asked| asked.message == message);
                let asked = asked.with_context(|| format!("{message} was never said"))?;
                let answers = asked.answerers.iter().any(|(one, _)| family.contains(one));
                let said = theirs.contains(&asked.by);
                ensure!(
                    answers || said,
                    "{message} is in the archive of {person:?}, {user}: {asked:?}\n{line}"
                );
                seen += 1;
            }
        }
    }
    println!("{seen} words of theirs in {} archives", verdict.users.len().div_ceil(every));
    ensure!(seen > 0, "the archives are empty");
    Ok(())
}

async fn archive(world: &World, user: &str) -> Result<String> {
    let file = world.dir().join(format!("{user}.zip"));
    let path = file.to_str().context("a path that is not UTF-8")?;
    world.zaki(&["users", "export", user, "--out", path]).await?.ok()?;
    let (mut zip, mut lines) = (ZipArchive::new(File::open(&file)?)?, String::new());
    zip.by_name("messages.jsonl")?.read_to_string(&mut lines)?;
    Ok(lines)
}

/// Somebody, and whoever has become them.
fn family(people: &[Value], user: &str) -> BTreeSet<String> {
    let mut family = BTreeSet::from([user.to_owned()]);
    loop {
        let known = family.len();
        for person in people {
            let into = person["merged_into"].as_str();
            if into.is_some_and(|into| family.contains(into)) {
                family.extend(person["user"].as_str().map(str::to_owned));
            }
        }
        if family.len() == known {
            return family;
        }
    }
}

/// The accounts that are somebody's now.
fn accounts(people: &[Value], user: &str, script: &Script) -> BTreeSet<AccountNo> {
    let family = family(people, user);
    let is_theirs = |person: &&Value| person["user"].as_str().is_some_and(|it| family.contains(it));
    let people = people.iter().filter(is_theirs);
    let bindings: Vec<&Value> =
        people.filter_map(|person| person["bindings"].as_array()).flatten().collect();
    let accounts = script.households.iter().flat_map(|household| &household.accounts);
    let accounts = accounts.filter(|account| {
        let ids = account.ids();
        bindings.iter().any(|binding| {
            binding["channel"] == account.channel.as_str()
                && binding["sender"].as_str().is_some_and(|it| ids.iter().any(|id| id == it))
                && account.is_of(binding["scope"].as_str().unwrap_or_default())
        })
    });
    accounts.map(|account| account.no).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_meets_another_persons_sandbox() -> Result<()> {
    let seed = Seed::find();
    let setup = setup().set("edge.key", KEY).set("edge.listen", own_address().to_string());
    let world = setup.start().await?;
    act(&world, seed, 40).await.with_context(|| world.log())
}

/// What one replica has been told holds on the other at once.
#[tokio::test(flavor = "multi_thread")]
async fn nor_where_two_replicas_share_a_database() -> Result<()> {
    let seed = Seed::find();
    let Some(replicas) = Replicas::start(setup(), 2, seed).await? else { return Ok(()) };
    act(&replicas.world, seed, 40).await.with_context(|| replicas.log())
}
