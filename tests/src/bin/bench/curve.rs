//! `bench curve`: what a message and a turn cost a hub that knows more and more people. A hub for each
//! point of the curve, measured in turns, since a machine's speed changes from minute to minute.

use std::fs::File;
use std::io;
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
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per figure and round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections, or conversations, at the same time.
    #[arg(long, default_value_t = 64)]
    connections: u32,
}

pub(crate) async fn run(options: Options) -> Result<Value> {
    let mut points = Vec::new();
    for people in &options.people {
        eprintln!("{people} people ...");
        points.push(Point::new(&options, *people).await?);
    }
    for round in 0..options.rounds {
        eprintln!("round {} of {} ...", round + 1, options.rounds);
        for point in &mut points {
            point.measure(&options, round).await?;
        }
    }
    Ok(json!({
        "bench": "curve",
        "machine": machine::facts(&std::env::temp_dir())?,
        "store": if options.postgres { "postgres" } else { "sqlite" },
        "accept_growth": growth(&points, |point| &point.accepts, us_each),
        "accept_cpu_growth": growth(&points, |point| &point.accepts, Round::cpu_us_each),
        "turn_growth": growth(&points, |point| &point.turns, us_each),
        "turn_cpu_growth": growth(&points, |point| &point.turns, Round::cpu_us_each),
        "curve": points.into_iter().map(Point::report).collect::<Vec<_>>(),
        "goal": {"growth": 1.3},
    }))
}

/// How much more the last point costs than the first: the median of all rounds, or the greater of two.
fn growth(points: &[Point], what: fn(&Point) -> &[Round], cost: fn(&Round) -> f64) -> Option<f64> {
    let (first, last) = (what(points.first()?), what(points.last()?));
    let mut growth: Vec<f64> =
        first.iter().zip(last).map(|(first, last)| cost(last) / cost(first)).collect();
    growth.sort_by(f64::total_cmp);
    growth.get(growth.len() / 2).copied()
}

fn us_each(round: &Round) -> f64 {
    1e6 / round.rate()
}

/// A hub that knows so many people, with what it has shown.
struct Point {
    people: u32,
    platform: Platform,
    hub: Hub,
    /// Ends with it.
    _server: Option<Server>,
    accepts: Vec<Round>,
    turns: Vec<Round>,
}

impl Point {
    async fn new(options: &Options, people: u32) -> Result<Self> {
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
        let (accepts, turns) = (Vec::new(), Vec::new());
        let point = Self { people, platform, hub, _server: server, accepts, turns };
        // Once to warm up.
        point.talk(options).await?;
        Ok(point)
    }

    async fn measure(&mut self, options: &Options, round: usize) -> Result<()> {
        let (target, time) = (self.hub.target(), Duration::from_secs(options.seconds));
        self.look_through()?;
        let said = say(target, Hub::WHATSAPP, u64::try_from(round)?);
        self.accepts.push(drive(target, options.connections, time, said).await?);
        let talked = self.talk(options).await?;
        self.turns.push(talked);
        Ok(())
    }

    async fn talk(&self, options: &Options) -> Result<Round> {
        self.look_through()?;
        let (target, time) = (self.hub.target(), Duration::from_secs(options.seconds));
        let lanes = options.connections;
        self.platform.chat(target, Hub::SLACK, lanes, time, self.people).await
    }

    /// Reads its files once: a machine may have dropped from memory what nobody has looked at while
    /// the others were measured. A PostgreSQL keeps its own in memory that is not dropped.
    fn look_through(&self) -> Result<()> {
        for file in self.hub.data().read_dir()? {
            let file = file?;
            if file.file_type()?.is_file() {
                io::copy(&mut File::open(file.path())?, &mut io::sink())?;
            }
        }
        Ok(())
    }

    fn report(self) -> Value {
        let figures = |rounds: Vec<Round>| {
            let by_round: Vec<f64> = rounds.iter().map(us_each).collect();
            let mut all = Round::default();
            for round in rounds {
                all.extend(round);
            }
            let each = us_each(&all);
            let mut report = all.report();
            report["us_each"] = json!(each);
            report["us_each_by_round"] = json!(by_round);
            report
        };
        json!({
            "people": self.people,
            "accept": figures(self.accepts),
            "turn": figures(self.turns),
        })
    }
}
