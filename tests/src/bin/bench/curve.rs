//! `bench curve`: what a message and a turn cost a hub that knows more and more people.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::crowd::Store;
use crate::drive::{Round, drive};
use crate::hub::Hub;
use crate::ingest::say;
use crate::machine;
use crate::platform::Platform;
use crate::server::Server;

/// How many people, where they are kept, and for how long to measure.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// People the hub knows.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    people: Vec<u32>,
    /// On PostgreSQL instead of SQLite.
    #[arg(long)]
    postgres: bool,
    /// Seconds per figure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections, or conversations, at the same time.
    #[arg(long, default_value_t = 64)]
    connections: u32,
}

pub(crate) async fn run(options: Options) -> Result<Value> {
    let mut curve = Vec::new();
    for people in &options.people {
        eprintln!("{people} people ...");
        curve.push(point(&options, *people).await?);
    }
    let growth = |what: &str, of: &str| {
        let at = |point: Option<&Value>| point.and_then(|point| point[what][of].as_f64());
        Some(at(curve.last())? / at(curve.first())?)
    };
    Ok(json!({
        "bench": "curve",
        "machine": machine::facts(&std::env::temp_dir())?,
        "store": if options.postgres { "postgres" } else { "sqlite" },
        "accept_growth": growth("accept", "us_each"),
        "accept_cpu_growth": growth("accept", "cpu_us_each"),
        "turn_growth": growth("turn", "us_each"),
        "turn_cpu_growth": growth("turn", "cpu_us_each"),
        "curve": curve,
        "goal": {"growth": 1.3},
    }))
}

/// The hub as it is with so many people.
async fn point(options: &Options, people: u32) -> Result<Value> {
    let platform = Platform::start().await?;
    let server = if options.postgres { Some(Server::start().await?) } else { None };
    let settings = server.as_ref().map(Server::setting);
    let mut hub = Hub::start(&platform.url(), &settings.unwrap_or_default()).await?;
    platform.meet(hub.target(), Hub::SLACK, 0).await?;
    hub.stop(Signal::SIGTERM).await?;
    let stores = match &server {
        Some(server) => vec![Store::Postgres(&server.database)],
        None => {
            ["ledger.db", "identity.db"].map(|file| Store::Sqlite(hub.data().join(file))).into()
        }
    };
    for store in stores {
        store.multiply(people).await?;
    }
    hub.restart().await?;
    let time = Duration::from_secs(options.seconds);
    let lanes = options.connections;
    let said = drive(hub.target(), lanes, time, say(hub.target(), Hub::WHATSAPP, 0)).await?;
    // Once to warm up.
    let talk = || platform.chat(hub.target(), Hub::SLACK, lanes, time, people);
    talk().await?;
    let talked = talk().await?;
    Ok(json!({"people": people, "accept": figures(said), "turn": figures(talked)}))
}

fn figures(round: Round) -> Value {
    let each = 1e6 / round.rate();
    let mut report = round.report();
    report["us_each"] = json!(each);
    report
}
