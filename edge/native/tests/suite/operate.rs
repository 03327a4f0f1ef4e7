//! What operators have done with a sandbox: started, stopped, frozen and started again by its life,
//! and worked in.

use std::fs;
use std::time::Duration;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zaki_edge_native::{Edge, EdgeConfig, Isolation, RuntimeChoice};
use zaki_envelope::wire::{
    AgentConfig, ErrorCode, ExecOutput, Logs, Outcome, SandboxPhase, SandboxReport, Standing,
    TurnEvent, TurnEventKind,
};

use crate::client::*;
use crate::sandboxes::*;
use crate::scripted::scripted_runtime;

/// With the scripted gateway, which nothing keeps from the machine; never at rest by itself.
fn scripted(dir: &std::path::Path) -> EdgeConfig {
    let mut config = config(dir, scripted_runtime(dir));
    if let RuntimeChoice::Process(process) = &mut config.runtime {
        process.isolation = Isolation::Off;
    }
    (config.freeze_after, config.stop_after) = (Some(Duration::from_hours(1)), None);
    config
}

async fn raw(edge: &Edge, method: &str, what: &str, body: &Value) -> (StatusCode, Vec<u8>) {
    let path = format!("/v1/users/{}/sandbox/{what}", user(1));
    let body = if method == "GET" { vec![] } else { serde_json::to_vec(body).unwrap() };
    call(&edge.router(), signed(method, &path, body)).await
}

async fn ask<T: DeserializeOwned>(edge: &Edge, method: &str, what: &str, body: Value) -> T {
    let (status, answer) = raw(edge, method, what, &body).await;
    assert_eq!(status, StatusCode::OK, "{what}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap()
}

async fn bring(edge: &Edge, what: &str) -> Outcome<Standing> {
    ask(edge, "POST", what, json!({})).await
}

/// Brings it there, and finds it there.
async fn reach(edge: &Edge, what: &str, phase: SandboxPhase) {
    match bring(edge, what).await {
        Outcome::Done(standing) => assert_eq!(standing.phase, phase, "{what}"),
        Outcome::Failed { why } => panic!("{what}: {why}"),
    }
    assert_eq!(report(edge).await.phase, phase, "{what}");
}

async fn refused(edge: &Edge, what: &str) -> String {
    match bring(edge, what).await {
        Outcome::Failed { why } => why,
        Outcome::Done(standing) => panic!("{what}: {standing:?}"),
    }
}

async fn report(edge: &Edge) -> SandboxReport {
    let path = format!("/v1/users/{}/sandbox", user(1));
    let (status, body) = call(&edge.router(), signed("GET", &path, vec![])).await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_slice(&body).unwrap()
}

async fn say(edge: &Edge, n: u128, text: &str) -> Vec<TurnEvent> {
    run(&edge.router(), user(1), &request(turn(n), text)).await
}

/// Tells a turn, and returns once its agent works on it; `true`: it was answered.
fn working(edge: &Edge, n: u128) -> tokio::task::JoinHandle<Vec<TurnEvent>> {
    let router = edge.router();
    tokio::spawn(async move { run(&router, user(1), &request(turn(n), "a while")).await })
}

#[tokio::test]
async fn it_goes_where_an_operator_brings_it() {
    let dir = directory();
    // Never frozen by itself: an operator may all the same.
    let config = EdgeConfig { freeze_after: None, ..scripted(dir.path()) };
    let edge = Edge::start(config).await.unwrap();
    reach(&edge, "stop", SandboxPhase::Stopped).await;
    assert_eq!(refused(&edge, "freeze").await, "nothing of it runs");
    reach(&edge, "start", SandboxPhase::Running).await;
    let first = containers(dir.path());
    reach(&edge, "start", SandboxPhase::Running).await;
    reach(&edge, "freeze", SandboxPhase::Frozen).await;
    assert_eq!(containers(dir.path()), first, "the same one, all the time");
    reach(&edge, "start", SandboxPhase::Running).await;
    reach(&edge, "restart", SandboxPhase::Running).await;
    let second = containers(dir.path());
    assert!(second.len() == 1 && second != first);
    reach(&edge, "freeze", SandboxPhase::Frozen).await;
    reach(&edge, "stop", SandboxPhase::Stopped).await;
    assert_eq!(containers(dir.path()), []);
    assert_eq!(answer(&say(&edge, 1, "hello").await), "<answer to hello>", "nobody is shut out");
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test]
async fn a_stop_waits_for_turns_unless_it_must_be_now() {
    let dir = directory();
    let edge = Edge::start(scripted(dir.path())).await.unwrap();
    reach(&edge, "start", SandboxPhase::Running).await;
    let turn = working(&edge, 1);
    until("the turn", || (edge.load().turns == 1).then_some(())).await;
    reach(&edge, "stop", SandboxPhase::Stopped).await;
    assert_eq!(answer(&turn.await.unwrap()), "<answer to a while>");

    reach(&edge, "start", SandboxPhase::Running).await;
    let turn = working(&edge, 2);
    until("the turn", || (edge.load().turns == 1).then_some(())).await;
    let stopped: Outcome<Standing> = ask(&edge, "POST", "stop", json!({"now": true})).await;
    assert!(matches!(stopped, Outcome::Done(it) if it.phase == SandboxPhase::Stopped));
    let events = turn.await.unwrap();
    let end = &events.last().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Error { code: ErrorCode::Sandbox, .. }), "{end:?}");
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test]
async fn where_nothing_is_isolated_no_program_runs_and_of_the_retired_nothing_wakes() {
    let dir = directory();
    let edge = Edge::start(scripted(dir.path())).await.unwrap();
    let command = json!({"command": ["/bin/true"]});
    let outcome: Outcome<ExecOutput> = ask(&edge, "POST", "exec", command).await;
    assert!(matches!(&outcome, Outcome::Failed { why } if why.contains("isolated")), "{outcome:?}");
    assert_eq!(edge.load().sandboxes, 0, "nobody was woken for it");

    let until = json!({"until": now().plus_ms(60_000).as_ms()}).to_string().into_bytes();
    let path = format!("/v1/users/{}/retire", user(1));
    assert_eq!(call(&edge.router(), signed("POST", &path, until)).await.0, StatusCode::NO_CONTENT);
    for (method, what, body) in [
        ("POST", "start", json!({})),
        ("POST", "restart", json!({})),
        ("POST", "upgrade", json!({})),
        ("POST", "exec", json!({"command": ["ls"]})),
        ("GET", "config", json!({})),
        ("POST", "patch", json!({"if_match": "x", "patch": {}})),
    ] {
        assert_eq!(raw(&edge, method, what, &body).await.0, StatusCode::GONE, "{what}");
    }
    reach(&edge, "stop", SandboxPhase::Stopped).await;
    assert_eq!(edge.load().sandboxes, 0);
    edge.shutdown().await;
}

async fn exec(edge: &Edge, script: &str) -> ExecOutput {
    let command = json!({"command": ["/bin/sh", "-c", script], "timeout_ms": 5_000});
    match ask::<Outcome<ExecOutput>>(edge, "POST", "exec", command).await {
        Outcome::Done(output) => output,
        Outcome::Failed { why } => panic!("{script}: {why}"),
    }
}

async fn configured(edge: &Edge) -> AgentConfig {
    match ask::<Outcome<AgentConfig>>(edge, "GET", "config", json!({})).await {
        Outcome::Done(config) => config,
        Outcome::Failed { why } => panic!("{why}"),
    }
}

async fn patch(edge: &Edge, seen: &str, patch: Value) -> Result<AgentConfig, String> {
    let body = json!({"if_match": seen, "patch": patch});
    match ask::<Outcome<AgentConfig>>(edge, "POST", "patch", body).await {
        Outcome::Done(config) => Ok(config),
        Outcome::Failed { why } => Err(why),
    }
}

/// One real sandbox, since each start costs ten seconds: worked in, configured, put to rest.
#[tokio::test]
async fn a_real_sandbox_is_worked_in() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let mut config = config(dir.path(), runtime);
    config.start_timeout = Duration::from_mins(4);
    let edge = Edge::start(config).await.unwrap();

    // It is woken for it.
    if is_root() {
        let output = exec(&edge, "id -u; pwd; echo a story > told; env; exit 3").await;
        assert_eq!((output.code, output.timed_out), (3, false));
        let mut lines = output.stdout.lines();
        assert_ne!(lines.next(), Some("0"), "not as whoever the edge is");
        assert!(lines.next().unwrap().ends_with("/workspace"), "{}", output.stdout);
        let token = containers(dir.path())[0].variable("ZAKI_SANDBOX_TOKEN");
        assert!(!token.is_some_and(|token| output.stdout.contains(&token)));
        assert!(report(&edge).await.backup.changed_since.is_some(), "it is to be backed up");
        let output = exec(&edge, "sleep 60").await;
        assert!(output.timed_out && output.code > 128, "{output:?}");
        let output = exec(&edge, "cat told; head -c 1000000 /dev/zero").await;
        assert!(output.cut && output.stdout.starts_with("a story"));
    }

    let seen = configured(&edge).await;
    assert_eq!((&seen.patch, &seen.config["gateway"]["bind"]), (&json!({}), &json!("loopback")));
    let prefix = |text: &str| json!({"messages": {"responsePrefix": text}});
    let why = patch(&edge, "another", prefix("x")).await.unwrap_err();
    assert!(why.contains("not the one"), "{why}");
    let why = patch(&edge, &seen.etag, json!({"tools": {"exec": {"mode": "full"}}})).await;
    assert!(why.unwrap_err().contains("tools.exec is the operator's"));
    let nonsense = json!({"agents": {"defaults": {"thinkingDefault": "sideways"}}});
    let why = patch(&edge, &seen.etag, nonsense).await.unwrap_err();
    assert!(why.contains("thinkingDefault"), "OpenClaw's own word: {why}");
    assert_eq!(configured(&edge).await, seen, "nothing has changed");

    let zone = json!({"agents": {"defaults": {"userTimezone": "Asia/Tokyo"}}});
    let now = patch(&edge, &seen.etag, zone.clone()).await.unwrap();
    assert_eq!(now.patch, zone);
    assert_ne!(now.etag, seen.etag);
    let said = answer(&say(&edge, 1, "my name is Layla").await).to_owned();
    assert!(!said.is_empty(), "it answers with its new configuration");
    let logs: Logs = ask(&edge, "GET", "logs?lines=5", json!({})).await;
    let told = logs.logs["sandbox"].lines().count();
    assert!((1..=5).contains(&told), "{logs:?}");

    // A patch is part of the memory, and is there after a restart.
    reach(&edge, "restart", SandboxPhase::Running).await;
    assert_eq!(configured(&edge).await, now);
    let taken_back = json!({"agents": {"defaults": {"userTimezone": null}}});
    let back = patch(&edge, &now.etag, taken_back).await.unwrap();
    assert_eq!(back.config, seen.config);
    let file = dir.path().join("data/sandboxes").join(format!("openclaw-{}", user(1)));
    let kept = fs::read_to_string(file.join("openclaw/openclaw.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), back.config, "as the agent has it");
    assert!(say(&edge, 2, "What is my name?").await.iter().any(|event| {
        matches!(&event.kind, TurnEventKind::Final { text, .. } if text.contains("Layla"))
    }));
    reach(&edge, "freeze", SandboxPhase::Frozen).await;
    let logs: Logs = ask(&edge, "GET", "logs?lines=5", json!({})).await;
    assert!(logs.logs.contains_key("sandbox"));
    assert_eq!(report(&edge).await.phase, SandboxPhase::Frozen, "nobody was woken for its logs");
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}
