//! `zaki demo`: the whole road on loopback. Four simulated platforms, the hub, an edge, a real
//! OpenClaw per person, and the offline model; no key, no account, no internet once Node and OpenClaw
//! are installed.

mod chat;
mod once;
mod watch;
mod worker;
mod world;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toml::{Table, Value, toml};
use zaki_identity::{Actor, How};

use crate::{
    accounts::Accounts,
    cli::up,
    clock,
    config::{self, Config},
    log,
    serve::{self, Server},
};
use worker::Cloud;
use world::World;

/// The exit code after Ctrl-C, as shells know it.
const INTERRUPTED: u8 = 130;

/// Which edge.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The one inside this program, with a process for each person.
    Native,
    /// The one for Cloudflare, in workerd on this machine, with a container for each person;
    /// `cargo xtask edge demo` builds what that takes.
    Workerd,
}

/// Show the whole road on this machine.
#[derive(Args)]
pub(crate) struct Demo {
    /// Send one message on each channel, print what came back, and end: 0 only if all were answered.
    #[arg(long)]
    once: bool,
    /// With --once: one JSON object per channel. All times are milliseconds since the message was
    /// sent.
    #[arg(long, requires = "once")]
    json: bool,
    /// Where to keep everything. Default: a fresh directory that goes with the demo.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many people, each with an account on every channel and a sandbox of their own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    people: u8,
    /// Which edge has the sandboxes.
    #[arg(long, value_enum, default_value_t = Target::Native)]
    edge: Target,
    /// How much the hub logs, on standard error.
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    log: String,
    /// Answer from an echo inside the edge instead of OpenClaw: for measuring the hub alone.
    #[arg(long, hide = true)]
    echo: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let _written = log::to_stderr(config::LogFormat::Text, &self.log)?;
        let mut signals = up::Signals::new()?;
        let scratch = tempfile::Builder::new().prefix("zaki-demo-").tempdir()?;
        let data = self.data.clone().unwrap_or_else(|| scratch.path().to_owned());
        let data = std::path::absolute(data)?;
        let cloud = self.cloud(&data).await?;
        let world = World::start().await.context("the simulated platforms do not start")?;
        let config = self.config(&world, &data, cloud.as_ref())?;
        say(&format!("data directory   {}", config.data_dir().display()));
        if !self.echo && cloud.is_none() {
            let dir = config.runtime_dir();
            tokio::select! {
                installed = up::ensure_runtime(&dir) => drop(installed?),
                () = signals.next() => return Ok(INTERRUPTED.into()),
            }
        }
        let server =
            serve::start(&config, Accounts::build(&config)?, CancellationToken::new()).await?;
        let outcome = tokio::select! {
            outcome = self.show(&world, &server) => outcome,
            () = signals.next() => Ok(INTERRUPTED.into()),
        };
        server.stop(Instant::now()).await;
        outcome
    }

    /// The Worker, where that is the edge.
    async fn cloud(&self, data: &Path) -> Result<Option<Cloud>> {
        match self.edge {
            Target::Native => Ok(None),
            Target::Workerd if self.echo => bail!("--echo is for the native edge"),
            Target::Workerd => Cloud::start(data).await.map(Some),
        }
    }

    async fn show(&self, world: &World, server: &Server) -> Result<ExitCode> {
        world.attach(&format!("http://{}", server.address)).await?;
        self.introduce(world, server).await?;
        if self.once {
            once::run(world, server, self).await
        } else {
            chat::run(world, server).await
        }
    }

    /// The configuration a person would write, pointed at the simulators.
    fn config(&self, world: &World, data: &Path, cloud: Option<&Cloud>) -> Result<Config> {
        let text = |path: PathBuf| Value::String(path.display().to_string());
        let mut table = world.accounts()?;
        let listen = free_address()?;
        let mut hub = Table::new();
        hub.insert("listen".into(), Value::String(listen.to_string()));
        hub.insert("public_url".into(), Value::String(format!("http://{listen}")));
        hub.insert("data_dir".into(), text(data.to_owned()));
        let mut sandbox = Table::new();
        sandbox.insert("runtime_dir".into(), text(shared_runtime_dir()));
        sandbox.insert("runtime".into(), Value::from(if self.echo { "echo" } else { "process" }));
        table.insert("hub".into(), Value::Table(hub));
        let edge = cloud.map_or_else(|| toml! { listen = "127.0.0.1:0" }, Cloud::edge);
        table.insert("edge".into(), Value::Table(edge));
        table.insert("sandbox".into(), Value::Table(sandbox));
        Ok(config::load_table(table)?)
    }

    /// Makes each person's four accounts one, as `zaki users link` does.
    async fn introduce(&self, world: &World, server: &Server) -> Result<()> {
        let directory = &server.parts.directory;
        for person in 0..self.people {
            let mut user = None;
            for (channel, sender) in world.senders(person) {
                match user {
                    None => {
                        let (by, how) = (Actor::Operator, How::Operator);
                        let made = directory.enrol(channel, &sender, by, how, clock::now());
                        user = Some(made.await?);
                    }
                    Some(user) => {
                        let (by, how) = (Actor::Operator, How::Operator);
                        directory.link(user, channel, &sender, by, how, clock::now()).await?;
                    }
                }
            }
            if let Some(user) = user {
                say(&format!("person {}         {user}: one person on four channels", person + 1));
            }
        }
        Ok(())
    }
}

/// A port that is free now: the platforms must be told the address before the hub listens on it.
fn free_address() -> Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(probe.local_addr()?)
}

/// Node and OpenClaw are large and the same for every demo: they stay in the user's cache.
fn shared_runtime_dir() -> PathBuf {
    cache_dir().join("runtime")
}

fn cache_dir() -> PathBuf {
    let from =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = from("ZAKI_CACHE") {
        return dir;
    }
    // Other user ids must be able to read it, and root's home is closed to them.
    if config::is_root() {
        return PathBuf::from("/var/cache/zaki");
    }
    let base = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("zaki")
}

/// What the demo does, as it does it. On standard error: standard output is for the answers.
fn say(line: &str) {
    eprintln!("  {line}");
}
