//! The Worker in workerd and its containers are killed, again and again, at moments that a seed
//! decides, while people speak. Every turn ends once, and what was answered is known afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use zaki_envelope::wire::TurnEventKind;
use zaki_envelope::{TurnId, ZakiUserId};

use crate::caller::{self, Caller};
use crate::chaos::{Chance, Seed};
use crate::workerd::{Rig, Workerd};

/// No turn takes this long, however often what it runs on dies.
const PATIENCE: Duration = Duration::from_mins(3);

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// How many speak at the same time.
    pub people: u32,
    /// How many turns each of them has.
    pub turns: u32,
    /// Between two kills, in milliseconds: up to so many.
    pub pause_ms: u64,
}

/// What was killed.
#[derive(Clone, Copy, Debug, Default)]
struct Kills {
    workerd: u32,
    containers: u32,
}

/// One person, and all they have said.
struct Person {
    user: ZakiUserId,
    hub: Caller,
    chance: Chance,
    said: Vec<Said>,
}

struct Said {
    turn: TurnId,
    text: String,
    end: TurnEventKind,
}

impl Said {
    const fn is_answered(&self) -> bool {
        matches!(self.end, TurnEventKind::Final { .. })
    }
}

/// Plays it. An error tells which promise was broken.
pub async fn run(rig: &Rig, dir: &Path, seed: Seed, size: Size) -> Result<Value> {
    // An answer is told once it is in a backup; sandboxes stop soon.
    let bindings = json!({"ZAKI_BACKUP_EACH_TURN": "true", "ZAKI_STOP_AFTER_MS": "3000"});
    let mut worker = Workerd::start(rig, dir, bindings).await?;
    let hub = Caller::new(worker.address())?;
    let begun = Instant::now();
    let speaking = (1..=size.people).map(|number| {
        let chance = seed.chance(u64::from(number));
        let person = Person { user: caller::user(number), hub: hub.clone(), chance, said: vec![] };
        person.speak(size.turns)
    });
    let mut kills = Kills::default();
    let people = tokio::select! {
        people = try_join_all(speaking) => people,
        failed = kill(&mut worker, &mut kills, seed.chance(0), size) => failed.map(|()| vec![]),
    };
    let people = people.with_context(|| format!("seed {seed}\n{}", worker.log()))?;
    // Whatever was under way: what is known from here on comes from stores alone.
    let _ = worker.kill();
    worker.up().await?;
    let mut sum = Sum::default();
    for person in &people {
        let found = person.look_back(&mut sum).await;
        found.with_context(|| format!("seed {seed}, {}\n{}", person.user, worker.log()))?;
    }
    Ok(json!({
        "seed": seed.0,
        "turns": sum.turns,
        "answered": sum.answered,
        "broken_off": sum.turns - sum.answered,
        "kills": {"workerd": kills.workerd, "containers": kills.containers},
        "seconds": begun.elapsed().as_secs_f64(),
    }))
}

async fn kill(
    worker: &mut Workerd,
    kills: &mut Kills,
    mut chance: Chance,
    size: Size,
) -> Result<()> {
    loop {
        sleep(chance.millis(0..size.pause_ms)).await;
        if chance.percent(50) {
            worker.kill()?;
            kills.workerd += 1;
            worker.up().await?;
        } else {
            // One that ends by itself in this moment is as dead.
            let _ = worker.kill_containers();
            kills.containers += 1;
        }
    }
}

impl Person {
    /// Has all their turns, each as often as it takes to hear its end.
    async fn speak(mut self, turns: u32) -> Result<Self> {
        for n in 0..turns {
            let pace = if self.chance.percent(50) { " SLOW:5x40" } else { "" };
            let (turn, text) = (caller::turn(), format!("{} said {n}.{pace}", self.user));
            let told = timeout(PATIENCE, self.hub.insist(self.user, turn, &text));
            let told =
                told.await.with_context(|| format!("turn {n} of {} never ends", self.user))?;
            self.said.push(Said { turn, text, end: told?.end });
            sleep(self.chance.millis(0..300)).await;
        }
        Ok(self)
    }

    /// All promises over all of it.
    async fn look_back(&self, sum: &mut Sum) -> Result<()> {
        for said in &self.said {
            let told = self.hub.events(self.user, said.turn).await?;
            let ends: Vec<_> = told.iter().filter(|event| event.kind.is_end()).collect();
            ensure!(ends.len() == 1, "{} ended {} times", said.text, ends.len());
            ensure!(ends[0].kind == said.end, "{} ended differently: {ends:?}", said.text);
        }
        let told =
            timeout(PATIENCE, self.hub.insist(self.user, caller::turn(), "RECALL")).await??;
        let mut known = BTreeMap::<&str, u32>::new();
        for line in told.text()?.lines() {
            *known.entry(line).or_default() += 1;
        }
        for said in &self.said {
            let times = known.get(said.text.as_str()).copied().unwrap_or_default();
            ensure!(times <= 1, "{} happened {times} times", said.text);
            ensure!(times == 1 || !said.is_answered(), "{} is forgotten", said.text);
            sum.turns += 1;
            sum.answered += u32::from(said.is_answered());
        }
        Ok(())
    }
}

#[derive(Default)]
struct Sum {
    turns: u32,
    answered: u32,
}
