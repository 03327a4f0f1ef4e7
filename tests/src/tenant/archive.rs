//! What is kept of people in the end: each archive has what is theirs and nothing else, and of those
//! who were erased there is nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use zip::ZipArchive;

use super::judge::{Asked, MessageNo, Records, Verdict, words};
use super::model::{AccountNo, PersonNo};
use super::script::Script;
use crate::World;

/// So many archives are looked into.
const SAMPLE: usize = 24;

/// Every message of which the ledger still has a word.
pub(super) async fn kept(world: &World) -> Result<BTreeSet<MessageNo>> {
    let mut kept = BTreeSet::new();
    for what in ["inbox", "deliveries"] {
        for line in world.list(&[what, "list", "--limit", "1000000"]).await? {
            kept.extend(words(&line.to_string()));
        }
    }
    Ok(kept)
}

/// Nothing of one is in the other's archive: neither answers, nor what others have asked. In it may
/// be what they asked and were answered, also as somebody they have become; and what was said by
/// accounts that are theirs now. Returns how many words were looked at, in how many archives.
pub(super) async fn exports(
    world: &World,
    script: &Script,
    records: &Records,
    verdict: &Verdict,
) -> Result<(usize, usize)> {
    let people = world.list(&["users", "list"]).await?;
    let known: BTreeSet<&str> =
        people.iter().filter_map(|person| person["user"].as_str()).collect();
    let asked: BTreeMap<MessageNo, &Asked> =
        records.asked.iter().map(|asked| (asked.message, asked)).collect();
    let there: Vec<_> =
        verdict.users.iter().filter(|(_, user)| known.contains(user.as_str())).collect();
    let (mut seen, mut archives) = (0, 0);
    for (person, user) in there.iter().step_by((there.len() / SAMPLE).max(1)) {
        let family = family(&people, user);
        let is_theirs = |one: &(&PersonNo, &String)| family.contains(one.1);
        let numbers: BTreeSet<PersonNo> =
            verdict.users.iter().filter(is_theirs).map(|(one, _)| *one).collect();
        let accounts = accounts(&people, &family, script);
        for line in archive(world, user).await?.lines() {
            for message in words(line) {
                let asked = asked.get(&message);
                let asked = asked.with_context(|| format!("{message} was never said"))?;
                let answers = asked.answerers.iter().any(|(one, _)| numbers.contains(one));
                ensure!(
                    answers || accounts.contains(&asked.by),
                    "{message} is in the archive of {person:?}, {user}: {asked:?}\n{line}"
                );
                seen += 1;
            }
        }
        archives += 1;
    }
    ensure!(seen > 0, "the archives are empty");
    Ok((seen, archives))
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

/// The accounts that are a family's now.
fn accounts(people: &[Value], family: &BTreeSet<String>, script: &Script) -> BTreeSet<AccountNo> {
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
