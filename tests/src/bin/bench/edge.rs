//! `bench edge`: what the Worker costs, in the real workerd with real containers that echo: a turn
//! beside an object that does nothing but ask its container, and the front beside one by Hono.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use zaki_envelope::signature::{
    KEY_HEADER, Message, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER,
};
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_tests::caller::{self, Caller};
use zaki_tests::edge::KEY;
use zaki_tests::load::Times;
use zaki_tests::workerd::{Beside, Rig, Workerd};

use crate::drive::{Round, Target, drive};
use crate::machine;

/// How much to measure.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Turns, and as many calls of the bare object.
    #[arg(long, default_value_t = 200)]
    turns: u32,
    /// Seconds per round of the front.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds, taken in turns with Hono.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections at the same time; once more with one.
    #[arg(long, default_value_t = 8)]
    connections: u32,
}

/// So many turns one person has at once; the edge lets nobody have more than sixty.
const EACH: u32 = 50;
/// What an object does after a turn is not the next one's.
const REST: Duration = Duration::from_millis(20);
/// A signed call that the Worker answers by itself, without an object.
const LOOK: &str = "/v1/model";
/// The bundle's size by gzip, as `cargo xtask` has measured it.
const BUNDLE: &str = "ZAKI_TEST_WORKER_BUNDLE";

pub(crate) async fn run(options: Options) -> Result<Value> {
    let rig = Rig::find().context("cargo xtask bench edge has all it needs")?;
    let dir = tempfile::Builder::new().prefix("zaki-bench-").tempdir()?;
    let hono = Beside::new("hono", json!({}));
    let bare = Beside::new("bare", json!({"BARE": "Bare"}));
    let worker = Workerd::start_beside(&rig, dir.path(), &[hono.clone(), bare.clone()]).await?;
    let bundle: Option<u64> = env::var(BUNDLE).ok().and_then(|size| size.parse().ok());
    let pid = worker.pid()?;
    let ours = Target { pid, address: worker.address() };
    let theirs = Target { pid, address: hono.address };
    Ok(json!({
        "bench": "edge",
        "machine": machine::facts(dir.path())?,
        "bundle_gzip_bytes": bundle,
        "turn": turns(&Caller::new(worker.address())?, &Caller::new(bare.address)?, options).await?,
        "front": {
            "one": front(ours, theirs, 1, options).await?,
            "many": front(ours, theirs, options.connections, options).await?,
        },
        "goal": {"bundle_gzip_bytes": 1_000_000, "turn.overhead_p50_ms": 15, "front.rust_of_hono": 0.9},
    }))
}

/// The same turns by the Worker and by a bare object, one after the other on a connection each.
async fn turns(worker: &Caller, bare: &Caller, options: Options) -> Result<Value> {
    let [mut through, mut beside, mut way] = <[Times; 3]>::default();
    let mut knocked = 0;
    for n in 0..options.turns {
        let user = caller::user(1 + n / EACH);
        if knocked < 1 + n / EACH {
            // The first one finds no container.
            knocked += 1;
            say(worker, user).await?;
            say(bare, user).await?;
        }
        through.push(say(worker, user).await?);
        beside.push(say(bare, user).await?);
        let begun = Instant::now();
        bare.call(Method::HEAD, &format!("/v1/users/{user}"), &Value::Null).await?;
        way.push(begun.elapsed());
        tokio::time::sleep(REST).await;
    }
    let (overhead, way_there) =
        (through.percentile(0.5) - beside.percentile(0.5), way.percentile(0.5));
    Ok(json!({
        "turns": through.len(),
        "worker": through.report(),
        // From the caller by a Worker and an object to the container and back.
        "bare": beside.report(),
        // The same without the container.
        "bare_way": way.report(),
        "overhead_p50_ms": overhead,
        // As though the bare object's caller had stood beside it.
        "overhead_and_way_p50_ms": overhead + way_there,
    }))
}

async fn say(to: &Caller, user: ZakiUserId) -> Result<Duration> {
    let told = to.say(user, "Has anybody seen the plan for Thursday?").await?;
    ensure!(told.text()?.starts_with("echo: "), "another answer");
    tokio::time::sleep(REST).await;
    Ok(told.took)
}

/// A signed call that has the same answer of both.
async fn front(ours: Target, theirs: Target, connections: u32, options: Options) -> Result<Value> {
    let answers = [answer(ours).await?, answer(theirs).await?];
    ensure!(answers[0] == answers[1], "not the same: {answers:?}");
    let (mut rust, mut hono) = (Round::default(), Round::default());
    let time = Duration::from_secs(options.seconds);
    for _ in 0..options.rounds {
        for (sum, target) in [(&mut rust, ours), (&mut hono, theirs)] {
            let request = request(target);
            sum.extend(drive(target, connections, time, move |_| request.clone()).await?);
        }
    }
    let share = rust.rate() / hono.rate();
    Ok(json!({
        "connections": connections,
        "rust": rust.report(),
        "hono": hono.report(),
        "rust_of_hono": share,
    }))
}

async fn answer(of: Target) -> Result<Value> {
    Caller::new(of.address)?.call(Method::GET, LOOK, &Value::Null).await
}

/// Signed now; good for five minutes.
fn request(to: Target) -> Vec<u8> {
    let key = SigningKey::new("hub", KEY.as_bytes());
    let message = Message { method: "GET", path_and_query: LOOK, body: &[] };
    let signed = key.sign(now(), message);
    format!(
        "GET {LOOK} HTTP/1.1\r\nhost: {}\r\n{KEY_HEADER}: {}\r\n{TIMESTAMP_HEADER}: {}\r\n\
         {SIGNATURE_HEADER}: {}\r\n\r\n",
        to.address, signed.key, signed.timestamp, signed.signature
    )
    .into_bytes()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or_default())
}
