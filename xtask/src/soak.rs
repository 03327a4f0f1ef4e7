//! `cargo xtask soak`: breaking Zaki for as long as one likes, in a release build.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{cargo, step};

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
}

/// Builds everything, then runs it; what it prints is JSON.
pub(crate) fn run(soak: &Soak) -> Result<()> {
    step::run(cargo().args(["build", "--release", "--package", "zaki"]))?;
    match (soak.what, soak.replicas) {
        (What::Tenants, None) => {
            [1, 2].into_iter().try_for_each(|replicas| one(soak, Some(replicas)))
        }
        (_, replicas) => one(soak, replicas),
    }
}

fn one(soak: &Soak, replicas: Option<u64>) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--release", "--package", "zaki-tests", "--bin", "soak", "--"]);
    let what = soak.what.to_possible_value();
    command.args(what.as_ref().map(clap::builder::PossibleValue::get_name));
    let options = [
        ("--minutes", soak.minutes),
        ("--seed", soak.seed),
        ("--accounts", soak.accounts),
        ("--replicas", replicas),
    ];
    for (option, value) in options {
        command.args(value.map(|value| format!("{option}={value}")));
    }
    step::run(&mut command)
}
