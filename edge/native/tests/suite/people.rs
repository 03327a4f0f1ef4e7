//! People who leave: retired and reinstated, or erased without a trace.

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use serde_json::json;
use zaki_edge_native::{Edge, EdgeConfig, ModelConfig, RuntimeChoice};
use zaki_envelope::wire::{ErrorCode, RetireRequest, TurnEvent, TurnEventKind, Usage, UsageReport};
use zaki_envelope::{Timestamp, ZakiUserId};

use crate::client::*;
use crate::sandboxes::*;

pub(crate) const HOUR: i64 = 3_600_000;

async fn echo(dir: &Path) -> Edge {
    let choice = RuntimeChoice::Echo;
    let config = EdgeConfig::new(dir.join("data"), keys(), choice, ModelConfig::Offline);
    Edge::start(config).await.unwrap()
}

async fn idle(dir: &Path) -> Edge {
    Edge::start(config(dir, idle_runtime(dir))).await.unwrap()
}

/// Asks until it is done.
async fn act(router: &Router, method: &str, path: &str, body: Vec<u8>) -> StatusCode {
    loop {
        let (status, _) = call(router, signed(method, path, body.clone())).await;
        if status != StatusCode::ACCEPTED {
            return status;
        }
    }
}

async fn erase(router: &Router, user: ZakiUserId) -> StatusCode {
    act(router, "DELETE", &format!("/v1/users/{user}"), vec![]).await
}

pub(crate) async fn retire(router: &Router, user: ZakiUserId, until: Timestamp) -> StatusCode {
    let body = serde_json::to_vec(&RetireRequest { until }).unwrap();
    act(router, "POST", &format!("/v1/users/{user}/retire"), body).await
}

pub(crate) async fn reinstate(router: &Router, user: ZakiUserId) -> StatusCode {
    act(router, "POST", &format!("/v1/users/{user}/reinstate"), vec![]).await
}

/// Begins a turn that its sandbox never takes, and returns once it waits.
async fn begin(router: &Router, n: u128) -> tokio::task::JoinHandle<Vec<TurnEvent>> {
    let body = serde_json::to_vec(&request(turn(n), "SLOW:1000x50 wait")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    let (router, seen) = (router.clone(), tokio::sync::mpsc::unbounded_channel());
    let reading = tokio::spawn(async move {
        events_until(&router, asked, |_| {
            let _ = seen.0.send(());
            false
        })
        .await
    });
    let mut seen = seen.1;
    seen.recv().await.unwrap();
    reading
}

pub(crate) fn code(events: &[TurnEvent]) -> ErrorCode {
    match events.last().map(|event| &event.kind) {
        Some(TurnEventKind::Error { code, .. }) => *code,
        other => panic!("no error: {other:?}"),
    }
}

/// Every file and name under `dir` that holds `trace`.
fn traces(dir: &Path, trace: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_in = bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
        if is_in || name.contains(trace) {
            found.push(path.display().to_string());
        }
        if path.is_dir() {
            found.extend(traces(&path, trace));
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_left_of_somebody_who_was_erased() {
    let dir = directory();
    let edge = idle(dir.path()).await;
    let router = edge.router();
    let data = dir.path().join("data");
    let running = begin(&router, 1).await;
    let found = until("a container", || containers(dir.path()).pop()).await;
    let state = data.join("sandboxes").join(format!("openclaw-{}", user(1)));
    fs::write(state.join("workspace-note"), "mine").unwrap();
    let token = until("its token", || found.variable("ZAKI_SANDBOX_TOKEN")).await;
    let wake = signed("POST", &format!("/v1/users/{}/wake", user(2)), vec![]);
    call(&router, wake).await;
    until("the other's container", || (containers(dir.path()).len() == 2).then_some(())).await;
    until("a record of the turn", || {
        let log = fs::read(data.join("private/edge.db-wal")).unwrap_or_default();
        let said = b"SLOW:1000x50 wait";
        log.windows(said.len()).any(|window| window == said).then_some(())
    })
    .await;
    assert!(!traces(&data, &user(1).to_string()).is_empty());

    assert_eq!(erase(&router, user(1)).await, StatusCode::NO_CONTENT);
    assert_eq!(traces(&data, &user(1).to_string()), [""; 0]);
    assert_eq!(traces(&data, "SLOW:1000x50"), [""; 0], "nor of what they said");
    assert_eq!(traces(&data, &token), [""; 0], "nor of their token");
    assert_eq!(code(&running.await.unwrap()), ErrorCode::Erased);
    let left = containers(dir.path());
    assert!(left.len() == 1 && left[0].pid != found.pid, "another's sandbox runs on");
    assert!(!traces(&data, &user(2).to_string()).is_empty());
    let model = format!("http://{}/model/v1/models", edge.local_addr());
    let asked = reqwest::Client::new().get(model).bearer_auth(token).send().await.unwrap();
    assert_eq!(asked.status().as_u16(), 401);
    assert_eq!(erase(&router, user(1)).await, StatusCode::NO_CONTENT, "again: nothing to do");
    edge.shutdown().await;
    assert_eq!(traces(&data, &user(1).to_string()), [""; 0]);
}

#[tokio::test]
async fn a_turn_without_a_sandbox_ends_with_its_person_too() {
    let dir = directory();
    let edge = echo(dir.path()).await;
    let router = edge.router();
    let path = dir.path().join("data");
    run(&router, user(1), &request(turn(1), "something private")).await;
    run(&router, user(2), &request(turn(2), "something else")).await;
    let running = begin(&router, 3).await;
    assert_eq!(erase(&router, user(1)).await, StatusCode::NO_CONTENT);
    assert_eq!(code(&running.await.unwrap()), ErrorCode::Erased);
    assert_eq!(traces(&path, &user(1).to_string()), [""; 0]);
    assert_eq!(traces(&path, "something private"), [""; 0]);
    assert_eq!(answer(&resume(&router, user(2), turn(2), 0).await), "echo: something else");
    let gone = signed("GET", &format!("/v1/users/{}/turns/{}", user(1), turn(1)), vec![]);
    assert_eq!(call(&router, gone).await.0, StatusCode::NOT_FOUND);
    assert_eq!(traces(&path, &user(1).to_string()), [""; 0], "nor by asking");
    edge.shutdown().await;
}

/// The database as a crash in the middle of an erasure leaves it.
#[tokio::test]
async fn an_erasure_goes_on_after_a_crash() {
    let dir = directory();
    let edge = idle(dir.path()).await;
    let router = edge.router();
    drop(begin(&router, 1).await);
    until("a container", || containers(dir.path()).pop()).await;
    edge.shutdown().await;
    let data = dir.path().join("data");
    let database = rusqlite::Connection::open(data.join("private/edge.db")).unwrap();
    database.execute("INSERT INTO people VALUES (?, NULL)", [user(1).to_string()]).unwrap();
    drop(database);

    let edge = idle(dir.path()).await;
    let gone = || traces(&data, &user(1).to_string()).is_empty().then_some(());
    until("the end of the erasure", gone).await;
    edge.shutdown().await;
    assert_eq!(traces(&data, &user(1).to_string()), [""; 0]);
}

#[tokio::test]
async fn who_is_retired_is_kept_and_refused_and_can_come_back() {
    let dir = directory();
    let edge = idle(dir.path()).await;
    let router = edge.router();
    let running = begin(&router, 1).await;
    until("a container", || containers(dir.path()).pop()).await;
    let state = dir.path().join("data/sandboxes").join(format!("openclaw-{}", user(1)));
    fs::write(state.join("note"), "kept").unwrap();
    let until_then = now().plus_ms(HOUR);
    for _ in 0..2 {
        assert_eq!(retire(&router, user(1), until_then).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(containers(dir.path()), []);
    assert_eq!(code(&running.await.unwrap()), ErrorCode::Retired);
    let refused = async |router: &Router| run(router, user(1), &request(turn(2), "hello")).await;
    assert_eq!(code(&refused(&router).await), ErrorCode::Retired);
    let wake = || signed("POST", &format!("/v1/users/{}/wake", user(1)), vec![]);
    assert_eq!(call(&router, wake()).await.0, StatusCode::GONE);
    edge.shutdown().await;

    let edge = idle(dir.path()).await;
    let router = edge.router();
    assert_eq!(code(&refused(&router).await), ErrorCode::Retired, "also after a restart");
    assert_eq!(containers(dir.path()), []);
    for _ in 0..2 {
        assert_eq!(reinstate(&router, user(1)).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(fs::read_to_string(state.join("note")).unwrap(), "kept");
    assert_eq!(call(&router, wake()).await.0, StatusCode::ACCEPTED);
    until("a container", || containers(dir.path()).pop()).await;
    edge.shutdown().await;
}

#[tokio::test]
async fn who_is_retired_is_erased_when_the_time_has_come() {
    let dir = directory();
    let edge = echo(dir.path()).await;
    let router = edge.router();
    run(&router, user(1), &request(turn(1), "hello")).await;
    retire(&router, user(1), now().plus_ms(HOUR)).await;
    assert!(!traces(dir.path(), &user(1).to_string()).is_empty());
    retire(&router, user(1), now().plus_ms(300)).await;
    let gone = || traces(dir.path(), &user(1).to_string()).is_empty().then_some(());
    until("the sweep", gone).await;

    assert_eq!(erase(&router, user(1)).await, StatusCode::NO_CONTENT);
    assert_eq!(reinstate(&router, user(1)).await, StatusCode::GONE);
    let late = run(&router, user(1), &request(turn(2), "what was on its way")).await;
    assert_eq!(code(&late), ErrorCode::Erased);
    assert_eq!(traces(dir.path(), &user(1).to_string()), [""; 0]);
    edge.shutdown().await;
}

/// Retired, erased and reinstated at once, while turns come in: whatever wins, nothing runs on.
#[tokio::test]
async fn whoever_leaves_in_the_middle_of_everything_is_gone() {
    let dir = directory();
    let edge = echo(dir.path()).await;
    let router = edge.router();
    for round in 0..20_u64 {
        let base = u128::from(round) * 100;
        let user = user(base);
        let turns = (0..20).map(|n| {
            let router = router.clone();
            let request = request(turn(base + n), "SLOW:3x5");
            tokio::spawn(async move { run(&router, user, &request).await })
        });
        let turns: Vec<_> = turns.collect();
        tokio::time::sleep(Duration::from_millis(round)).await;
        let (retired, erased, reinstated) = tokio::join!(
            retire(&router, user, now().plus_ms(HOUR)),
            erase(&router, user),
            reinstate(&router, user),
        );
        assert_eq!(erased, StatusCode::NO_CONTENT);
        for status in [retired, reinstated] {
            assert!([StatusCode::NO_CONTENT, StatusCode::GONE].contains(&status), "{status}");
        }
        for turn in turns {
            let events = turn.await.unwrap();
            let end = &events.last().unwrap().kind;
            assert!(end.is_end(), "{end:?}");
        }
        assert_eq!(erase(&router, user).await, StatusCode::NO_CONTENT);
        assert_eq!(traces(dir.path(), &user.to_string()), [""; 0], "round {round}");
    }
    edge.shutdown().await;
}

#[tokio::test]
async fn usage_of_a_stranger_is_nothing() {
    let dir = directory();
    let edge = echo(dir.path()).await;
    let path = format!("/v1/users/{}/usage", user(1));
    let (status, body) = call(&edge.router(), signed("GET", &path, vec![])).await;
    assert_eq!(status, StatusCode::OK);
    let UsageReport { day, month, unasked } = serde_json::from_slice(&body).unwrap();
    assert_eq!([day, month, unasked.day, unasked.month], [Usage::default(); 4]);
    let nothing = json!({"input_tokens": 0, "output_tokens": 0, "cost_micros": 0});
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["day"], &body["month"]), (&nothing, &nothing));
    assert_eq!((&body["unasked"]["day"], &body["unasked"]["month"]), (&nothing, &nothing));
    assert!(Usage::default().is_nothing());
    edge.shutdown().await;
}
