//! `cargo xtask edge`: the Worker built, run here, tested and deployed.

mod build;
mod deploy;
mod local;
mod tools;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cache::Cache;
use crate::engine::Engine;
use crate::step::run as run_command;
use crate::{cargo, root};
pub(crate) use local::Local;

/// What to do with it.
#[derive(Subcommand)]
pub(crate) enum Edge {
    /// Compile and bundle the Worker into `edge/worker/build`, and say how big it is.
    Build(Build),
    /// Run its tests against the real workerd, with real containers.
    Test {
        /// What to give to `cargo test` instead, such as `-p zaki-tests --test road`.
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
        Edge::Dev => deploy::dev(cache)?,
        Edge::Deploy(options) => deploy::send(cache, options)?,
    }
    Ok(())
}

/// Its own tests, or those of the suites that are named, which then have it for their edge.
fn test(cache: &Cache, args: &[String]) -> Result<()> {
    let engine = Engine::open(cache)?;
    let local = Local::open(cache, &engine)?;
    println!("{}", local.size);
    let mut tests = cargo();
    local.tell(&mut tests);
    tests.env("ZAKI_EDGE", "workerd").arg("test");
    if args.is_empty() {
        tests.args(["--package", "zaki-tests", "--test", "workerd", "--test", "workerd_watch"]);
    }
    run_command(tests.args(args))
}

/// Where the Worker's crate and its settings are.
fn home() -> PathBuf {
    root().join("edge/worker")
}
