//! What an agent asks, and what becomes of the answer; by the echo runtime.

use axum::Router;
use axum::http::StatusCode;
use zaki_edge_native::{Edge, EdgeConfig, ModelConfig, RuntimeChoice};
use zaki_envelope::wire::{ApprovalAnswer, Decision, TurnEvent, TurnEventKind};

use crate::client::*;

async fn edge(dir: &tempfile::TempDir) -> Edge {
    let config = EdgeConfig::new(dir.path(), keys(), RuntimeChoice::Echo, ModelConfig::Offline);
    Edge::start(config).await.unwrap()
}

async fn answer_with(router: &Router, n: u128, approval: &str, decision: Decision) -> StatusCode {
    let path = format!("/v1/users/{}/approvals/{approval}", user(n));
    let body = serde_json::to_vec(&ApprovalAnswer { decision }).unwrap();
    call(router, signed("POST", &path, body)).await.0
}

/// Begins turn `n` and returns what it asks.
async fn ask(router: &Router, n: u128) -> (String, TurnEvent) {
    let body = serde_json::to_vec(&request(turn(n), "please ASK:rm -r old")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    let is_it = |event: &TurnEvent| matches!(event.kind, TurnEventKind::Approval { .. });
    let event = events_until(router, asked, is_it).await.pop().unwrap();
    let TurnEventKind::Approval { id, command, .. } = &event.kind else { panic!("{event:?}") };
    assert_eq!(command, "rm -r old");
    (id.clone(), event)
}

#[tokio::test]
async fn an_answer_is_taken_once_and_the_turn_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let (id, event) = ask(&router, 1).await;
    let kept = resume_until(&router, 1, |event| event.seq >= 2).await;
    assert!(kept.contains(&event), "whoever was away hears it: {kept:?}");

    let by = async |decision| answer_with(&router, 1, &id, decision).await;
    assert_eq!(answer_with(&router, 2, &id, Decision::AllowOnce).await, StatusCode::NOT_FOUND);
    assert_eq!(by(Decision::AllowOnce).await, StatusCode::NO_CONTENT);
    let events = resume(&router, user(1), turn(1), 0).await;
    assert_eq!(answer(&events), "allowed once: rm -r old");
    assert!(!events.contains(&event), "it asks no more");
    assert_eq!(by(Decision::AllowOnce).await, StatusCode::NO_CONTENT, "also after the end");
    assert_eq!(by(Decision::Deny).await, StatusCode::CONFLICT);
    edge.shutdown().await;
}

async fn resume_until(
    router: &Router,
    n: u128,
    enough: impl Fn(&TurnEvent) -> bool,
) -> Vec<TurnEvent> {
    let path = format!("/v1/users/{}/turns/{}", user(1), turn(n));
    events_until(router, signed("GET", &path, vec![]), enough).await
}

#[tokio::test]
async fn what_nobody_asks_or_no_longer_asks_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let (id, _) = ask(&router, 1).await;
    assert_eq!(answer_with(&router, 1, "another", Decision::Deny).await, StatusCode::NOT_FOUND);
    let path = format!("/v1/users/{}/turns/{}/abort", user(1), turn(1));
    assert_eq!(call(&router, signed("POST", &path, vec![])).await.0, StatusCode::ACCEPTED);
    let events = resume(&router, user(1), turn(1), 0).await;
    assert!(events.last().unwrap().kind.is_end());
    assert_eq!(answer_with(&router, 1, &id, Decision::AllowOnce).await, StatusCode::NOT_FOUND);
    edge.shutdown().await;
}

#[tokio::test]
async fn of_many_answers_at_once_one_decides() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    for n in 1..20 {
        let (id, _) = ask(&router, n).await;
        let (allowed, denied) = tokio::join!(
            answer_with(&router, 1, &id, Decision::AllowAlways),
            answer_with(&router, 1, &id, Decision::Deny),
        );
        let said = resume(&router, user(1), turn(n), 0).await;
        let is_allowed = answer(&said) == "allowed always: rm -r old";
        let expected = if is_allowed {
            (StatusCode::NO_CONTENT, StatusCode::CONFLICT)
        } else {
            (StatusCode::CONFLICT, StatusCode::NO_CONTENT)
        };
        assert_eq!((allowed, denied), expected);
    }
    edge.shutdown().await;
}
