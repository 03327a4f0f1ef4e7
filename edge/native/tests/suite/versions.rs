//! A real OpenClaw of an earlier version, and the way of its sandbox to ours and back: as a process,
//! and in Docker by a second image. `cargo xtask upgrade` installs what these need and runs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zaki_edge_native::{DockerConfig, Edge, EdgeConfig, RuntimeChoice, RuntimePaths};
use zaki_envelope::wire::{Outcome, SandboxReport, Standing};

use crate::client::*;
use crate::sandboxes::*;

/// A directory with an earlier version.
const EARLIER: &str = "ZAKI_RUNTIME_EARLIER";
/// Images: with that version, with ours, and with ours that says it is another one.
const EARLIER_IMAGE: &str = "ZAKI_TEST_IMAGE_EARLIER";
const IMAGE: &str = "ZAKI_TEST_IMAGE";
const BROKEN_IMAGE: &str = "ZAKI_TEST_IMAGE_BROKEN";

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: cargo xtask upgrade"))
}

async fn start(dir: &Path, choice: RuntimeChoice) -> Edge {
    let mut config: EdgeConfig = config(dir, RuntimePaths::in_dir(Path::new("/none")));
    config.runtime = choice;
    (config.freeze_after, config.stop_after) = (None, None);
    // Two starts of a gateway on a machine that may be busy.
    (config.upgrades, config.start_timeout) = (false, Duration::from_mins(6));
    Edge::start(config).await.unwrap()
}

async fn say(edge: &Edge, n: u128, text: &str) -> String {
    answer(&run(&edge.router(), user(1), &request(turn(n), text)).await).to_owned()
}

async fn upgrade(edge: &Edge) -> Outcome<Standing> {
    let path = format!("/v1/users/{}/sandbox/upgrade", user(1));
    let (status, body) = call(&edge.router(), signed("POST", &path, vec![])).await;
    assert!(status.is_success(), "{status}");
    serde_json::from_slice(&body).unwrap()
}

async fn on(edge: &Edge) -> String {
    let path = format!("/v1/users/{}/sandbox", user(1));
    let body = call(&edge.router(), signed("GET", &path, vec![])).await.1;
    serde_json::from_slice::<SandboxReport>(&body).unwrap().release.version.unwrap()
}

/// There from `earlier` to `later` with all that was said, and not to `broken`.
async fn goes_there_and_comes_back(
    dir: &Path,
    [earlier, later, broken]: [RuntimeChoice; 3],
    is: impl Fn(&str) -> [bool; 2],
) {
    let edge = start(dir, earlier).await;
    say(&edge, 1, "my name is Layla").await;
    assert_eq!(is(&on(&edge).await), [true, false]);
    edge.shutdown().await;

    let edge = start(dir, broken).await;
    match upgrade(&edge).await {
        Outcome::Failed { why } => println!("went back: {why}"),
        Outcome::Done(standing) => panic!("{standing:?}"),
    }
    assert_eq!(is(&on(&edge).await), [true, false], "where it was");
    let said = say(&edge, 2, "What is my name?").await;
    assert!(said.contains("is Layla"), "{said}");
    edge.shutdown().await;

    let edge = start(dir, later).await;
    assert!(matches!(upgrade(&edge).await, Outcome::Done(_)));
    let version = on(&edge).await;
    assert_eq!(is(&version), [false, true], "{version}");
    let said = say(&edge, 3, "What is my name?").await;
    assert!(said.contains("is Layla"), "{said}");
    println!("on {version}, and remembers");
    edge.shutdown().await;
}

/// The version that is there, as far as it tells; what it lacks is found when it is started.
fn broken(dir: &Path, of: &RuntimePaths) -> RuntimePaths {
    let paths = RuntimePaths::in_dir(&dir.join("broken"));
    std::fs::create_dir_all(paths.node.parent().unwrap()).unwrap();
    std::fs::create_dir_all(&paths.openclaw).unwrap();
    std::os::unix::fs::symlink(of.node.canonicalize().unwrap(), &paths.node).unwrap();
    std::fs::write(paths.openclaw.join("openclaw.mjs"), "process.exit(1)").unwrap();
    let package = r#"{"name": "openclaw", "version": "2099.1.1"}"#;
    std::fs::write(paths.openclaw.join("package.json"), package).unwrap();
    paths
}

fn process(runtime: RuntimePaths) -> RuntimeChoice {
    RuntimeChoice::Process(zaki_edge_native::ProcessConfig::new([program()], runtime))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a second OpenClaw: cargo xtask upgrade"]
async fn openclaw_of_an_earlier_version_becomes_ours_as_a_process() {
    let dir = directory();
    let earlier = RuntimePaths::in_dir(&PathBuf::from(told(EARLIER)));
    let later = runtime().unwrap();
    let broken = broken(dir.path(), &later);
    let choices = [earlier, later, broken].map(process);
    let is = |version: &str| [version == "2026.9.5", version == "2026.9.6"];
    goes_there_and_comes_back(dir.path(), choices, is).await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a second image: cargo xtask upgrade"]
async fn openclaw_of_an_earlier_version_becomes_ours_in_docker() {
    let dir = directory();
    let docker = |image: &str| {
        let mut docker = DockerConfig::new(told(image));
        let host = told("ZAKI_TEST_DOCKER");
        docker.socket = Some(PathBuf::from(host.trim_start_matches("unix://")));
        RuntimeChoice::Docker(docker)
    };
    let [earlier, later, broken] = [EARLIER_IMAGE, IMAGE, BROKEN_IMAGE].map(docker);
    let is = |version: &str| [version.starts_with("2026.9.5"), version.starts_with("2026.9.6")];
    goes_there_and_comes_back(dir.path(), [earlier, later.clone(), broken], is).await;
    let edge = start(dir.path(), later).await;
    let path = format!("/v1/users/{}", user(1));
    until_erased(&edge, &path).await;
    edge.shutdown().await;
}

/// Nothing of it stays with the engine.
async fn until_erased(edge: &Edge, path: &str) {
    while call(&edge.router(), signed("DELETE", path, vec![])).await.0.as_u16() == 202 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
