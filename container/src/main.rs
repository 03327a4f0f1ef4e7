//! `zaki-container`: the library as a program of its own, for images and for machines where the
//! hub is not installed. On one machine the hub starts the same code as `zaki container`.

use std::io::IsTerminal;

use clap::Parser;

/// Runs one sandbox: an OpenClaw gateway behind a small HTTP interface.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    settings: zaki_container::Settings,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
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
