//! The four simulators as a program, for clients that are not Rust. Prints where they are, takes
//! commands on a loopback control port, and ends on SIGTERM, SIGINT or the end of standard input.

mod control;

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zaki_simulators::Simulators;

/// Simulates Telegram, Discord, WhatsApp and Slack on loopback.
#[derive(Parser)]
struct Args {
    /// Print URLs, tokens and secrets as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let simulators = Simulators::start().await.context("cannot start the simulators")?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no control port")?;
    let mut where_they_are = simulators.credentials();
    where_they_are["control"] = json!(format!("http://{}/control", listener.local_addr()?));
    if args.json {
        println!("{where_they_are}");
    } else {
        println!("{where_they_are:#}");
    }
    tokio::select! {
        served = axum::serve(listener, control::router(simulators)) => served?,
        ended = end() => ended?,
    }
    Ok(())
}

async fn end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_input() => {}
    }
    // A blocked read of standard input would keep the runtime from ending.
    std::process::exit(0);
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 1024];
    while let Ok(1..) = input.read(&mut buffer).await {}
}
