//! `bench ingest`: signed webhooks until they are durable and acknowledged.
//!
//! The messages are said in groups, to others: the hub verifies, parses, dedupes and stores them
//! like any other, and has nothing to do once they are accepted.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use zaki_tests::load::{Business, Place, Sink};

use crate::Load;
use crate::bare::Bare;
use crate::drive::{Round, Target, drive};
use crate::hub::Hub;
use crate::machine;

pub(crate) async fn run(load: Load) -> Result<Value> {
    let sink = Sink::start(|_| "{}".to_owned()).await?;
    let hub = Hub::start(&sink.url(), "").await?;
    let bare = Bare::start(None).await?;
    let (mut of_bare, mut of_hub) = (Round::default(), Round::default());
    for round in 0..load.rounds {
        of_bare.extend(flood(load, round, bare.target(), Bare::WEBHOOK).await?);
        of_hub.extend(flood(load, round, hub.target(), Hub::WHATSAPP).await?);
    }
    let share = of_hub.rate() / of_bare.rate();
    Ok(json!({
        "bench": "ingest",
        "machine": machine::facts(hub.dir())?,
        "connections": load.connections,
        "bare": of_bare.report(),
        "hub": of_hub.report(),
        "hub_of_bare": share,
        "goal": {"hub_of_bare": 0.6, "p99_ms": 15},
    }))
}

async fn flood(load: Load, round: usize, target: Target, path: &'static str) -> Result<Round> {
    let time = Duration::from_secs(load.seconds);
    drive(target, load.connections, time, say(target, path, u64::try_from(round)? + 1)).await
}

/// Makes the n-th request: somebody says something in a group. `series` tells one load of a server
/// from the next.
pub(crate) fn say(target: Target, path: &'static str, series: u64) -> impl Fn(u64) -> Vec<u8> {
    move |n| {
        let who = u32::try_from(n % 50_000).unwrap_or_default();
        let text = "Has anybody seen the plan for Thursday? I cannot find it anywhere.";
        let body = Business::BENCH.text(Place::Group, who, (series << 32) + n, text);
        Business::BENCH.request(target.address, path, &body)
    }
}
