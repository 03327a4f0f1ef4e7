//! Looks at the machine while it is busy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::crowd::size;
use crate::load::{Times, Usage};
use crate::{World, openclaw};

const LOOK: Duration = Duration::from_millis(250);
/// A hub that answers later does not answer.
const SLOW: Duration = Duration::from_secs(30);

/// Whoever looks.
pub(super) struct Gauge {
    stop: CancellationToken,
    looking: JoinHandle<Result<Seen>>,
    killed: u64,
    sandboxes: PathBuf,
}

#[derive(Default)]
struct Seen {
    sandboxes: usize,
    largest_kib: u64,
    health: Times,
}

impl Gauge {
    pub(super) fn start(world: &World) -> Result<Self> {
        let stop = CancellationToken::new();
        let (sandboxes, health) = (world.data().join("sandboxes"), world.url("/health"));
        let looking = tokio::spawn(look(sandboxes.clone(), health, stop.clone()));
        Ok(Self { stop, looking, killed: killed()?, sandboxes })
    }

    pub(super) async fn stop(self) -> Result<Value> {
        self.stop.cancel();
        let seen = self.looking.await??;
        Ok(json!({
            "sandboxes_at_once": seen.sandboxes,
            "largest_gateway_mb": seen.largest_kib / 1024,
            "disk_kb_each": disk(&self.sandboxes),
            "hub_answers": seen.health.report(),
            "killed_for_memory": killed()?.saturating_sub(self.killed),
        }))
    }
}

async fn look(sandboxes: PathBuf, health: String, stop: CancellationToken) -> Result<Seen> {
    let http = reqwest::Client::builder().no_proxy().timeout(SLOW).build()?;
    let mut seen = Seen::default();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        http.get(&health).send().await.context("the hub does not answer")?;
        seen.health.push(begun.elapsed());
        let (count, largest) = up(&sandboxes);
        seen.sandboxes = seen.sandboxes.max(count);
        seen.largest_kib = seen.largest_kib.max(largest);
        let _ = stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
    }
    Ok(seen)
}

/// How many gateways there are, and how large the largest is.
fn up(sandboxes: &Path) -> (usize, u64) {
    let (mut whose, mut largest) = (BTreeSet::new(), 0);
    for gateway in openclaw::gateways(sandboxes) {
        let environment = gateway.environment();
        let state = environment.split('\0').find_map(|it| it.strip_prefix("OPENCLAW_STATE_DIR="));
        whose.extend(state.map(str::to_owned));
        largest = largest.max(Usage::of(gateway.pid).map_or(0, |usage| usage.resident_kib));
    }
    (whose.len(), largest)
}

/// What a sandbox has on the disk, in kilobytes, on average.
fn disk(sandboxes: &Path) -> u64 {
    let each = fs::read_dir(sandboxes).into_iter().flatten().flatten();
    let sizes: Vec<u64> = each.map(|entry| size(&entry.path())).collect();
    sizes.iter().sum::<u64>() / 1000 / (sizes.len() as u64).max(1)
}

/// How many processes this machine has ended so far because it had no memory left
/// (`oom_kill` of proc_vmstat).
fn killed() -> Result<u64> {
    let text = fs::read_to_string("/proc/vmstat")?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.context("the kernel does not count it")?.trim().parse().context("no number")
}
