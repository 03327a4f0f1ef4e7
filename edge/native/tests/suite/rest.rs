//! Sandboxes at rest: frozen, stopped, woken by a message or a reminder, and many with room for few.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use zaki_edge_native::{Edge, EdgeConfig, Isolation, RuntimeChoice};
use zaki_envelope::wire::{TurnEvent, TurnEventKind, WakeStage};

use crate::client::*;
use crate::sandboxes::*;
use crate::scripted::scripted_runtime;

const SOON: Duration = Duration::from_millis(200);

/// With the scripted gateway, never at rest by itself.
fn scripted(dir: &Path) -> EdgeConfig {
    let mut config = config(dir, scripted_runtime(dir));
    if let RuntimeChoice::Process(process) = &mut config.runtime {
        process.isolation = Isolation::Off;
    }
    (config.freeze_after, config.stop_after) = (None, None);
    config
}

async fn say(edge: &Edge, who: u128, n: u128, text: &str) -> Vec<TurnEvent> {
    run(&edge.router(), user(who), &request(turn(n), text)).await
}

/// What the agent of the one sandbox there is keeps in its file `name`.
fn file(dir: &Path, name: &str) -> PathBuf {
    let mut sandboxes = fs::read_dir(dir.join("data/sandboxes")).unwrap().flatten();
    sandboxes.next().unwrap().path().join("openclaw").join(name)
}

/// The agent wants to act in so many milliseconds.
fn plan(dir: &Path, ms: i64) {
    fs::write(file(dir, "jobs"), now().plus_ms(ms).as_ms().to_string()).unwrap();
}

async fn has_fired(dir: &Path) {
    until("the reminder", || file(dir, "fired").exists().then_some(())).await;
    assert!(!file(dir, "told_asleep").exists(), "told something while it rested");
}

/// The one container there is, once it is held still, and its gateway too.
async fn frozen(dir: &Path) -> Found {
    let is_held = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(") T")
    };
    until("a frozen sandbox", || {
        let found = containers(dir).pop()?;
        let text = fs::read(found.state().join("gateway.json")).ok()?;
        let gateway: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let gateway = u32::try_from(gateway["pid"].as_u64()?).ok()?;
        (is_held(found.pid) && is_held(gateway)).then_some(found)
    })
    .await
}

impl Found {
    fn state(&self) -> PathBuf {
        self.argument("--state").into()
    }
}

async fn at_rest(edge: &Edge, dir: &Path) {
    until("a sandbox at rest", || (edge.load().sandboxes == 0).then_some(())).await;
    assert_eq!(containers(dir), []);
}

#[tokio::test]
async fn what_is_not_used_is_frozen_and_is_there_at_once() {
    let dir = directory();
    let mut config = scripted(dir.path());
    config.freeze_after = Some(SOON);
    let edge = Edge::start(config).await.unwrap();
    answer(&say(&edge, 1, 1, "one").await);
    let first = frozen(dir.path()).await;
    let asked = Instant::now();
    let events = say(&edge, 1, 2, "two").await;
    println!("frozen, then answered after {:?}", asked.elapsed());
    assert_eq!(answer(&events), "<answer to two>");
    assert!(events.iter().all(|event| event.seq > 0), "no waking: {events:?}");
    assert_eq!(frozen(dir.path()).await, first, "the same one, again");
    assert!(!file(dir.path(), "told_asleep").exists());
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test]
async fn what_is_not_used_for_longer_is_stopped_frozen_or_not() {
    for freeze_after in [None, Some(SOON)] {
        let dir = directory();
        let mut config = scripted(dir.path());
        (config.freeze_after, config.stop_after) = (freeze_after, Some(SOON * 3));
        let edge = Edge::start(config).await.unwrap();
        answer(&say(&edge, 1, 1, "one").await);
        at_rest(&edge, dir.path()).await;
        let events = say(&edge, 1, 2, "two").await;
        assert_eq!(answer(&events), "<answer to two>");
        assert!(events.iter().any(|event| event.seq == 0), "it woke: {events:?}");
        edge.shutdown().await;
    }
}

#[tokio::test]
async fn a_reminder_wakes_what_is_frozen() {
    let dir = directory();
    let mut config = scripted(dir.path());
    config.freeze_after = Some(SOON);
    let edge = Edge::start(config).await.unwrap();
    answer(&say(&edge, 1, 1, "one").await);
    frozen(dir.path()).await;
    // The frozen one does not know: it plans while it is up, and says so before it rests again.
    plan(dir.path(), 3_000);
    answer(&say(&edge, 1, 2, "two").await);
    frozen(dir.path()).await;
    has_fired(dir.path()).await;
    edge.shutdown().await;
}

#[tokio::test]
async fn a_reminder_wakes_what_is_stopped_and_what_an_edge_left_behind() {
    let dir = directory();
    let config = || {
        let mut config = scripted(dir.path());
        config.stop_after = Some(SOON);
        config
    };
    let edge = Edge::start(config()).await.unwrap();
    answer(&say(&edge, 1, 1, "one").await);
    plan(dir.path(), 3_000);
    answer(&say(&edge, 1, 2, "two").await);
    at_rest(&edge, dir.path()).await;
    has_fired(dir.path()).await;

    fs::remove_file(file(dir.path(), "fired")).unwrap();
    plan(dir.path(), 2_000);
    answer(&say(&edge, 1, 3, "three").await);
    edge.shutdown().await;
    assert!(!file(dir.path(), "fired").exists() || containers(dir.path()).is_empty());
    let edge = Edge::start(config()).await.unwrap();
    has_fired(dir.path()).await;
    edge.shutdown().await;
}

/// Not a test: an edge whose sandbox is frozen when it is killed.
#[tokio::test]
#[ignore = "started by the test that kills it"]
async fn an_edge_that_freezes() {
    let Some(dir) = std::env::var_os("ZAKI_TEST_DIR").map(PathBuf::from) else { return };
    let mut config = scripted(&dir);
    config.freeze_after = Some(SOON);
    let edge = Edge::start(config).await.unwrap();
    answer(&say(&edge, 1, 1, "one").await);
    std::future::pending().await
}

#[tokio::test]
async fn a_frozen_sandbox_is_adopted() {
    let dir = directory();
    let config = scripted(dir.path());
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rest::an_edge_that_freezes", "--ignored", "--nocapture"])
        .env("ZAKI_TEST_DIR", dir.path())
        .env("ZAKI_CONTAINER", program())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let before = frozen(dir.path()).await;
    victim.kill().unwrap();
    victim.wait().unwrap();

    let edge = Edge::start(config).await.unwrap();
    assert_eq!(answer(&say(&edge, 1, 2, "two").await), "<answer to two>");
    assert_eq!(containers(dir.path()), [before]);
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

/// Looks how many sandboxes there are, until it is told to stop; returns the most. A program that is
/// about to become another one is seen twice.
async fn most(dir: &Path, stop: Arc<AtomicBool>) -> usize {
    let most = AtomicUsize::new(0);
    while !stop.load(Ordering::Relaxed) {
        let states: BTreeSet<PathBuf> = containers(dir).iter().map(Found::state).collect();
        most.fetch_max(states.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    most.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn six_with_room_for_two_are_all_answered() {
    let dir = directory();
    let mut config = scripted(dir.path());
    (config.sandbox_mb, config.memory_mb) = (1000, Some(2500));
    let edge = Edge::start(config).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let looking = {
        let (dir, stop) = (dir.path().to_owned(), stop.clone());
        tokio::spawn(async move { most(&dir, stop).await })
    };
    let all = join_all((1..=6).map(|n| say(&edge, n, n, "hello"))).await;
    for events in &all {
        assert_eq!(answer(events), "<answer to hello>");
    }
    let last = |events: &Vec<TurnEvent>| {
        let ahead = events.iter().filter_map(|event| match event.kind {
            TurnEventKind::Waking { stage: WakeStage::Queued, ahead } => ahead,
            _ => None,
        });
        ahead.max()
    };
    assert!(all.iter().filter_map(last).max() >= Some(2), "nobody knows their place");
    stop.store(true, Ordering::Relaxed);
    assert_eq!(looking.await.unwrap(), 2);
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}
