//! `cargo xtask soak`: breaking Zaki for as long as one likes, in a release build.

use std::process::Command;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::cache::Cache;
use crate::edge::Local;
use crate::engine::Engine;
use crate::{cargo, install, step};

/// What to break, for how long.
#[derive(Args)]
pub(crate) struct Soak {
    what: What,
    /// How long the load lasts.
    #[arg(long)]
    minutes: Option<u64>,
    /// Replays a run: its seed was printed.
    #[arg(long)]
    seed: Option<u64>,
    /// About how many accounts of people; tenants alone.
    #[arg(long)]
    accounts: Option<u64>,
    /// Hubs on one database; 1 is a hub with files. Tenants alone, which otherwise run on one and
    /// then on two.
    #[arg(long)]
    replicas: Option<u64>,
    /// How many people write; wake, crowd and edge alone.
    #[arg(long)]
    people: Option<u64>,
    /// For how many of their sandboxes there is room; wake and crowd alone.
    #[arg(long)]
    room: Option<u64>,
    /// How many schedules of kills; sandbox alone.
    #[arg(long)]
    schedules: Option<u64>,
    /// The number of the first one, to replay it with its seed; sandbox alone.
    #[arg(long)]
    first: Option<u64>,
    /// How many turns people have together; edge alone.
    #[arg(long)]
    turns: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// The hub is killed at random moments, 100 times or more.
    Crash,
    /// Every hop breaks in every way.
    Faults,
    /// Nothing breaks: does the hub grow?
    Memory,
    /// Thousands of people who are easily taken for each other: does anybody meet another's sandbox?
    Tenants,
    /// Fifty people write at once on a machine with room for two real sandboxes.
    Wake,
    /// Ten real sandboxes at once, all of which attack each other, and a hundred in rotation: what a
    /// person takes of a machine.
    Crowd,
    /// Real sandboxes are killed at any step, 200 times: does one forget what it was told?
    Sandbox,
    /// workerd and its containers die at random points of 100 turns: does each end once, and is what
    /// was answered known afterwards?
    Edge,
}

/// Builds everything, then runs it; what it prints is JSON.
pub(crate) fn run(cache: &Cache, soak: &Soak) -> Result<()> {
    if matches!(soak.what, What::Wake | What::Crowd | What::Sandbox) {
        install::runtime(cache)?;
    }
    if matches!(soak.what, What::Edge) {
        let engine = Engine::open(cache)?;
        let local = Local::open(cache, &engine)?;
        return one(cache, soak, None, |command| local.tell(command));
    }
    step::run(cargo().args(["build", "--release", "--package", "zaki"]))?;
    match (soak.what, soak.replicas) {
        (What::Tenants, None) => {
            [1, 2].into_iter().try_for_each(|replicas| one(cache, soak, Some(replicas), |_| {}))
        }
        (_, replicas) => one(cache, soak, replicas, |_| {}),
    }
}

/// `tell` says further what it needs to know.
fn one(
    cache: &Cache,
    soak: &Soak,
    replicas: Option<u64>,
    tell: impl FnOnce(&mut Command),
) -> Result<()> {
    let mut command = cargo();
    tell(&mut command);
    command.env("ZAKI_RUNTIME", cache.path().join("runtime"));
    command.args(["run", "--release", "--package", "zaki-tests", "--bin", "soak", "--"]);
    let what = soak.what.to_possible_value();
    command.args(what.as_ref().map(clap::builder::PossibleValue::get_name));
    let options = [
        ("--minutes", soak.minutes),
        ("--seed", soak.seed),
        ("--accounts", soak.accounts),
        ("--replicas", replicas),
        ("--people", soak.people),
        ("--room", soak.room),
        ("--schedules", soak.schedules),
        ("--first", soak.first),
        ("--turns", soak.turns),
    ];
    for (option, value) in options {
        command.args(value.map(|value| format!("{option}={value}")));
    }
    step::run(&mut command)
}
