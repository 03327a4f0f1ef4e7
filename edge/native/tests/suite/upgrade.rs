//! Another version of the agent: tried when its sandbox has nothing to do, backed up before, and
//! taken back with that memory when it does not come up well. Its people notice nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use zaki_edge_native::{Edge, Isolation, ProcessConfig, RuntimeChoice, RuntimePaths};
use zaki_envelope::wire::{Outcome, Release, SandboxPhase, SandboxReport, Standing};

use crate::client::*;
use crate::sandboxes::*;
use crate::scripted::NODE;

/// What a version that is no good does to the memory, whatever it does then.
const SPOIL: &str = "echo spoilt > $OPENCLAW_STATE_DIR/transcript";

/// An agent of that version, which first does what `script` says; `says`: what it says it is.
pub(crate) fn version(dir: &Path, name: &str, says: &str, script: &str) -> RuntimePaths {
    let paths = RuntimePaths::in_dir(&dir.join(format!("runtime-{name}")));
    fs::create_dir_all(paths.node.parent().unwrap()).unwrap();
    fs::create_dir_all(&paths.openclaw).unwrap();
    let suite = std::env::current_exe().unwrap();
    let script = format!(
        "{NODE}{script}\nZAKI_TEST_VERSION={says} ZAKI_TEST_PORT=$5 exec {} --exact \
         scripted::gateway::a_gateway --ignored --nocapture\n",
        suite.display()
    );
    fs::write(&paths.node, script).unwrap();
    fs::set_permissions(&paths.node, Permissions::from_mode(0o755)).unwrap();
    fs::write(paths.openclaw.join("openclaw.mjs"), "").unwrap();
    let package = format!(r#"{{"name": "openclaw", "version": "{name}"}}"#);
    fs::write(paths.openclaw.join("package.json"), package).unwrap();
    paths
}

pub(crate) async fn start(dir: &Path, runtime: RuntimePaths, upgrades: bool) -> Edge {
    let mut config = config(dir, runtime.clone());
    let mut process = ProcessConfig::new([program()], runtime);
    process.isolation = Isolation::Off;
    config.runtime = RuntimeChoice::Process(process);
    (config.freeze_after, config.stop_after) = (None, None);
    (config.upgrades, config.start_timeout) = (upgrades, Duration::from_secs(40));
    Edge::start(config).await.unwrap()
}

pub(crate) async fn say(edge: &Edge, n: u128) {
    let events = run(&edge.router(), user(1), &request(turn(n), &format!("t{n}"))).await;
    assert_eq!(answer(&events), format!("<answer to t{n}>"));
}

async fn upgrade(edge: &Edge) -> Outcome<Standing> {
    let path = format!("/v1/users/{}/sandbox/upgrade", user(1));
    let (status, body) = call(&edge.router(), signed("POST", &path, vec![])).await;
    assert!(status.is_success(), "{status}");
    serde_json::from_slice(&body).unwrap()
}

async fn sent_back(edge: &Edge) -> String {
    match upgrade(edge).await {
        Outcome::Failed { why } => why,
        Outcome::Done(standing) => panic!("{standing:?}"),
    }
}

pub(crate) async fn report(edge: &Edge) -> SandboxReport {
    let path = format!("/v1/users/{}/sandbox", user(1));
    serde_json::from_slice(&call(&edge.router(), signed("GET", &path, vec![])).await.1).unwrap()
}

fn on(version: &str, wanted: Option<&str>) -> Release {
    let wanted = wanted.map(str::to_owned);
    Release { version: Some(version.to_owned()), wanted, refused: None }
}

/// What the edge counts.
async fn counts(edge: &Edge) -> String {
    let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
    String::from_utf8(call(&edge.router(), request).await.1).unwrap()
}

pub(crate) fn transcript(dir: &Path) -> String {
    let state = dir.join(format!("data/sandboxes/openclaw-{}/openclaw", user(1)));
    fs::read_to_string(state.join("transcript")).unwrap_or_default()
}

/// All that was said is there, once.
fn remembers(dir: &Path, turns: impl IntoIterator<Item = u128>) {
    let transcript = transcript(dir);
    for n in turns {
        assert_eq!(transcript.matches(&format!("<answer to t{n}>")).count(), 1, "{transcript}");
    }
    assert!(!transcript.contains("spoilt"), "{transcript}");
}

/// The Node of the sandbox there is.
fn node(dir: &Path) -> PathBuf {
    containers(dir).pop().unwrap().argument("--node").into()
}

#[tokio::test]
async fn a_version_that_is_no_good_is_taken_back_and_a_good_one_stays() {
    let dir = directory();
    let path = dir.path();
    let first = version(path, "1", "1", "");
    let edge = start(path, first.clone(), false).await;
    say(&edge, 1).await;
    assert_eq!(report(&edge).await.release, on("1", None));
    edge.shutdown().await;

    // One that ends with an error, and one that is not what it was taken for.
    let bad = version(path, "2", "2", &format!("{SPOIL}; exit 78"));
    let edge = start(path, bad, false).await;
    assert_eq!(report(&edge).await.release, on("1", Some("2")));
    say(&edge, 2).await;
    assert_eq!(node(path), first.node.canonicalize().unwrap(), "as long as nobody asks");
    let why = sent_back(&edge).await;
    assert!(why.contains("went back") && why.contains("exit 78"), "{why}");
    let release = report(&edge).await.release;
    assert!(release.version.as_deref() == Some("1") && release.refused.is_some(), "{release:?}");
    let counted = counts(&edge).await;
    for line in [
        "zaki_sandboxes{version=\"1\"} 1",
        "zaki_sandboxes_version_wanted{version=\"2\"} 1",
        "zaki_sandboxes_behind 1",
        "zaki_sandboxes_version_refused 1",
    ] {
        assert!(counted.lines().any(|it| it == line), "{line}\n{counted}");
    }
    remembers(path, 1..=2);
    say(&edge, 3).await;
    // Whoever writes meanwhile is answered.
    let ((), why) = tokio::join!(say(&edge, 4), sent_back(&edge));
    assert!(why.contains("exit 78"), "{why}");
    remembers(path, 1..=4);
    edge.shutdown().await;
    let edge = start(path, version(path, "3", "other", ""), false).await;
    let why = sent_back(&edge).await;
    assert!(why.contains("it is other, and not 3"), "{why}");
    edge.shutdown().await;

    // A good one comes by itself, and wakes nobody for long.
    let good = version(path, "4", "4", "");
    let edge = start(path, good.clone(), true).await;
    loop {
        let report = report(&edge).await;
        if report.release == on("4", None) && report.phase == SandboxPhase::Stopped {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    remembers(path, 1..=4);
    say(&edge, 5).await;
    assert_eq!(node(path), good.node.canonicalize().unwrap());
    assert!(
        matches!(upgrade(&edge).await, Outcome::Done(it) if it.version.as_deref() == Some("4"))
    );
    edge.shutdown().await;

    // What was removed cannot be gone back to.
    fs::remove_dir_all(path.join("runtime-4")).unwrap();
    let edge = start(path, first, false).await;
    say(&edge, 6).await;
    assert_eq!(report(&edge).await.release, on("1", None));
    remembers(path, 1..=6);
    edge.shutdown().await;
    nothing_is_left(path).await;
}

/// Not a test: an edge that is killed while a version is being tried that never comes up.
#[tokio::test]
#[ignore = "started by the test that kills it"]
async fn an_edge_that_tries() {
    let Some(dir) = std::env::var_os("ZAKI_TEST_DIR").map(PathBuf::from) else { return };
    let edge = start(&dir, RuntimePaths::in_dir(&dir.join("runtime-2")), false).await;
    say(&edge, 1).await;
    upgrade(&edge).await;
    std::future::pending().await
}

#[tokio::test]
async fn an_edge_that_dies_amid_a_trial_leaves_nothing_but_the_way_back() {
    for spares_the_sandbox in [true, false] {
        let dir = directory();
        let path = dir.path();
        let edge = start(path, version(path, "1", "1", ""), false).await;
        say(&edge, 0).await;
        edge.shutdown().await;
        let hangs = version(path, "2", "2", &format!("{SPOIL}; exec sleep 1000"));
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "upgrade::an_edge_that_tries", "--ignored", "--nocapture"])
            .env("ZAKI_TEST_DIR", path)
            .env("ZAKI_CONTAINER", program())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("a trial", || transcript(path).contains("spoilt").then_some(())).await;
        victim.kill().unwrap();
        victim.wait().unwrap();
        let left = containers(path).pop().unwrap();
        if !spares_the_sandbox {
            kill(left.pid);
        }
        let edge = start(path, hangs, false).await;
        say(&edge, 2).await;
        remembers(path, 0..=2);
        let release = report(&edge).await.release;
        assert!(
            release.version.as_deref() == Some("1") && release.refused.is_some(),
            "{release:?}"
        );
        edge.shutdown().await;
        nothing_is_left(path).await;
    }
}
