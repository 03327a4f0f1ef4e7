//! `bench turns`: what Zaki adds to a turn, from a webhook's request to the reply's arrival, with an
//! agent that answers at once. Prints figures and asserts nothing: a slow machine is no bug.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use zaki_simulators::{Sent, Simulator};
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const WARM_UP: u32 = 50;
const ROUNDS: u32 = 500;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let measured = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["turns"] => tokio::runtime::Runtime::new()
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(turns())),
        _ => Err(anyhow::anyhow!("usage: bench turns")),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn turns() -> Result<()> {
    let world = Setup::echo().start().await?;
    facts(&world)?;
    println!(
        "{ROUNDS} turns one after another on each channel, after {WARM_UP} to warm up; in ms\n"
    );
    println!("{:32}{:>8}{:>8}{:>8}{:>8}{:>10}", "", "min", "median", "p95", "p99", "of base");
    let base = baseline(&world).await?;
    println!("{:32}{base}", "base: HTTP round trip + fsync");
    for channel in ChannelKind::ALL {
        let (replied, acknowledged) = measure(&world, channel).await?;
        let times = replied.median() / base.median();
        println!("{:32}{replied}{times:>9.1}x", format!("{channel}: message to reply"));
        if let Some(acknowledged) = acknowledged {
            println!("{:32}{acknowledged}", "  of it until acknowledged");
        }
    }
    Ok(())
}

/// What the figures depend on.
fn facts(world: &World) -> Result<()> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let disk = Command::new("stat").args(["-f", "-c", "%T"]).arg(world.dir()).output();
    let disk = disk.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    println!("{cores} cores of {}, load {load}", cpu.map_or("unknown make", |(_, name)| name));
    println!("stores on {}, at {}", disk.unwrap_or_default(), world.dir().display());
    if cfg!(debug_assertions) {
        println!("NOT a release build: these figures say little");
    }
    Ok(())
}

/// Times in milliseconds, sorted.
struct Times(Vec<f64>);

impl Times {
    fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> =
            times.into_iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        times.sort_unstable_by(f64::total_cmp);
        Self(times)
    }

    /// The time that this many percent do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }

    fn median(&self) -> f64 {
        self.percentile(50)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for percent in [0, 50, 95, 99] {
            write!(f, "{:>8.2}", self.percentile(percent))?;
        }
        Ok(())
    }
}

/// What no hub can do without: a request to the platform, and one commit on the same disk.
async fn baseline(world: &World) -> Result<Times> {
    let url = format!("{}/bot{}/getMe", world.telegram.url(), world.telegram.token());
    let mut file = File::create(world.dir().join("baseline"))?;
    let page = [7; 4096];
    let mut times = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let begun = Instant::now();
        world.http.get(&url).send().await?.bytes().await?;
        file.write_all(&page)?;
        file.sync_data()?;
        if round >= WARM_UP {
            times.push(begun.elapsed());
        }
    }
    Ok(Times::new(times))
}

/// Message to reply, and where there is a webhook also message to acknowledgement.
async fn measure(world: &World, channel: ChannelKind) -> Result<(Times, Option<Times>)> {
    let platform = world.platform(channel);
    let (mut replied, mut acknowledged) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let text = format!("message {round}");
        // Short logs, so that looking through them takes no time.
        platform.sent().clear();
        platform.attempts().clear();
        let begun = SystemTime::now();
        world.say(channel, Person::ADA, &text);
        let is_reply = |sent: &Sent| sent.has_text() && sent.text == format!("echo: {text}");
        let Ok(reply) = platform.sent().wait_for(is_reply, SOON).await else {
            bail!("{channel}: no reply to {text}\n{}", world.log());
        };
        let attempt = match channel {
            ChannelKind::Discord => None,
            _ => Some(platform.attempts().wait_for(|_| true, SOON).await.context("no attempt")?),
        };
        if round < WARM_UP {
            continue;
        }
        // From the moment the request leaves the platform, where it is one.
        let begun = attempt.as_ref().map_or(begun, |attempt| attempt.at);
        replied.push(reply.at.duration_since(begun)?);
        acknowledged.extend(attempt.map(|attempt| attempt.took));
    }
    let acknowledged = (!acknowledged.is_empty()).then(|| Times::new(acknowledged));
    Ok((Times::new(replied), acknowledged))
}
