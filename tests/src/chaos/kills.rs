//! Kills the hub, again and again, at moments that a seed decides.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::seed::{Chance, Seed};
use crate::{World, store};

/// What a number of kills came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kills {
    /// How many there were.
    pub count: u32,
    /// How many of them before the hub was ready again.
    pub at_start: u32,
    /// How many sends were under way at all of them together.
    pub in_flight: usize,
}

/// When a hub that has just been started dies again.
enum Moment {
    /// So long after it was ready.
    Serving(Duration),
    /// So long after its process began.
    Starting(Duration),
}

impl Kills {
    /// Kills the hub of a world `count` times or more, over `span` or longer; leaves it up.
    pub async fn run(world: &mut World, seed: Seed, count: u32, span: Duration) -> Result<Self> {
        let mut chance = seed.chance(2);
        let mut kills = Self::default();
        let (begun, pace) = (Instant::now(), span / count.max(1));
        tokio::time::sleep(chance.millis(0..500)).await;
        while kills.count < count || begun.elapsed() < span {
            kills.kill(world)?;
            tokio::time::sleep(chance.millis(0..200)).await;
            // As many as asked for, whatever each of them takes.
            let late = begun.elapsed() > pace * kills.count;
            match moment(&mut chance, late, pace) {
                Moment::Serving(after) => {
                    world.launch().await?;
                    tokio::time::sleep(after).await;
                }
                Moment::Starting(after) => {
                    world.begin()?;
                    tokio::time::sleep(after).await;
                    kills.at_start += 1;
                }
            }
        }
        kills.at_start = kills.at_start.min(kills.count);
        world.ready().await?;
        Ok(kills)
    }

    fn kill(&mut self, world: &mut World) -> Result<()> {
        world.kill()?;
        self.count += 1;
        self.in_flight += store::in_flight(&world.data().join("hub/ledger.db"))?;
        Ok(())
    }
}

fn moment(chance: &mut Chance, late: bool, pace: Duration) -> Moment {
    let most = u64::try_from(pace.as_millis()).unwrap_or(u64::MAX).max(100);
    match chance.among(0..10) {
        0..3 => Moment::Starting(chance.millis(0..400)),
        _ if late => Moment::Serving(chance.millis(0..100)),
        _ => Moment::Serving(chance.millis(0..2 * most)),
    }
}
