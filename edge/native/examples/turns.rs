//! What a turn through the edge costs, in one process and without a platform: both signatures, the
//! wire, the echo runtime, the record. `cargo run --release -p zaki-edge-native --example turns`.
//!
//! Prints one JSON line per measurement. Arguments: turns per measurement (default 100,000).
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures::StreamExt;
use futures::future::join_all;
use serde_json::json;
use tower::ServiceExt;
use zaki_edge_native::{Edge, EdgeConfig, ModelConfig, RuntimeChoice};
use zaki_envelope::signature::{
    KEY_HEADER, Keyring, Message, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER,
};
use zaki_envelope::wire::{Budget, Origin, SseDecoder, TurnEvent, TurnRequest};
use zaki_envelope::{
    ChannelKind, ConversationKind, Part, SandboxKind, SessionKey, Timestamp, TurnId, ZakiUserId,
};

fn main() {
    let turns = std::env::args().nth(1).and_then(|turns| turns.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(turns));
}

async fn measure(turns: usize) {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keyring::new([key()]);
    let config = EdgeConfig::new(dir.path(), keys, RuntimeChoice::Echo, ModelConfig::Offline);
    let edge = Edge::start(config).await.unwrap();
    let router = edge.router();
    println!("{}", json!({"what": "idle", "rss_mb": rss_mb()}));
    for lanes in [1, 64] {
        let (began, cpu) = (Instant::now(), cpu());
        // Every turn is another person's: whatever stays behind would show.
        let lane = |lane| one_lane(router.clone(), lane, turns / lanes);
        let mut times: Vec<Duration> = join_all((0..lanes).map(|n| tokio::spawn(lane(n))))
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        let (took, spent) = (began.elapsed(), self::cpu().saturating_sub(cpu));
        times.sort();
        println!(
            "{}",
            json!({
                "what": "turns", "lanes": lanes, "turns": times.len(),
                "per_second": (times.len() as f64 / took.as_secs_f64()) as u64,
                "cpu_us_per_turn": spent.as_secs_f64() * 1e6 / times.len() as f64,
                "p50_us": times[times.len() / 2].as_micros() as u64,
                "p99_us": times[times.len() * 99 / 100].as_micros() as u64,
                "rss_mb": rss_mb(),
            })
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("{}", json!({"what": "afterwards", "rss_mb": rss_mb()}));
    edge.shutdown().await;
}

async fn one_lane(router: Router, lane: usize, turns: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(turns);
    for n in 0..turns {
        let began = Instant::now();
        let events = turn(&router, (lane * 10_000_000 + n) as u128).await;
        assert!(events.last().unwrap().kind.is_end());
        times.push(began.elapsed());
    }
    times
}

/// As the hub asks.
async fn turn(router: &Router, n: u128) -> Vec<TurnEvent> {
    let user = ZakiUserId::from_parts(now(), n);
    let body = serde_json::to_vec(&request(TurnId::from_parts(now(), n))).unwrap();
    let path = format!("/v1/users/{user}/turns");
    let signed = key().sign(now(), Message { method: "POST", path_and_query: &path, body: &body });
    let asked = Request::post(path)
        .header(KEY_HEADER, signed.key)
        .header(TIMESTAMP_HEADER, signed.timestamp)
        .header(SIGNATURE_HEADER, signed.signature)
        .body(Body::from(body))
        .unwrap();
    let answer = router.clone().oneshot(asked).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body().into_data_stream();
    let (mut decoder, mut events) = (SseDecoder::default(), Vec::new());
    while let Some(bytes) = body.next().await {
        events.extend(decoder.push(&bytes.unwrap()).unwrap());
    }
    events
}

fn request(turn: TurnId) -> TurnRequest {
    TurnRequest {
        turn,
        sandbox: SandboxKind::Personal,
        session: SessionKey::direct(1),
        parts: vec![Part::text("hello, how are you today?")],
        origin: Origin::new(ChannelKind::Telegram, ConversationKind::Direct),
        budget: Budget::default(),
        model: None,
        trace: None,
    }
}

fn key() -> SigningKey {
    SigningKey::new("hub", "a secret of the benchmark, long enough")
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

/// Resident memory of this process.
fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// What this process has used of the cores.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    let ticks: u64 =
        fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    // USER_HZ is 100 on Linux, whatever the kernel's own.
    Duration::from_millis(ticks * 10)
}
