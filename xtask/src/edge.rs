//! `cargo xtask edge`: the Worker built, run here, tested and deployed.

mod build;
mod deploy;
mod local;
mod tools;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cache::Cache;
use crate::image::Image;
use crate::step::run as run_command;
use crate::{cargo, root};
pub(crate) use local::Local;

/// What to do with it.
#[derive(Subcommand)]
pub(crate) enum Edge {
    /// Compile and bundle the Worker into `edge/worker/build`, and say how big it is.
    Build(Build),
    /// Run the suites against the real workerd, with real containers.
    Test {
        /// What to give to `cargo test` instead, such as `-p zaki-tests --test road`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run `zaki demo` with it for the edge, in workerd here, with a container for each person.
    Demo {
        /// More arguments of `zaki demo`, such as `--once`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Serve it here with `wrangler dev`, without containers, and build again at each change.
    Dev,
    /// Send it to the platform, at once or to a part of the requests; `--dry-run` only prepares it.
    Deploy(deploy::Deploy),
}

/// How to build it.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Build {
    /// Quickly, and big.
    #[arg(long)]
    pub(crate) dev: bool,
}

/// Does it.
pub(crate) fn run(cache: &Cache, edge: &Edge) -> Result<()> {
    match edge {
        Edge::Build(options) => println!("{}", build::bundle(cache, *options)?),
        Edge::Test { args } => test(cache, args)?,
        Edge::Demo { args } => demo(cache, args)?,
        Edge::Dev => deploy::dev(cache)?,
        Edge::Deploy(options) => deploy::send(cache, options)?,
    }
    Ok(())
}

/// Its own tests, and the suites that make no difference between the edges.
const SUITES: [&str; 11] = [
    "workerd",
    "workerd_watch",
    "road",
    "lanes",
    "commands",
    "approvals",
    "media",
    "proactive",
    "models",
    "sandbox",
    "openclaw",
];
/// Of those, what has another edge anyway or is about processes, and one test that waits for minutes.
const NOT: [&str; 8] = [
    "replica",
    "the_demos_chat",
    "the_suite_gives",
    "a_question_is_answered",
    "an_answer_that",
    "nobody_answers_for",
    "the_key_of_the_model",
    "a_reminder_fires",
];

/// What `cargo` is to test with the Worker for the edge.
pub(crate) fn suites(cargo: &mut Command) -> &mut Command {
    cargo.env("ZAKI_EDGE", "workerd").args(["test", "--no-fail-fast", "--package", "zaki-tests"]);
    cargo.args(SUITES.iter().flat_map(|suite| ["--test", suite])).arg("--");
    cargo.args(NOT.iter().flat_map(|test| ["--skip", test]))
}

/// All of them, or those that are named.
fn test(cache: &Cache, args: &[String]) -> Result<()> {
    let (image, local) = here(cache)?;
    println!("{}", local.size);
    let mut tests = cargo();
    tell(cache, &mut tests, &image, &local);
    if args.is_empty() {
        return run_command(suites(&mut tests));
    }
    run_command(tests.env("ZAKI_EDGE", "workerd").arg("test").args(args))
}

fn demo(cache: &Cache, args: &[String]) -> Result<()> {
    let (image, local) = here(cache)?;
    let mut demo = cargo();
    tell(cache, &mut demo, &image, &local);
    demo.args(["run", "--package", "zaki", "--", "demo", "--edge", "workerd"]);
    run_command(demo.args(args))
}

/// An engine with the image of a sandbox, and the Worker for it.
fn here(cache: &Cache) -> Result<(Image, Local)> {
    let image = Image::open(cache)?;
    let local = Local::open(cache, image.engine())?;
    Ok((image, local))
}

fn tell(cache: &Cache, command: &mut Command, image: &Image, local: &Local) {
    image.tell(command);
    local.tell(command);
    command.env("ZAKI_CACHE", cache.path()).env("ZAKI_RUNTIME", cache.path().join("runtime"));
}

/// Where the Worker's crate and its settings are.
fn home() -> PathBuf {
    root().join("edge/worker")
}
