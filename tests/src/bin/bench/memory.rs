//! `bench memory`: what the hub holds when it has nothing to do, and after many people have each
//! written once and been answered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use zaki_tests::load::Usage;

use crate::hub::Hub;
use crate::machine;
use crate::platform::{People, Person, Platform};

/// Who writes, and how many at the same time.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// People who write once each.
    #[arg(long, default_value_t = 100_000)]
    people: u32,
    /// Conversations at the same time.
    #[arg(long, default_value_t = 64)]
    connections: u32,
}

/// Until what is idle has been put away.
const REST: Duration = Duration::from_secs(15);

pub(crate) async fn run(options: Options) -> Result<Value> {
    let platform = Platform::start().await?;
    let hub = Hub::start(&platform.url(), "").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = Usage::of(hub.target().pid)?;
    let next = Rc::new(Cell::new(0));
    let everybody: People = Rc::new(move || {
        let who = next.replace(next.get() + 1);
        (who < options.people).then_some(Person::new(who))
    });
    let lanes: Vec<_> = (0..options.connections).map(|_| Rc::clone(&everybody)).collect();
    let begun = Instant::now();
    let times = platform.talk(hub.target(), Hub::SLACK, &lanes).await?;
    let took = begun.elapsed();
    let busy = Usage::of(hub.target().pid)?;
    tokio::time::sleep(REST).await;
    let after = Usage::of(hub.target().pid)?;
    Ok(json!({
        "bench": "memory",
        "machine": machine::facts(hub.dir())?,
        "people": options.people,
        "seconds": took.as_secs_f64(),
        "first_turns": times.report(),
        "idle": resident(idle),
        "busy": resident(busy),
        "after": resident(after),
        "goal": {"idle_mb": 30, "after_mb": 60},
    }))
}

/// In megabytes, as the goals are.
fn resident(usage: Usage) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52")]
    let mb = |kib: u64| (kib * 1024) as f64 / 1e6;
    json!({"resident_mb": mb(usage.resident_kib), "anonymous_mb": mb(usage.anonymous_kib)})
}
