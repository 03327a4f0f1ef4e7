//! `bench turns`: from a webhook's request to the reply's arrival at the platform, with an agent
//! that answers at once and everything durable: message, turn, delivery, receipt.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::Load;
use crate::bare::Bare;
use crate::drive::Round;
use crate::hub::Hub;
use crate::machine;
use crate::platform::Platform;

pub(crate) async fn run(load: Load) -> Result<Value> {
    let platform = Platform::start().await?;
    let hub = Hub::start(&platform.url(), "").await?;
    let bare = Bare::start(Some(&platform.url())).await?;
    let (of_bare, of_hub) = ((bare.target(), Bare::WEBHOOK), (hub.target(), Hub::SLACK));
    let time = Duration::from_secs(load.seconds);
    for (target, path) in [of_bare, of_hub] {
        platform.introduce(target, path).await?;
    }
    let mut sums: [Round; 4] = Default::default();
    for _ in 0..load.rounds {
        let many = load.connections;
        let plan = [(of_bare, 1), (of_hub, 1), (of_bare, many), (of_hub, many)];
        for (sum, ((target, path), lanes)) in sums.iter_mut().zip(plan) {
            sum.extend(platform.converse(target, path, lanes, time).await?);
        }
    }
    let [bare_one, hub_one, bare_many, hub_many] = sums.map(Round::report);
    Ok(json!({
        "bench": "turns",
        "machine": machine::facts(hub.dir())?,
        "one": {"bare": bare_one, "hub": hub_one},
        "many": {"conversations": load.connections, "bare": bare_many, "hub": hub_many},
        "goal": {"one": {"p50_ms": 1.5, "p99_ms": 6}, "many": {"per_second": 4000}},
    }))
}
