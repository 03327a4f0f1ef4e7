//! `zaki-container`: the library as a program of its own, for images and for machines where the
//! hub is not installed. On one machine the hub starts the same code as `zaki container`.
//!
//! In an image it is also process 1, the health check, the tunnel out of it, and what has OpenClaw
//! compiled when the image is built.

mod health;
mod init;
mod tunnel;

use std::{
    env,
    io::IsTerminal,
    path::PathBuf,
    process::{ExitCode, Termination},
};

use anyhow::Result;
use clap::Parser;

/// Runs one sandbox: an OpenClaw gateway behind a small HTTP interface.
#[derive(Parser)]
#[command(
    version,
    after_help = "In an image: `zaki-container warm`, `zaki-container health` and `zaki-container tunnel`."
)]
struct Arguments {
    #[command(flatten)]
    settings: zaki_container::Settings,
}

fn main() -> Result<ExitCode> {
    match env::args().nth(1).as_deref() {
        Some("health") => return health::check().map(Termination::report),
        Some("tunnel") => {
            let port = health::port(&env::var(zaki_container::LISTEN_VARIABLE)?)?;
            return run(tunnel::run(port));
        }
        _ => {}
    }
    if env::args().nth(1).as_deref() == Some("warm") {
        return run(warm(Warm::parse_from(env::args_os().skip(1))));
    }
    if init::is_wanted() {
        return Ok(init::run()?);
    }
    init::unblock()?;
    run(sandbox())
}

/// Has OpenClaw compiled once for all sandboxes, where it is installed.
#[derive(Parser)]
#[command(name = "zaki-container warm")]
struct Warm {
    /// The `node` program.
    node: PathBuf,
    /// The directory of the `openclaw` package, which can be written to.
    openclaw: PathBuf,
}

async fn warm(it: Warm) -> Result<()> {
    Ok(zaki_container::warm(&it.node, &it.openclaw).await?)
}

fn run(task: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(task);
    // The tunnel's input may be read by a thread that nothing wakes.
    runtime.shutdown_background();
    ended.map(Termination::report)
}

async fn sandbox() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ZAKI_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Whoever reads our log may be gone, and we go on.
        .log_internal_errors(false)
        .init();
    Ok(zaki_container::run(Arguments::parse().settings).await?)
}
