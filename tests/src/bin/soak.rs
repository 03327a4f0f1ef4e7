//! `soak crash|faults|memory|tenants|wake|crowd|sandbox|edge`: the suites of the same names, for as
//! long or as many as one likes, in a release build. Prints JSON with the seed that replays the run;
//! fails when a promise was broken.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tempfile::TempDir;
use zaki_simulators::{Fault, Simulators};
use zaki_tests::chaos::{Chance, Hops, Kills, Report, Script, Seed, Stage};
use zaki_tests::crowd::Crowd;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::rush::Rush;
use zaki_tests::tenant::{Size, on_one, on_several};
use zaki_tests::workerd::Rig;
use zaki_tests::{ChannelKind, Setup, World, ruin, wreck};

/// One round of the memory soak.
const ROUND: Duration = Duration::from_secs(20);
/// Slack's last pause is five minutes: until then, silence says nothing.
const CALM: Duration = Duration::from_secs(330);

#[derive(Parser)]
#[command(about = "The long versions of the crash and fault suites, and memory under steady load")]
struct Cli {
    what: What,
    /// How long the load lasts.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Replays a run.
    #[arg(long)]
    seed: Option<u64>,
    /// How many conversations.
    #[arg(long, default_value_t = 5000)]
    talks: u32,
    /// How many kills at least.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// About how many accounts of people.
    #[arg(long, default_value_t = 3000)]
    accounts: u32,
    /// Hubs on one database; 1: a hub with files.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// How many people write: 50 for wake, 100 for crowd, 4 for edge.
    #[arg(long)]
    people: Option<u8>,
    /// For how many of their sandboxes there is room: 2 for wake, 10 for crowd.
    #[arg(long)]
    room: Option<u32>,
    /// How many schedules of kills; sandbox alone.
    #[arg(long, default_value_t = 200)]
    schedules: u32,
    /// The first of them, to replay one.
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// How many turns they have together; edge alone.
    #[arg(long, default_value_t = 100)]
    turns: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The hub is killed at random moments.
    Crash,
    /// Webhooks, the platforms' APIs and the edge break and refuse in every way, and the hub, on
    /// SQLite, is killed now and then. PostgreSQL, the disk, the sandbox and the clock have suites of
    /// their own: `cargo test -p zaki-tests --test faults_store` (`faults_openclaw`, `faults_time`).
    Faults,
    /// Nothing breaks: does the hub grow?
    Memory,
    /// Thousands of people who are easily taken for each other link, part, merge and leave.
    Tenants,
    /// Many people write at once on a machine with room for two real sandboxes.
    Wake,
    /// Ten real sandboxes at once and a hundred in rotation: what does each take, and reach?
    Crowd,
    /// Real sandboxes are killed at any step: does one forget what it was told?
    Sandbox,
    /// The Worker in workerd and its containers are killed while people speak.
    Edge,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new().map_err(Into::into);
    match runtime.and_then(|runtime| runtime.block_on(run(&cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let seed = cli.seed.map_or_else(Seed::find, Seed);
    let span = Duration::from_secs(60 * cli.minutes);
    let (report, more) = match cli.what {
        What::Crash => crash(cli, seed, span).await?,
        What::Faults => faults(cli, seed, span).await?,
        What::Memory => memory(cli, seed, span).await?,
        What::Tenants => return tenants(cli, seed).await,
        What::Wake => return wake(cli).await,
        What::Crowd => return crowd(cli).await,
        What::Sandbox => return sandbox(cli, seed).await,
        What::Edge => return edge(cli, seed).await,
    };
    let mut printed = json!({"soak": format!("{:?}", cli.what).to_lowercase(), "seed": seed.0});
    for part in [&report.figures, &more] {
        if let (Some(all), Some(part)) = (printed.as_object_mut(), part.as_object()) {
            all.extend(part.clone());
        }
    }
    println!("{}", serde_json::to_string_pretty(&printed)?);
    report.verdict()
}

/// Ends with an error where a wall did not hold.
async fn tenants(cli: &Cli, seed: Seed) -> Result<()> {
    let size = Size::of_accounts(cli.accounts);
    let outcome = match cli.replicas {
        1 => on_one(seed, size).await?,
        several => on_several(seed, size, several).await?.context("PostgreSQL is not installed")?,
    };
    let mut printed = outcome.to_json();
    printed["soak"] = json!("tenants");
    println!("{}", serde_json::to_string_pretty(&printed)?);
    Ok(())
}

/// Ends with an error where somebody was not answered in their turn.
async fn wake(cli: &Cli) -> Result<()> {
    let openclaw = OpenClaw::find().await?.context("ZAKI_RUNTIME names no OpenClaw")?;
    let rush = Rush { people: cli.people.unwrap_or(50), room: cli.room.unwrap_or(2) };
    let mut printed = rush.run(openclaw).await?;
    printed["soak"] = json!("wake");
    println!("{printed:#}");
    Ok(())
}

/// Ends with an error where somebody reached another, or was forgotten.
async fn crowd(cli: &Cli) -> Result<()> {
    let openclaw = OpenClaw::find().await?.context("ZAKI_RUNTIME names no OpenClaw")?;
    let dir = open_dir()?;
    let crowd = Crowd { people: cli.people.unwrap_or(100).into(), room: cli.room.unwrap_or(10) };
    let mut printed = crowd.run(openclaw, dir.path()).await?;
    printed["soak"] = json!("crowd");
    println!("{printed:#}");
    Ok(())
}

/// Sandboxes run as other users and must be able to walk in.
fn open_dir() -> Result<TempDir> {
    let open = Permissions::from_mode(0o755);
    Ok(tempfile::Builder::new().prefix("zaki-soak-").permissions(open).tempdir()?)
}

/// Ends with an error where something was forgotten.
async fn sandbox(cli: &Cli, seed: Seed) -> Result<()> {
    let openclaw = OpenClaw::find().await?.context("ZAKI_RUNTIME names no OpenClaw")?;
    let dir = open_dir()?;
    let mut printed = ruin::run(openclaw, dir.path(), seed, cli.first, cli.schedules).await?;
    printed["soak"] = json!("sandbox");
    println!("{printed:#}");
    Ok(())
}

/// Ends with an error where a turn did not end once, or an answer was forgotten.
async fn edge(cli: &Cli, seed: Seed) -> Result<()> {
    let rig = Rig::find().context("cargo xtask soak edge has all it needs")?;
    let dir = open_dir()?;
    let people = u32::from(cli.people.unwrap_or(4)).max(1);
    let size = wreck::Size { people, turns: cli.turns.div_ceil(people), pause_ms: 4_000 };
    let mut printed = wreck::run(&rig, dir.path(), seed, size).await?;
    printed["soak"] = json!("edge");
    println!("{printed:#}");
    Ok(())
}

fn counted(kills: Kills) -> Value {
    json!({"kills": kills.count, "kills_at_start": kills.at_start})
}

async fn crash(cli: &Cli, seed: Seed, span: Duration) -> Result<(Report, Value)> {
    // The platforms come again as late as they really do.
    let mut world = Setup::echo().start().await?;
    let stage = Stage::open(&world);
    let script = Script::new(seed, cli.talks, &ChannelKind::ALL);
    let killing = Kills::run(&mut world, seed, cli.kills, span);
    let ((), kills) = tokio::join!(stage.play(&script, span), killing);
    let kills = kills?;
    let report = stage.settle(&world, Some(kills.in_flight), CALM).await?;
    Ok((report, counted(kills)))
}

async fn faults(cli: &Cli, seed: Seed, span: Duration) -> Result<(Report, Value)> {
    let (mut world, hops) = Hops::start(Setup::echo().set("deliver.max_wait_s", 5), seed).await?;
    let stage = Stage::open(&world);
    let script = Script::new(seed, cli.talks, &ChannelKind::ALL);
    let platforms = Simulators {
        telegram: world.telegram.clone(),
        discord: world.discord.clone(),
        whatsapp: world.whatsapp.clone(),
        slack: world.slack.clone(),
    };
    let troubles = hops.mix(seed, span);
    let refusals = refusals(&platforms, seed.chance(3), span);
    let killing = Kills::run(&mut world, seed, cli.kills / 5, span);
    let ((), kills, (), ()) = tokio::join!(stage.play(&script, span), killing, troubles, refusals);
    let kills = kills?;
    let report = stage.settle(&world, None, CALM).await?;
    Ok((report, counted(kills)))
}

/// The platforms refuse, fail and dawdle.
async fn refusals(platforms: &Simulators, mut chance: Chance, span: Duration) {
    let faults = [
        Fault::RateLimited { after_ms: 2000 },
        Fault::Status { code: 500 },
        Fault::Status { code: 503 },
        Fault::Drop,
        Fault::LoseAnswer,
        Fault::Delay { ms: 3000 },
    ];
    let sending = ["sendMessage", "create_message", "messages", "chat.postMessage"];
    let end = tokio::time::Instant::now() + span;
    while tokio::time::Instant::now() < end {
        for (platform, method) in platforms.each().into_iter().zip(sending) {
            let count = u32::try_from(chance.among(0..4)).unwrap_or_default();
            if let Some(fault) = chance.pick(&faults) {
                platform.fail(Some(method), count, fault.clone());
            }
        }
        tokio::time::sleep(chance.millis(500..4000)).await;
    }
}

async fn memory(cli: &Cli, seed: Seed, span: Duration) -> Result<(Report, Value)> {
    let world = Setup::echo().start().await?;
    let stage = Stage::open(&world);
    let idle = resident(&world)?;
    // The same people all the time: it must not be they who fill the memory.
    let script = Script::new(seed, cli.talks.min(600), &ChannelKind::ALL);
    let mut curve = Vec::new();
    let begun = tokio::time::Instant::now();
    for round in 0.. {
        stage.play(&script.clone().again(round), ROUND).await;
        curve.push((begun.elapsed().as_secs(), resident(&world)?));
        if begun.elapsed() >= span {
            break;
        }
    }
    let report = stage.settle(&world, Some(0), CALM).await?;
    let more = json!({"idle_kb": idle, "growth_kb": growth(&curve), "curve_s_kb": curve});
    Ok((report, more))
}

/// How much larger the last quarter is than the second: the first fills caches.
fn growth(curve: &[(u64, u64)]) -> i64 {
    let quarter = curve.len().div_ceil(4);
    let mean = |from: usize| {
        let part = curve.iter().skip(from).take(quarter).map(|(_, size)| *size);
        let (count, sum) = part.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
        i64::try_from(sum / count.max(1)).unwrap_or_default()
    };
    mean(curve.len() - quarter) - mean(quarter.min(curve.len() - quarter))
}

/// Resident memory of the hub, in kilobytes.
fn resident(world: &World) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.hub()?.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
