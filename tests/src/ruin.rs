//! Sandboxes with a real OpenClaw that are killed at any step, they or their edge or all of the
//! machine with their disk, as a seed decides; and what their people told them is known afterwards.

mod script;
mod stage;

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::chaos::Seed;
use crate::openclaw::OpenClaw;
pub use script::{Moment, Schedule, Step, Victim};
use stage::Stage;

/// No schedule takes this long.
const PATIENCE: Duration = Duration::from_mins(15);

/// How much is done.
#[derive(Clone, Debug)]
pub struct Size {
    /// Which schedules of a seed, by number.
    pub schedules: Range<u32>,
    /// How many steps each has.
    pub steps: Range<u64>,
    /// How many people they happen to, in turns.
    pub people: u32,
}

/// Plays `count` schedules of a seed, from number `first` on, each with a person of its own.
pub async fn run(
    openclaw: OpenClaw,
    dir: &Path,
    seed: Seed,
    first: u32,
    count: u32,
) -> Result<Value> {
    let schedules = first..first.saturating_add(count);
    play(openclaw, dir, seed, Size { schedules, steps: 2..4, people: u32::MAX }).await
}

/// Plays schedules one after another. An error tells which one broke the promise.
pub async fn play(openclaw: OpenClaw, dir: &Path, seed: Seed, size: Size) -> Result<Value> {
    let mut stage = Stage::open(&openclaw, dir).await?;
    let (begun, mut steps, mut kills) = (Instant::now(), 0, 0);
    let Size { schedules, steps: each, people } = size;
    let count = schedules.len();
    for n in schedules {
        let schedule = Schedule::draw(seed, n, each.clone());
        println!("schedule {n} after {:?}: {schedule:?}", begun.elapsed());
        let played = timeout(PATIENCE, stage.play(n % people, &schedule)).await;
        let played = played.map_err(anyhow::Error::from).and_then(|played| played);
        let log = stage.log();
        played.with_context(|| format!("schedule {n} of seed {seed}: {schedule:?}\n{log}"))?;
        steps += schedule.0.len();
        kills += schedule.0.iter().filter(|step| step.victim != Victim::Hub).count();
    }
    stage.close().await?;
    Ok(json!({
        "seed": seed.0,
        "schedules": count,
        "steps": steps,
        "kills": kills,
        "seconds": begun.elapsed().as_secs_f64(),
    }))
}
