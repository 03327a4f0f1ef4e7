//! `zaki up`, `zaki hub`, `zaki edge`: serving for real. `zaki runtime install`: what its sandboxes need, beforehand.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use zaki_edge_native::{RuntimePaths, install};

use crate::{
    accounts::Accounts,
    config::{Config, Runtime as SandboxRuntime},
    data_dir::{self, Tenant},
    hub::Parts,
    local_edge, log,
    serve::{self, Server, ending},
};

/// Platforms that refuse every account this soon were given wrong secrets.
const START: Duration = Duration::from_secs(30);
const BROKEN_OFF: &str =
    "stopped before everything was up; the next start finds what there is as after a crash";

/// One replica of the hub, until SIGINT or SIGTERM.
pub(crate) async fn hub(config: Config) -> Result<ExitCode> {
    if config.edge.url.is_none() {
        bail!(
            "`zaki hub` starts no edge: set edge.url to where `zaki edge` listens, or use `zaki up`"
        );
    }
    run(config).await
}

/// The native edge, until SIGINT or SIGTERM.
pub(crate) async fn edge(config: Config) -> Result<ExitCode> {
    let _written = log::to_stderr(config.log.format, &config.log.level)?;
    let mut signals = Signals::new()?;
    let key = local_edge::shared_key(&config)?;
    config.model.of_edge()?;
    let _lock = data_dir::lock(&config.data_dir(), Tenant::Edge)?;
    if !runtime_is_there(&config, &mut signals).await? {
        return Ok(ExitCode::FAILURE);
    }
    let edge = tokio::select! {
        edge = local_edge::start(&config, &key) => edge?,
        () = signals.next() => bail!(BROKEN_OFF),
    };
    if let Some(hub) = local_edge::hub(&config, &key)? {
        edge.connect(hub);
    } else {
        tracing::warn!("edge.hub_url is empty: what agents say by themselves is kept here");
    }
    tracing::info!(address = %edge.local_addr(), "the edge is up");
    signals.next().await;
    tracing::info!("stopping");
    ending::end(edge, config.sandbox.stop_timeout).await;
    Ok(ExitCode::SUCCESS)
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(config: Config) -> Result<ExitCode> {
    let _written = log::to_stderr(config.log.format, &config.log.level)?;
    let mut signals = Signals::new()?;
    // What is wrong with the configuration is said before a download begins.
    let accounts = Accounts::build(&config)?;
    local_edge::check(&config)?;
    data_dir::make(&config.data_dir())?;
    if config.edge.url.is_none() && !runtime_is_there(&config, &mut signals).await? {
        return Ok(ExitCode::FAILURE);
    }
    let closing = CancellationToken::new();
    let mut starting = Box::pin(serve::start(&config, accounts, closing.clone()));
    let server = tokio::select! {
        server = &mut starting => server?,
        () = signals.next() => {
            return break_off(starting, &closing, config.hub.stop_timeout).await;
        }
    };
    let accounts = server.parts.accounts.iter().count();
    tracing::info!(address = %server.address, accounts, "zaki is up");
    if accounts == 0 {
        tracing::warn!("no bot is configured yet: `zaki doctor` says how");
    }
    let refused = tokio::select! {
        () = signals.next() => None,
        refused = refused_at_start(&server) => Some(refused),
    };
    server.stop(Instant::now()).await;
    match refused {
        None => Ok(ExitCode::SUCCESS),
        Some(said) => Err(anyhow!(said)),
    }
}

/// Ends a start that a signal met: what is being taken up stops there, and what has been started is
/// stopped in order, as far as it comes to that `within` the time of running work.
async fn break_off(
    starting: impl Future<Output = Result<Server>>,
    closing: &CancellationToken,
    within: Duration,
) -> Result<ExitCode> {
    let asked = Instant::now();
    closing.cancel();
    match timeout_at(asked + within, starting).await {
        Ok(server) => server?.stop(asked).await,
        Err(_) => bail!(BROKEN_OFF),
    }
    Ok(ExitCode::SUCCESS)
}

/// Installs what local sandboxes need; `false`: a signal came first.
async fn runtime_is_there(config: &Config, signals: &mut Signals) -> Result<bool> {
    if config.sandbox.runtime != SandboxRuntime::Process {
        return Ok(true);
    }
    let dir = config.runtime_dir();
    tokio::select! {
        installed = ensure_runtime(&dir) => installed.map(|_| true),
        () = signals.next() => Ok(false),
    }
}

/// What the platforms say when they refuse every bot while all is new: then nobody is served, and
/// somebody is there to mend it. What one of several is refused for, or a later one, only shows in
/// `/ready`: a revoked token must not silence the other bots, nor keep them down after a crash.
async fn refused_at_start(server: &Server) -> String {
    let Parts { accounts, troubles, .. } = &server.parts;
    let labels: Vec<_> = accounts.iter().map(|account| account.label().to_owned()).collect();
    match tokio::time::timeout(START, troubles.all_silent(&labels)).await {
        Ok(said) => said,
        Err(_) => std::future::pending().await,
    }
}

/// SIGINT and SIGTERM, caught from the moment this is made.
pub(crate) struct Signals(Signal, Signal);

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    /// Waits for either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Installs Node and OpenClaw where they are missing, and says so.
pub(crate) async fn ensure_runtime(dir: &Path) -> Result<RuntimePaths> {
    Ok(install::ensure_runtime(dir, &install::Terminal::new()).await?)
}

#[derive(Subcommand)]
pub(crate) enum Runtime {
    /// Install them, pinned and checked, unless they are there, and have OpenClaw compiled once for
    /// all sandboxes.
    Install {
        /// Where to.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

impl Runtime {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::Install { dir } = self;
        let paths = ensure_runtime(&dir).await?;
        if let Err(error) = zaki_container::warm(&paths.node, &paths.openclaw).await {
            eprintln!("note: each sandbox compiles OpenClaw for itself: {error}");
        }
        outln!("{}", paths.node.display());
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_that_hangs_ends_with_a_signal() {
        let closing = CancellationToken::new();
        let hangs = std::future::pending();
        let ended = break_off(hangs, &closing, Duration::from_millis(50));
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert!(ended.unwrap().is_err_and(|error| error.to_string() == BROKEN_OFF));
        // What takes up unfinished work and what looks for a database stop by themselves.
        let stops = async {
            closing.cancelled().await;
            bail!("stopped before the database was there")
        };
        let ended = break_off(stops, &closing, Duration::from_mins(5)).await;
        assert!(ended.is_err_and(|error| error.to_string().contains("the database")));
    }
}
