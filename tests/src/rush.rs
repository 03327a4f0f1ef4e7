//! Many people who all write at once, on a machine with room for few of their sandboxes, each with
//! a real OpenClaw: who is answered, in which order, and what that asks of the machine.

mod gauge;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zaki_envelope::ZakiUserId;
use zaki_simulators::{Sent, Simulator};

use crate::load::Times;
use crate::openclaw::OpenClaw;
use crate::{ChannelKind, Person, Setup, World};
use gauge::Gauge;

/// What is set aside for one sandbox, in megabytes.
const ROOM: u32 = 1100;
/// Between one person's message and the next: nobody doubts who came first.
const APART: Duration = Duration::from_millis(300);
/// For one start, beside others.
const START: Duration = Duration::from_mins(1);
const TELEGRAM: ChannelKind = ChannelKind::Telegram;

/// How many, and how many of them at once.
#[derive(Clone, Copy, Debug)]
pub struct Rush {
    /// Who write.
    pub people: u8,
    /// Sandboxes there is room for.
    pub room: u32,
}

impl Rush {
    /// Has everybody write and waits for every answer. An error: somebody was not answered, or not
    /// in their turn, or more than there is room for was up, or the machine ran out of memory.
    pub async fn run(self, openclaw: OpenClaw) -> Result<Value> {
        let setup = Setup::openclaw(openclaw).only(&[TELEGRAM]).set("sandbox.sandbox_mb", ROOM);
        let world = setup.set("sandbox.memory_mb", ROOM * self.room).start().await?;
        let gauge = Gauge::start(&world)?;
        let begun = Instant::now();
        let mut times = Times::default();
        let mut asked = Vec::new();
        for n in 1..=self.people {
            world.say(TELEGRAM, Person(n), &words(n));
            asked.push(Instant::now());
            tokio::time::sleep(APART).await;
        }
        for (n, asked) in (1..=self.people).zip(asked) {
            let at = self.answer(&world, n).await?;
            times.push(at.saturating_duration_since(asked));
        }
        let (took, report) = (begun.elapsed(), gauge.stop().await?);
        let order = order(&world, self.people).await?;
        ensure!(order.is_sorted(), "not in the order of arrival: {order:?}");
        let most = report["sandboxes_at_once"].as_u64().unwrap_or(u64::MAX);
        ensure!(most <= self.room.into(), "{most} sandboxes at once: {report}");
        ensure!(report["killed_for_memory"] == 0, "the machine ran out of memory: {report}");
        Ok(json!({
            "people": self.people,
            "room": self.room,
            "seconds": took.as_secs_f64(),
            "message_to_answer": times.report(),
            "machine": report,
        }))
    }

    /// Waits for the answer to person `n`, and sees that it is theirs.
    async fn answer(self, world: &World, n: u8) -> Result<Instant> {
        let to = Person(n).telegram().id.to_string();
        let is_it = |sent: &Sent| sent.conversation == to && sent.text.contains(&words(n));
        let patience = START * u32::from(self.people);
        let seen = world.telegram.sent().wait_for(is_it, patience).await;
        seen.with_context(|| format!("person {n} is not answered\n{}", world.log()))?;
        Ok(Instant::now())
    }
}

/// What only one person says.
fn words(n: u8) -> String {
    format!("I am number {n} of the rush")
}

/// Everybody's number, in the order in which their sandboxes started first.
async fn order(world: &World, people: u8) -> Result<Vec<u8>> {
    let numbers = numbers(world, people).await?;
    let log = world.whole_log();
    let started = log.lines().filter(|line| line.contains("sandbox.started"));
    let mut order = Vec::new();
    for line in started {
        let name = line.split("openclaw-").nth(1).and_then(|rest| rest.get(..26));
        let user: ZakiUserId = name.context("a start without a name")?.parse()?;
        let number = *numbers.get(&user).context("a start of somebody else")?;
        if !order.contains(&number) {
            order.push(number);
        }
    }
    ensure!(order.len() == usize::from(people), "{order:?} have started");
    Ok(order)
}

async fn numbers(world: &World, people: u8) -> Result<BTreeMap<ZakiUserId, u8>> {
    let house = crate::house::House::of(world).await?;
    let mut numbers = BTreeMap::new();
    for n in 1..=people {
        let user = house.find(TELEGRAM, Person(n)).await?;
        numbers.insert(user.with_context(|| format!("nobody is person {n}"))?, n);
    }
    Ok(numbers)
}
