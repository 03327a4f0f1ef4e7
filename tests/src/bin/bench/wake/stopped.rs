//! A sandbox that is stopped, beside a gateway that is started by hand on the same state: with what
//! it left, with what a backup brings back, and for somebody new.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use zaki_envelope::ZakiUserId;
use zaki_tests::caller::{Caller, user};
use zaki_tests::edge::Edge;
use zaki_tests::gateway::Recipe;
use zaki_tests::load::Times;

use super::{Bed, beyond, first, is_stopped, sandbox, until};

/// What is said to somebody who knows nobody yet, and so on.
const TEXT: &str = "what is on my list for today?";
/// Whoever is known.
const KNOWN: u32 = 1;

/// What there is when somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// The directory as it was left.
    Kept,
    /// A backup alone.
    Restored,
    /// Nothing.
    New,
}

impl Case {
    const ALL: [Self; 3] = [Self::Kept, Self::Restored, Self::New];

    const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Restored => "restored",
            Self::New => "new",
        }
    }
}

pub(super) async fn run(bed: &Bed, rounds: u32) -> Result<Value> {
    let (mut edge, caller) = bed.edge("stopped", 0, 1).await?;
    first(&caller.say(user(KNOWN), "hello").await?)?;
    let direct = Direct::prepare(bed, &edge, user(KNOWN)).await?;
    let mut ours: [Steps; 3] = Default::default();
    let mut theirs: [Steps; 3] = Default::default();
    for n in 0..rounds {
        for (at, case) in Case::ALL.into_iter().enumerate() {
            let (a, b) = (woken(&edge, &caller, case, n).await?, direct.start(case).await?);
            eprintln!("round {n}: {}: {a:?}, directly {b:?}", case.name());
            if let (Some(ours), Some(theirs)) = (ours.get_mut(at), theirs.get_mut(at)) {
                ours.push(a);
                theirs.push(b);
            }
        }
    }
    edge.stop().await?;
    let mut report = json!({"goal": {"p50_ms": 300}, "rounds": rounds});
    for ((case, ours), theirs) in Case::ALL.into_iter().zip(ours).zip(theirs) {
        report[case.name()] = json!({
            "beyond_the_agent": beyond(&ours.first, &theirs.first),
            "stopped_to_first_delta": ours.report(),
            "openclaw_start_and_first_delta": theirs.report(),
        });
    }
    Ok(report)
}

/// Until when what had come, since somebody wrote.
type Step = [Duration; 3];

/// The same of all rounds.
#[derive(Clone, Default)]
struct Steps {
    /// Its sandbox was told to start; by hand, the gateway said hello.
    up: Times,
    /// The agent had the turn.
    taken: Times,
    first: Times,
}

impl Steps {
    fn push(&mut self, [up, taken, first]: Step) {
        self.up.push(up);
        self.taken.push(taken);
        self.first.push(first);
    }

    fn report(self) -> Value {
        let (mut up, mut taken) = (self.up, self.taken);
        let mut report = self.first.report();
        report["p50_of_its_steps_ms"] = json!([up.percentile(0.5), taken.percentile(0.5)]);
        report
    }
}

/// Through the edge.
async fn woken(edge: &Edge, caller: &Caller, case: Case, round: u32) -> Result<Step> {
    until("a stopped sandbox", || is_stopped(&edge.sandboxes())).await?;
    let who = if case == Case::New { user(1_000 + round) } else { user(KNOWN) };
    if case == Case::Restored {
        fs::remove_dir_all(sandbox(edge, who))?;
    }
    let told = caller.say(who, TEXT).await?;
    ensure!(told.woke, "it was awake");
    let step = [told.starting.unwrap_or_default(), told.taken.unwrap_or_default(), first(&told)?];
    until("a stopped sandbox", || is_stopped(&edge.sandboxes())).await?;
    Ok(step)
}

/// The same by hand.
struct Direct<'b> {
    bed: &'b Bed,
    recipe: Recipe,
    /// As the other one, with one conversation.
    known: &'b Path,
}

impl<'b> Direct<'b> {
    async fn prepare(bed: &'b Bed, edge: &Edge, like: ZakiUserId) -> Result<Self> {
        let state = bed.dir().join("direct-stopped");
        let recipe = bed.like(&sandbox(edge, like), &state)?;
        until("a stopped sandbox", || is_stopped(&edge.sandboxes())).await?;
        // Nothing yet but its configuration.
        pack(bed.dir(), "new.tar.zst")?;
        let mut gateway = recipe.start().await?;
        gateway.say("hello").await?;
        gateway.stop().await?;
        pack(bed.dir(), "known.tar.zst")?;
        Ok(Self { bed, recipe, known: bed.dir() })
    }

    async fn start(&self, case: Case) -> Result<Step> {
        let archive = match case {
            Case::Kept => None,
            Case::Restored => Some("known.tar.zst"),
            Case::New => Some("new.tar.zst"),
        };
        if archive.is_some() {
            fs::remove_dir_all(self.known.join(STATE))?;
        }
        let begun = Instant::now();
        if let Some(archive) = archive {
            tar(self.bed.dir(), &["-xf", archive])?;
        }
        let mut gateway = self.recipe.start().await?;
        let started = begun.elapsed();
        let heard = gateway.say(TEXT).await?;
        gateway.stop().await?;
        if case == Case::New {
            // The next one finds the one that is known.
            fs::remove_dir_all(self.known.join(STATE))?;
            tar(self.bed.dir(), &["-xf", "known.tar.zst"])?;
        }
        Ok([started, started + heard.taken, started + heard.first])
    }
}

/// Where the gateway by hand lives, in the bed's directory.
const STATE: &str = "direct-stopped";

fn pack(dir: &Path, name: &str) -> Result<()> {
    tar(dir, &["-cf", name, STATE])
}

fn tar(dir: &Path, what: &[&str]) -> Result<()> {
    let status = Command::new("tar").current_dir(dir).arg("--zstd").args(what).status()?;
    ensure!(status.success(), "tar: {status}");
    Ok(())
}
