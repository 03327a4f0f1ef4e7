//! `cargo xtask edge`: the Worker built, run here, tested and deployed.

mod build;
pub(crate) mod deploy;
mod local;
pub(crate) mod suites;
mod tools;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cache::Cache;
use crate::image::Image;
use crate::programs::Programs;
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

/// All of them, or those that are named.
fn test(cache: &Cache, args: &[String]) -> Result<()> {
    let (image, local) = here(cache)?;
    println!("{}", local.size);
    let (programs, mut tests) = (Programs::build()?, cargo());
    tell(cache, &mut tests, &image, &local);
    programs.tell(&mut tests);
    tests.env("ZAKI_EDGE", "workerd");
    run_command(if args.is_empty() {
        suites::all(&mut tests)
    } else {
        tests.arg("test").args(args)
    })
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
