//! The command line. Each command is a small file of its own; all print for people by default and
//! one JSON object a line with `--json`.

mod audit;
mod deliveries;
mod doctor;
mod feedback;
mod groups;
mod inspect;
mod invite;
mod ledger;
mod list;
mod output;
mod pairing;
mod sandbox;
mod table;
pub(crate) mod up;
mod users;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config};

/// How long threads that hang are waited for at the end.
pub(crate) const THREADS: Duration = Duration::from_secs(1);

/// One bot, many people, a private OpenClaw sandbox for each.
#[derive(Parser)]
#[command(name = "zaki", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the hub, with the native edge and its sandboxes unless another edge is configured.
    Up(Source),
    /// Start a hub alone, one of several replicas: the edge runs elsewhere (`zaki edge`).
    Hub(Source),
    /// Start the native edge alone, for hubs on this or other machines.
    Edge(Source),
    /// Show the whole road on this machine: four simulated platforms, a real OpenClaw, no key.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Demo),
    /// Turn a raw platform payload into envelopes, one JSON object a line.
    Inspect(inspect::Inspect),
    /// What has been accepted.
    #[command(subcommand)]
    Inbox(list::Inbox),
    /// What has been sent, or not.
    #[command(subcommand)]
    Deliveries(deliveries::Deliveries),
    /// The ledger as a whole.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// The people.
    #[command(subcommand)]
    Users(users::Users),
    /// The sandboxes, and the backups of their memory.
    #[command(subcommand)]
    Sandbox(sandbox::Sandbox),
    /// Codes that let strangers in: makes one, lists them, takes one back.
    Invite(invite::Invite),
    /// Strangers who wait to be let in: goes through them at a console, lists them, answers one.
    Pairing(pairing::Pairing),
    /// What the bots do in groups, and for whom.
    #[command(subcommand)]
    Groups(groups::Groups),
    /// The record of who changed what.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// What people say to whoever runs this.
    #[command(subcommand)]
    Feedback(feedback::Feedback),
    /// Print a JSON Schema.
    #[command(subcommand)]
    Schema(Schema),
    /// Say what is configured, what is missing, and what to do.
    Doctor(doctor::Doctor),
    /// Node and OpenClaw for local sandboxes.
    #[command(subcommand)]
    Runtime(up::Runtime),
    /// The program inside a sandbox; the edge starts it.
    #[command(hide = true)]
    Container(zaki_container::Settings),
}

#[derive(Subcommand)]
enum Schema {
    /// The message every channel turns its payloads into.
    Envelope,
}

/// Where the configuration comes from.
#[derive(Args, Default)]
pub(crate) struct Source {
    /// Settings over the defaults; see config/default.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory; the same as `hub.data_dir`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Source {
    /// Reads it.
    fn load(&self) -> Result<Config> {
        let env = config::environment(std::env::vars_os())?;
        for said in env.iter().filter_map(|(name, _)| config::misspelt(name)) {
            eprintln!("warning: {said}");
        }
        let config = config::load(self.config.as_deref(), env.into_iter(), self.data.as_deref())?;
        for said in &config.notes {
            eprintln!("warning: {said}");
        }
        Ok(config)
    }
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Up(source) => block_on(up::run(source.load()?)),
            Command::Hub(source) => block_on(up::hub(source.load()?)),
            Command::Edge(source) => block_on(up::edge(source.load()?)),
            #[cfg(feature = "demo")]
            Command::Demo(demo) => block_on(demo.run()),
            Command::Inspect(inspect) => inspect.run(),
            Command::Inbox(inbox) => block_on(inbox.run()),
            Command::Deliveries(deliveries) => block_on(deliveries.run()),
            Command::Ledger(ledger) => block_on(ledger.run()),
            Command::Users(users) => block_on(users.run()),
            Command::Sandbox(sandbox) => block_on(sandbox.run()),
            Command::Invite(invite) => block_on(invite.run()),
            Command::Pairing(pairing) => block_on(pairing.run()),
            Command::Groups(groups) => block_on(groups.run()),
            Command::Audit(audit) => block_on(audit.run()),
            Command::Feedback(feedback) => block_on(feedback.run()),
            Command::Schema(Schema::Envelope) => {
                outln!("{:#}", zaki_envelope::inbound_schema());
                Ok(ExitCode::SUCCESS)
            }
            Command::Doctor(doctor) => block_on(doctor.run()),
            Command::Runtime(runtime) => block_on(runtime.run()),
            Command::Container(settings) => block_on(async {
                Ok(zaki_container::run(settings).await.map(|()| ExitCode::SUCCESS)?)
            }),
        }
    }
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(future);
    // A thread that waits for a lock or a dead disk keeps nobody.
    runtime.shutdown_timeout(THREADS);
    done
}
