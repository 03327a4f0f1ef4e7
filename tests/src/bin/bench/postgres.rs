//! `bench postgres`: durable accepts on PostgreSQL, with one replica and with two, and what the
//! server and its clients wait for meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use zaki_store::testkit::Database;
use zaki_tests::load::{Sink, Usage};

use crate::Load;
use crate::drive::{Round, drive};
use crate::hub::Hub;
use crate::ingest::say;
use crate::machine;
use crate::server::Server;

/// How often the server is asked what it waits for.
const SAMPLE: Duration = Duration::from_millis(200);
/// Everything else a backend might be at is work on a processor.
const ACTIVITY: &str = "SELECT coalesce(wait_event_type || ':' || wait_event, 'CPU')
    FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
    AND pid <> pg_backend_pid()";

pub(crate) async fn run(load: Load) -> Result<Value> {
    let sink = Sink::start(|_| "{}".to_owned()).await?;
    let (mut replicas, mut settings) = (Vec::new(), Value::Null);
    for count in [1, 2] {
        let server = Server::start().await?;
        let mut hubs = Vec::new();
        for _ in 0..count {
            hubs.push(Hub::start(&sink.url(), &server.setting()).await?);
        }
        replicas.push(measure(load, &server.database, &hubs).await?);
        settings = configuration(&server.database).await;
    }
    Ok(json!({
        "bench": "postgres",
        "machine": machine::facts(&std::env::temp_dir())?,
        "server": settings,
        "connections": load.connections,
        "replicas": replicas,
        "goal": {"per_second": 8000},
    }))
}

/// All replicas under load at the same time, the connections shared out evenly.
async fn measure(load: Load, database: &Database, hubs: &[Hub]) -> Result<Value> {
    let time = Duration::from_secs(load.seconds * u64::try_from(load.rounds)?);
    let each = load.connections / u32::try_from(hubs.len())?;
    let before = cpu(database).await;
    let rounds = hubs.iter().zip(1_u64..).map(|(hub, series)| {
        drive(hub.target(), each, time, say(hub.target(), Hub::WHATSAPP, series))
    });
    let watched = watch(database, futures::future::try_join_all(rounds)).await;
    let (rounds, waits) = (watched.0?, watched.1);
    let mut all = Round::default();
    let mut took = Duration::ZERO;
    for round in rounds {
        took = took.max(round.took);
        all.extend(round);
    }
    // They ran beside each other, not one after another.
    all.took = took;
    let requests = all.times.len();
    let mut report = all.report();
    let postgres = cpu(database).await.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52")]
    let per_request = postgres.as_secs_f64() * 1e6 / requests as f64;
    report["replicas"] = json!(hubs.len());
    report["server_cpu_us_each"] = json!(per_request);
    report["server_waits_percent"] = json!(waits);
    Ok(report)
}

/// Does the work, and asks all the while what the server is at; as shares of all answers.
async fn watch<T>(
    database: &Database,
    work: impl Future<Output = T>,
) -> (T, BTreeMap<String, f64>) {
    let mut seen: BTreeMap<String, f64> = BTreeMap::new();
    let mut work = std::pin::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = tokio::time::sleep(SAMPLE) => {
                for wait in database.text(ACTIVITY).await {
                    *seen.entry(wait).or_default() += 1.0;
                }
            }
        }
    };
    let all: f64 = seen.values().sum();
    for count in seen.values_mut() {
        *count *= 100.0 / all.max(1.0);
    }
    (done, seen)
}

/// What all processes of the server have used.
async fn cpu(database: &Database) -> Duration {
    let pids = database.text("SELECT pid::text FROM pg_stat_activity").await;
    let pids = pids.iter().filter_map(|pid| pid.parse().ok());
    pids.filter_map(|pid| Usage::of(pid).ok()).map(|usage| usage.cpu).sum()
}

/// What makes its figures what they are.
async fn configuration(database: &Database) -> Value {
    let sql = "SELECT name || ' = ' || setting || coalesce(unit, '') FROM pg_settings WHERE name IN
        ('server_version', 'fsync', 'synchronous_commit', 'shared_buffers', 'commit_delay')";
    json!(database.text(sql).await)
}
