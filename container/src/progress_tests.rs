#![allow(clippy::needless_pass_by_value)] // json!() in a call reads better.

use serde_json::{Value, json};
use zaki_envelope::Timestamp;

use super::*;

const RESUMED: &str = "e3bf0455-9130-444c-9946-47a36c566621";

fn turn() -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(1), 7)
}

fn chat(run: &str, fields: Value) -> SessionEvent {
    event("chat", run, fields)
}

fn event(kind: &str, run: &str, fields: Value) -> SessionEvent {
    let mut payload = json!({"runId": run, "sessionKey": "agent:main:hub:dm:1", "agentId": "main"});
    for (key, value) in fields.as_object().unwrap() {
        payload[key] = value.clone();
    }
    SessionEvent::parse(kind, payload).unwrap()
}

fn delta_event(run: &str, piece: &str, whole: &str) -> SessionEvent {
    chat(run, json!({"state": "delta", "deltaText": piece, "message": message(whole)}))
}

fn message(text: &str) -> Value {
    json!({"role": "assistant", "content": [{"type": "text", "text": text}]})
}

fn delta(text: &str, replace: bool) -> TurnEventKind {
    TurnEventKind::Delta { text: text.into(), replace }
}

#[test]
fn a_streamed_turn_with_a_tool_ends_with_the_whole_text_and_its_usage() {
    let own = turn().to_string();
    let mut progress = Progress::new(turn());
    let agent =
        |stream: &str, data: Value| event("agent", &own, json!({"stream": stream, "data": data}));
    assert_eq!(progress.take(&chat(&own, json!({"state": "status", "phase": "x"}))), None);
    assert_eq!(progress.take(&delta_event(&own, "wo", "wo")), Some(delta("wo", false)));
    assert_eq!(
        progress.take(&agent("tool", json!({"phase": "start", "name": "read", "args": {"a": 1}}))),
        Some(TurnEventKind::Tool { name: "read".into(), phase: "start".into() })
    );
    for so_far in [12, 24] {
        let usage = agent("usage", json!({"outputTokens": so_far}));
        assert_eq!(progress.take(&usage), None);
    }
    assert_eq!(progress.take(&delta_event(&own, "rd", "word")), Some(delta("rd", false)));
    assert_eq!(
        progress.take(&chat(&own, json!({"state": "final", "message": message("word")}))),
        Some(TurnEventKind::Final {
            text: "word".into(),
            usage: Usage { output_tokens: 24, ..Usage::default() },
            aborted: false,
        })
    );
}

#[test]
fn other_runs_of_the_session_leave_no_trace() {
    let mut progress = Progress::new(turn());
    assert_eq!(progress.take(&delta_event(RESUMED, "cron", "cron")), None);
    assert_eq!(progress.take(&chat(RESUMED, json!({"state": "final"}))), None);
    assert_eq!(progress.stopped(), Progress::new(turn()).stopped());
}

#[test]
fn replaced_text_is_told_in_full() {
    let own = turn().to_string();
    let mut progress = Progress::new(turn());
    progress.take(&delta_event(&own, "a MEDIA:", "a MEDIA:"));
    let replaced =
        json!({"state": "delta", "deltaText": "", "replace": true, "message": message("a")});
    assert_eq!(progress.take(&chat(&own, replaced)), Some(delta("a", true)));
    let bare = json!({"state": "delta", "deltaText": "z", "replace": true});
    assert_eq!(progress.take(&chat(&own, bare)), Some(delta("z", true)));
}

#[test]
fn a_resumed_run_takes_over_and_voids_what_was_said() {
    let own = turn().to_string();
    let mut progress = Progress::new(turn());
    progress.take(&delta_event(&own, "old", "old"));
    assert_eq!(progress.resume(None, "", ""), None);
    let other_turn = TurnId::from_parts(Timestamp::from_ms(1), 8).to_string();
    assert_eq!(progress.take(&delta_event(&other_turn, "x", "x")), None);
    assert_eq!(progress.take(&delta_event(RESUMED, "new", "new")), Some(delta("new", true)));
    assert_eq!(progress.take(&delta_event(RESUMED, "er", "newer")), Some(delta("er", false)));
    assert_eq!(progress.run(), Some(RESUMED));
    assert_eq!(progress.resume(Some(RESUMED), "", "newer"), None);
    assert_eq!(progress.resume(Some(RESUMED), "", "newer still"), Some(delta("newer still", true)));
}

#[test]
fn an_abort_keeps_the_partial_text_and_an_empty_final_is_empty() {
    let own = turn().to_string();
    let mut progress = Progress::new(turn());
    progress.take(&delta_event(&own, "half", "half"));
    let aborted =
        TurnEventKind::Final { text: "half".into(), usage: Usage::default(), aborted: true };
    assert_eq!(progress.take(&chat(&own, json!({"state": "aborted"}))), Some(aborted.clone()));
    assert_eq!(progress.stopped(), aborted);
    let absorbed = progress.take(&chat(&own, json!({"state": "final"})));
    assert!(
        matches!(absorbed, Some(TurnEventKind::Final { text, aborted: false, .. }) if text.is_empty())
    );
}

#[test]
fn errors_carry_their_kind_and_never_the_gateways_words() {
    let own = turn().to_string();
    let error = |fields: Value| match Progress::new(turn()).take(&chat(&own, fields)) {
        Some(TurnEventKind::Error { code, message, .. }) => (code, message),
        other => panic!("not an error: {other:?}"),
    };
    let (code, message) =
        error(json!({"state": "error", "errorKind": "timeout", "errorMessage": "my secret"}));
    assert_eq!(code, ErrorCode::Timeout);
    assert!(!message.contains("secret"));
    let (code, message) = error(json!({"state": "error", "errorMessage": "my secret",
        "errorDetail": {"failoverReason": "server_error"}}));
    assert_eq!((code, message.contains("server_error")), (ErrorCode::Agent, true));
    let (_, message) = error(json!({"state": "error", "errorKind": "My secret"}));
    assert!(!message.contains("secret"));
}
