//! `zaki up`: the hub for real. `zaki runtime install`: what its sandboxes need, beforehand.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};
use zaki_edge_native::install;

use crate::{
    config::{Config, LogFormat, Runtime as SandboxRuntime},
    serve,
};

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(config: Config) -> Result<ExitCode> {
    log_to_stderr(config.log.format, &config.log.level)?;
    if config.edge.url.is_none() && config.sandbox.runtime == SandboxRuntime::Process {
        install::ensure_runtime(&config.runtime_dir(), &install::Terminal::new()).await?;
    }
    let server = serve::start(&config).await?;
    tracing::info!(address = %server.address, accounts = server.hub.accounts.iter().count(), "zaki is up");
    if server.hub.accounts.iter().next().is_none() {
        tracing::warn!("no bot is configured yet: `zaki doctor` says how");
    }
    interrupted().await?;
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        stopped = server.stop() => stopped?,
        again = interrupted() => again?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn interrupted() -> Result<()> {
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
    Ok(())
}

/// Logs go to standard error; colours only on a terminal.
pub(crate) fn log_to_stderr(format: LogFormat, level: &str) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .with_context(|| format!("log.level `{level}` is not a level or list of directives"))?;
    let colours = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => layer.with_ansi(colours).init(),
        LogFormat::Json => layer.json().init(),
    }
    Ok(())
}

#[derive(Subcommand)]
pub(crate) enum Runtime {
    /// Install them, pinned and checked, unless they are there.
    Install {
        /// Where to.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

impl Runtime {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::Install { dir } = self;
        let paths = install::ensure_runtime(&dir, &install::Terminal::new()).await?;
        println!("{}", paths.node.display());
        Ok(ExitCode::SUCCESS)
    }
}
