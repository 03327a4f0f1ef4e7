//! `cargo xtask`: everything a developer or CI does to this repository, in one place.
//! Not for users of Zaki: nothing here ships, and it imports nothing of ours.

mod bench;
mod cache;
mod clean_room;
mod deny;
mod edge;
mod engine;
mod image;
mod install;
mod postgres;
mod programs;
mod skips;
mod soak;
mod step;
mod test;
mod upgrade;
mod wasm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::cache::Cache;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, check and measure Zaki")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, then run every check and test.
    Test,
    /// Check dependencies: bans, licences, sources and known vulnerabilities.
    Deny,
    /// Check that the pure crates compile for a Worker.
    Wasm,
    /// The Worker: built, run here, tested, deployed.
    #[command(subcommand)]
    Edge(edge::Edge),
    /// Measure, in a release build: ingest, turns, memory, curve, postgres, wake, edge.
    #[command(disable_help_flag = true)]
    Bench {
        /// What, and how long; `--help` lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        args: Vec<String>,
    },
    /// Break it for as long as you like, in a release build.
    Soak(soak::Soak),
    /// Build the image of a sandbox, or of the hub, with an engine of our own if none answers.
    Image(image::Options),
    /// Bring sandboxes from an earlier OpenClaw to ours, as processes and in Docker.
    Upgrade,
    /// Clone the repository and run the README's two commands there, as a new user would.
    CleanRoom,
}

fn main() -> ExitCode {
    match run(&Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<ExitCode> {
    let cache = Cache::open()?;
    match task {
        Task::Test => return Ok(test::run_all(&cache)),
        Task::Deny => {
            install::cargo_deny(&cache)?;
            deny::policy(&cache)?;
            println!("{}", deny::advisories(&cache)?);
        }
        Task::Wasm => println!("{}", wasm::check(&cache)?),
        Task::Edge(edge) => edge::run(&cache, edge)?,
        Task::Bench { args } => bench::run(&cache, args)?,
        Task::Soak(soak) => soak::run(&cache, soak)?,
        Task::Image(options) => image::run_all(&cache, options)?,
        Task::Upgrade => upgrade::run_all(&cache)?,
        Task::CleanRoom => clean_room::run_readme()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The cargo that runs us, at the root of the repository.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What cargo told us about this package would make the build scripts of others run again.
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The root of the repository. Clones that share a target directory share this program, whichever of
/// them has built it: cargo says for which one it runs.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let said = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let said = said.filter(|package| package.ends_with("xtask"));
        said.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).join("..")
    })
}
