//! `cargo xtask bench`: how fast Zaki is, measured beside a bare server on the same machine in the
//! same run. Prints JSON, and a table for people; asserts nothing, for a slow machine is no bug.

mod bare;
mod crowd;
mod curve;
mod drive;
mod edge;
mod hub;
mod ingest;
mod machine;
mod memory;
mod platform;
mod postgres;
mod server;
mod table;
mod turns;
mod wake;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use tokio::task::LocalSet;

/// What to measure.
#[derive(Parser)]
#[command(name = "cargo xtask bench", about = "Measure Zaki, in a release build")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Webhooks per second until they are durably accepted, beside a bare server.
    Ingest(Load),
    /// Webhook in to reply out with an agent that answers at once: one conversation, then many.
    Turns(Load),
    /// Resident memory: idle, and after many people have each written once.
    Memory(memory::Options),
    /// What a message and a turn cost with more and more people known.
    Curve(curve::Options),
    /// Webhooks per second on PostgreSQL, with one replica and with two, and what binds them.
    Postgres(Load),
    /// Messages to agents that rest, until the first words of the answer, beside OpenClaw alone.
    Wake(wake::Options),
    /// The Worker in the real workerd: a turn's way beside a bare object's, its front beside Hono.
    Edge(edge::Options),
    /// The bare server itself; the others start it.
    #[command(hide = true)]
    Bare(bare::Options),
}

/// How long and how much.
#[derive(Args, Clone, Copy)]
struct Load {
    /// Seconds per round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds, taken in turns with what it is compared with.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections, or conversations, at the same time.
    #[arg(long, default_value_t = 64)]
    connections: u32,
}

fn main() -> ExitCode {
    let report = match Cli::parse().what {
        What::Bare(options) => bare::run(&options).map(|()| None),
        What::Ingest(load) => measure(ingest::run(load)).map(Some),
        What::Turns(load) => measure(turns::run(load)).map(Some),
        What::Curve(options) => measure(curve::run(options)).map(Some),
        What::Postgres(load) => measure(postgres::run(load)).map(Some),
        What::Wake(options) => measure(wake::run(options)).map(Some),
        What::Edge(options) => measure(edge::run(options)).map(Some),
        What::Memory(options) => measure(memory::run(options)).map(Some),
    };
    match report {
        Ok(report) => {
            report.iter().for_each(table::print);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a measurement on one thread: the load shares the machine with what it measures.
fn measure(work: impl Future<Output = Result<Value>>) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}
