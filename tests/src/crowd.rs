//! As many real sandboxes at once as there is room for, and more people than that in rotation: what
//! each of them takes, and whether one can reach another.

mod matrix;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use zaki_envelope::ZakiUserId;

use crate::caller::{Caller, Told, turn, user};
use crate::edge::Edge;
use crate::load::Times;
use crate::openclaw::OpenClaw;
use crate::processes::{self, Process};

/// What is set aside for one sandbox, in megabytes.
const ROOM: u32 = 1100;
/// Between one person's first message and the next: nobody doubts who came first.
const APART: Duration = Duration::from_millis(100);

/// How many, and how many of them at once.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Who write, each more than once.
    pub people: u32,
    /// Sandboxes there is room for.
    pub room: u32,
}

/// What there is to look at.
struct Place {
    edge: Edge,
    caller: Caller,
}

impl Crowd {
    /// Fills the room, has everybody in there attack everybody else, lets the others in, and asks
    /// the first ones what they said. An error: somebody was reached, forgotten or not answered.
    pub async fn run(self, openclaw: OpenClaw, dir: &Path) -> Result<Value> {
        ensure!(self.room <= self.people, "there is more room than people");
        let mut place = Place::open(&openclaw, dir, self.room).await?;
        let first: Vec<u32> = (1..=self.room).collect();
        let before = available_mb()?;
        let begun = Instant::now();
        let at_once = Starts::of(place.greet(&first, first.len()).await?);
        let all_up = begun.elapsed();
        let memory = place.memory(&first)?;
        let used = before.saturating_sub(available_mb()?);
        let matrix = matrix::run(&place, &first).await?;
        let later: Vec<u32> = (self.room + 1..=self.people).collect();
        let begun = Instant::now();
        let rotation = Starts::of(place.greet(&later, first.len()).await?);
        let took = begun.elapsed();
        let back = Starts::of(place.recall(&first).await?);
        let disk = place.disk(self.people)?;
        place.edge.stop().await?;
        Ok(json!({
            "people": self.people,
            "at_once": {
                "sandboxes": self.room,
                "seconds_until_all_were_answered": all_up.as_secs_f64(),
                "start": at_once.report(),
                "memory_mb_each": memory,
                "memory_mb_less_available": used,
                "isolation": matrix,
            },
            "rotation": {
                "people": later.len(),
                "seconds": took.as_secs_f64(),
                "start": rotation.report(),
                "back_again": back.report(),
            },
            "disk_kb_each": disk,
        }))
    }
}

/// How those that were woken came up.
#[derive(Default)]
struct Starts {
    /// From when it was let start until its agent had the turn.
    start: Times,
    /// From the message to the answer's first words.
    first: Times,
}

impl Starts {
    fn of(all: Vec<Told>) -> Self {
        let mut starts = Self::default();
        for told in all {
            if let (Some(starting), Some(taken)) = (told.starting, told.taken) {
                starts.start.push(taken.saturating_sub(starting));
            }
            told.first.into_iter().for_each(|first| starts.first.push(first));
        }
        starts
    }

    fn report(self) -> Value {
        json!({
            "count": self.start.len(),
            "let_start_to_taken": self.start.report(),
            "message_to_first_words": self.first.report(),
        })
    }
}

impl Place {
    async fn open(openclaw: &OpenClaw, dir: &Path, room: u32) -> Result<Self> {
        let (runtime, memory) = (openclaw.dir().display(), ROOM * room);
        let settings = format!(
            "[sandbox]\nruntime = \"process\"\nruntime_dir = \"{runtime}\"\nisolation = \"require\"\n\
             freeze_after_s = 5\nstop_after_s = 0\nsandbox_mb = {ROOM}\nmemory_mb = {memory}\n\
             [backup]\nquiet_s = 1\n"
        );
        let mut edge = Edge::prepare(dir, &settings)?;
        edge.up().await?;
        let caller = Caller::new(edge.address())?;
        Ok(Self { edge, caller })
    }

    /// Everybody says who they are, so many of them at once.
    async fn greet(&self, who: &[u32], at_once: usize) -> Result<Vec<Told>> {
        let greet = async |(at, n): (usize, &u32)| {
            tokio::time::sleep(APART * u32::try_from(at % at_once)?).await;
            self.say(*n, &format!("my name is Layla{n}"), "Layla").await
        };
        let greetings = stream::iter(who.iter().enumerate()).map(greet).buffered(at_once);
        greetings.collect::<Vec<_>>().await.into_iter().collect()
    }

    /// They ask who they are, one after another.
    async fn recall(&self, who: &[u32]) -> Result<Vec<Told>> {
        let mut all = Vec::new();
        for n in who {
            all.push(self.say(*n, "What is my name?", &format!("is Layla{n}")).await?);
        }
        Ok(all)
    }

    async fn say(&self, n: u32, text: &str, wanted: &str) -> Result<Told> {
        let told = self.caller.insist(user(n), turn(), text).await?;
        let answer = told.text().with_context(|| format!("person {n}\n{}", self.edge.log()))?;
        ensure!(answer.contains(wanted), "person {n} hears: {answer}");
        Ok(told)
    }

    fn sandbox(&self, who: ZakiUserId) -> PathBuf {
        self.edge.sandboxes().join(format!("openclaw-{who}"))
    }

    /// What each has of the memory, pages that several share split among them.
    fn memory(&self, who: &[u32]) -> Result<Value> {
        let mut each = Vec::new();
        for n in who {
            let processes = processes::of(&self.sandbox(user(*n)));
            ensure!(processes.len() > 2, "person {n} has no whole sandbox: {processes:?}");
            each.push(processes.iter().map(proportional_kib).sum::<u64>() / 1024);
        }
        Ok(spread(each))
    }

    /// What each has on the disk, by what it is.
    fn disk(&self, people: u32) -> Result<Value> {
        let (mut all, mut cache, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for n in 1..=people {
            let state = self.sandbox(user(n));
            let total = size(&state);
            let disposable = size(&state.join("tmp")) + size(&state.join("logs"));
            all.push(total / 1000);
            cache.push(disposable / 1000);
            kept.push(total.saturating_sub(disposable) / 1000);
        }
        let backups = size(&self.edge.dir().join("backups")) / 1000 / u64::from(people.max(1));
        ensure!(backups > 0, "there are no backups");
        Ok(json!({
            "all": spread(all),
            "cache_and_logs": spread(cache),
            "memory_of_the_agent": spread(kept),
            "backups_mean": backups,
        }))
    }
}

fn spread(mut each: Vec<u64>) -> Value {
    each.sort_unstable();
    let (least, most) = (each.first().copied(), each.last().copied());
    json!({"least": least, "median": each.get(each.len() / 2), "most": most})
}

fn proportional_kib(process: &Process) -> u64 {
    let file = format!("/proc/{}/smaps_rollup", process.pid);
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|it| it.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
}

/// Memory that this machine could still give away, in megabytes (`proc_meminfo(5)`).
fn available_mb() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: u64 = line.context("no MemAvailable")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

/// What is under a path, in bytes; what is gone meanwhile has none.
pub(crate) fn size(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else { return 0 };
    if !about.is_dir() {
        // A link leads to what is somebody else's, or everybody's.
        return if about.is_file() { about.len() } else { 0 };
    }
    let inside = fs::read_dir(path).into_iter().flatten().flatten();
    inside.map(|entry| size(&entry.path())).sum()
}
