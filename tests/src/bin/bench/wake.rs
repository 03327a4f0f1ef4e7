//! `bench wake`: how long a person waits for an agent that rests, beside OpenClaw driven directly
//! over its own socket in the same run, taken in turns with it. The model answers at once.

mod frozen;
mod signs;
mod stopped;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use zaki_envelope::ZakiUserId;
use zaki_tests::caller::{Caller, Told};
use zaki_tests::edge::Edge;
use zaki_tests::gateway::Recipe;
use zaki_tests::load::Times;
use zaki_tests::openclaw::{self, OpenClaw};
use zaki_tests::processes;
use zaki_tests::provider::Provider;

use crate::machine;

/// How much to measure.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Times a frozen sandbox is woken; each takes two seconds.
    #[arg(long, default_value_t = 100)]
    frozen: u32,
    /// Rounds of starts; each takes six of them, which are a minute.
    #[arg(long, default_value_t = 5)]
    starts: u32,
    /// Skips the four chats, which take five minutes.
    #[arg(long)]
    no_signs: bool,
}

/// For anything that ends by itself: a start beside others has taken minutes.
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(20);

pub(crate) async fn run(options: Options) -> Result<Value> {
    let openclaw = OpenClaw::find().await?.context("ZAKI_RUNTIME names no OpenClaw")?;
    let bed = Bed::make(&openclaw).await?;
    let mut report = json!({
        "bench": "wake",
        "machine": machine::facts(bed.dir())?,
        "openclaw": openclaw.version()?,
    });
    if options.frozen > 0 {
        report["frozen"] = frozen::run(&bed, options.frozen).await?;
    }
    if options.starts > 0 {
        report["stopped"] = stopped::run(&bed, options.starts).await?;
    }
    drop(bed);
    if !options.no_signs {
        report["signs"] = signs::run(openclaw).await?;
    }
    report["load_after"] = machine::load();
    Ok(report)
}

/// What the sandboxes of a measurement stand on.
struct Bed {
    dir: TempDir,
    runtime: PathBuf,
    provider: Provider,
}

impl Bed {
    async fn make(openclaw: &OpenClaw) -> Result<Self> {
        // Sandboxes run as other users and must be able to walk in.
        let open = Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().prefix("zaki-bench-").permissions(open).tempdir()?;
        let runtime = openclaw.dir().to_owned();
        Ok(Self { dir, runtime, provider: Provider::start().await? })
    }

    /// How to start a gateway in `state` as the sandbox in `sandbox` does.
    fn like(&self, sandbox: &Path, state: &Path) -> Result<Recipe> {
        Recipe::like(&self.runtime, sandbox, state, self.provider.url())
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An edge in the directory `name`, whose sandboxes rest after so many seconds; 0: never.
    async fn edge(&self, name: &str, freeze_after: u32, stop_after: u32) -> Result<(Edge, Caller)> {
        let (runtime, url) = (self.runtime.display(), self.provider.url());
        let settings = format!(
            "[sandbox]\nruntime = \"process\"\nruntime_dir = \"{runtime}\"\n\
             freeze_after_s = {freeze_after}\nstop_after_s = {stop_after}\n[model]\n\
             provider = \"openai\"\nbase_url = \"{url}\"\nname = \"stub\"\napi_key = \"none\"\n"
        );
        let mut edge = Edge::prepare(&self.dir().join(name), &settings)?;
        edge.up().await?;
        let caller = Caller::new(edge.address())?;
        Ok((edge, caller))
    }
}

/// Looks until it is so.
async fn until(what: &str, is_it: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_it() {
        if Instant::now() > deadline {
            bail!("never: {what}");
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Whether every gateway under `sandboxes` is held still, and there is one. What waits for it
/// outside of its walls is not held.
fn is_frozen(sandboxes: &Path) -> bool {
    let there = openclaw::gateways(sandboxes);
    !there.is_empty() && there.iter().all(processes::Process::is_held)
}

fn is_stopped(sandboxes: &Path) -> bool {
    processes::of(sandboxes).is_empty()
}

/// The sandbox directory of that person.
fn sandbox(edge: &Edge, user: ZakiUserId) -> PathBuf {
    edge.sandboxes().join(format!("openclaw-{user}"))
}

/// To the first words of an answer.
fn first(told: &Told) -> Result<Duration> {
    told.text()?;
    told.first.context("an answer without words")
}

/// How much later ours came, in milliseconds: median beside median, and the slowest of a hundred
/// beside the median.
fn beyond(ours: &Times, theirs: &Times) -> Value {
    let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
    let usual = theirs.percentile(0.5);
    json!({"p50_ms": ours.percentile(0.5) - usual, "p99_ms": ours.percentile(0.99) - usual})
}
