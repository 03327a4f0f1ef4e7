//! What every runtime promises, whatever holds its sandboxes: echo, processes, containers.
//!
//! Containers are those of the real image, so this is also a real turn in it. Without the image
//! (`ZAKI_TEST_IMAGE`) or an OpenClaw (`ZAKI_RUNTIME`) a test says so and proves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use axum::http::StatusCode;
use zaki_edge_native::{DockerConfig, Edge, EdgeConfig, ModelConfig, RuntimeChoice};
use zaki_envelope::ZakiUserId;
use zaki_envelope::wire::{TurnEvent, TurnEventKind};

use crate::client::*;
use crate::sandboxes::*;

/// A runtime under test.
struct Subject {
    config: Box<dyn Fn() -> EdgeConfig>,
    /// Whose sandboxes; nobody else's in any other test.
    user: ZakiUserId,
    /// Whether there is somebody in there.
    thinks: bool,
    /// What is left of the person on the machine.
    left: Box<dyn Fn() -> Vec<String>>,
}

#[tokio::test]
async fn echo_keeps_the_contract() {
    let dir = directory();
    let data = dir.path().join("data");
    contract(&Subject {
        config: Box::new(move || {
            EdgeConfig::new(&data, keys(), RuntimeChoice::Echo, ModelConfig::Offline)
        }),
        user: user(0xc0_0001),
        thinks: false,
        left: Box::new(Vec::new),
    })
    .await;
}

#[tokio::test]
async fn openclaw_in_a_process_keeps_the_contract() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let (place, user) = (dir.path().to_owned(), user(0xc0_0002));
    let sandboxes = place.join("data/sandboxes");
    contract(&Subject {
        config: Box::new(move || config(&place, runtime.clone())),
        user,
        thinks: true,
        left: Box::new(move || names(&sandboxes, user)),
    })
    .await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_in_a_container_keeps_the_contract() {
    let dir = directory();
    let Some(docker) = docker() else { return };
    let (data, user) = (dir.path().join("data"), user(0xc0_0003));
    sweep(user);
    let subject = Subject {
        config: Box::new(move || {
            let choice = RuntimeChoice::Docker(docker.clone());
            EdgeConfig::new(&data, keys(), choice, ModelConfig::Offline)
        }),
        user,
        thinks: true,
        left: Box::new(move || volumes(user)),
    };
    contract(&subject).await;
    assert_eq!(containers_of(user), [""; 0]);
}

async fn contract(subject: &Subject) {
    let edge = Edge::start((subject.config)()).await.unwrap();
    a_turn_is_answered_once(subject, &edge).await;
    a_turn_can_be_stopped(subject, &edge).await;
    edge.shutdown().await;

    let edge = Edge::start((subject.config)()).await.unwrap();
    if subject.thinks {
        let said = say(&edge, subject, 3, "What is my name?").await;
        assert!(answer(&said).contains("is Layla"), "forgotten: {}", answer(&said));
        assert_eq!((subject.left)().len(), 1, "what it keeps");
    }
    erase(subject, &edge).await;
    assert_eq!((subject.left)(), [""; 0]);
    edge.shutdown().await;
}

/// Asks until it is done: to stop what runs may take longer than an answer does.
async fn erase(subject: &Subject, edge: &Edge) {
    for _ in 0..60 {
        let erase = signed("DELETE", &format!("/v1/users/{}", subject.user), vec![]);
        match call(&edge.router(), erase).await.0 {
            StatusCode::NO_CONTENT => return,
            status => assert_eq!(status, StatusCode::ACCEPTED),
        }
    }
    panic!("never erased");
}

async fn a_turn_is_answered_once(subject: &Subject, edge: &Edge) {
    let began = std::time::Instant::now();
    let first = say(edge, subject, 1, "my name is Layla").await;
    assert!(answer(&first).contains("my name is Layla"), "{}", answer(&first));
    println!("the first turn, from nothing: {:?}", began.elapsed());
    let again = say(edge, subject, 1, "my name is Layla").await;
    assert_eq!(again.last(), first.last(), "the same id is the same turn");
    let began = std::time::Instant::now();
    let other = say(edge, subject, 4, "SAY:and more").await;
    assert!(answer(&other).contains("and more"));
    assert!(other.iter().all(|event| event.seq > 0), "no waking when it is awake");
    println!("a turn of one that is awake: {:?}", began.elapsed());
}

async fn a_turn_can_be_stopped(subject: &Subject, edge: &Edge) {
    let path = format!("/v1/users/{}/turns", subject.user);
    let body = serde_json::to_vec(&request(turn(2), "SLOW:1000x100")).unwrap();
    let started = |event: &TurnEvent| event.seq >= 3;
    events_until(&edge.router(), signed("POST", &path, body), started).await;
    let abort = signed("POST", &format!("{path}/{}/abort", turn(2)), vec![]);
    assert_eq!(call(&edge.router(), abort).await.0, StatusCode::ACCEPTED);
    let rest = resume(&edge.router(), subject.user, turn(2), 0).await;
    let end = &rest.last().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Final { aborted: true, .. }), "{end:?}");
}

async fn say(edge: &Edge, subject: &Subject, n: u128, text: &str) -> Vec<TurnEvent> {
    run(&edge.router(), subject.user, &request(turn(n), text)).await
}

fn names(dir: &Path, user: ZakiUserId) -> Vec<String> {
    let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = found.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(&user.to_string())).collect()
}

/// The engine and the image that `cargo xtask test` has made.
fn docker() -> Option<DockerConfig> {
    let told = |name| std::env::var(name).ok();
    let (Some(host), Some(image)) = (told("ZAKI_TEST_DOCKER"), told("ZAKI_TEST_IMAGE")) else {
        println!("SKIPPED: ZAKI_TEST_IMAGE names no image (cargo xtask test makes one)");
        return None;
    };
    let mut docker = DockerConfig::new(image);
    docker.socket = Some(PathBuf::from(host.trim_start_matches("unix://")));
    Some(docker)
}

/// What the engine's own client says, line by line.
fn ask(arguments: &[&str]) -> Vec<String> {
    let mut docker = Command::new("docker");
    docker.args(arguments).env("DOCKER_HOST", std::env::var("ZAKI_TEST_DOCKER").unwrap());
    let said = docker.output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn volumes(user: ZakiUserId) -> Vec<String> {
    ask(&["volume", "ls", "--quiet", "--filter", &format!("label=zaki.user={user}")])
}

fn containers_of(user: ZakiUserId) -> Vec<String> {
    ask(&["ps", "--all", "--quiet", "--filter", &format!("label=zaki.user={user}")])
}

/// What a run that was killed has left.
fn sweep(user: ZakiUserId) {
    for container in containers_of(user) {
        ask(&["rm", "--force", &container]);
    }
    for volume in volumes(user) {
        ask(&["volume", "rm", "--force", &volume]);
    }
}
