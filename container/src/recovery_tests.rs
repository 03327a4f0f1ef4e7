#![allow(clippy::needless_pass_by_value)] // json!() in a call reads better.

use serde_json::{Value, json};
use zaki_envelope::Timestamp;

use super::*;

fn turn(n: u128) -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(1), n)
}

fn verdict(rows: &[Value], more: Value) -> Verdict {
    let mut history = json!({"messages": rows});
    for (key, value) in more.as_object().unwrap() {
        history[key] = value.clone();
    }
    judge(turn(1), &serde_json::from_value(history).unwrap()).verdict
}

fn running(run: Option<&str>, before: &str, text: &str) -> Verdict {
    let run = run.map(str::to_owned);
    Verdict::Running { run, before: before.into(), text: text.into() }
}

fn steer(n: u128) -> InboundId {
    InboundId::from_parts(Timestamp::from_ms(2), n)
}

fn added(n: u128, attempt: u32) -> Value {
    let key = key(turn(1), Some(steer(n)), attempt);
    json!({"role": "user", "content": "and", "idempotencyKey": format!("{key}:user")})
}

fn user(n: u128) -> Value {
    json!({"role": "user", "content": "hi", "idempotencyKey": format!("{}:user", turn(n))})
}

fn resumed() -> Value {
    json!({"role": "user", "content": "[System] interrupted",
           "idempotencyKey": "e3bf0455-9130-444c-9946-47a36c566621:user"})
}

fn assistant(text: &str, stop: &str) -> Value {
    json!({"role": "assistant", "content": [{"type": "text", "text": text}], "stopReason": stop,
           "usage": {"input": 10, "output": 2}})
}

fn idle() -> Value {
    json!({"sessionInfo": {"hasActiveRun": false}})
}

fn answer(text: &str, calls: u64) -> Verdict {
    Verdict::Ended(TurnEventKind::Final {
        text: text.into(),
        usage: Usage { input_tokens: 10 * calls, output_tokens: 2 * calls, cost_micros: 0 },
        aborted: false,
    })
}

#[test]
fn a_turn_the_transcript_does_not_have_is_sent() {
    assert_eq!(verdict(&[], idle()), Verdict::Unknown);
    assert_eq!(verdict(&[user(2), assistant("other", "stop")], idle()), Verdict::Unknown);
}

#[test]
fn an_answer_given_meanwhile_is_found_with_its_usage() {
    let rows = [user(1), resumed(), assistant("", "toolUse"), assistant("yes", "stop")];
    assert_eq!(verdict(&rows, idle()), answer("yes", 2));
}

#[test]
fn a_later_turn_neither_hides_nor_lends_an_answer() {
    let busy = || json!({"sessionInfo": {"hasActiveRun": true}});
    let rows = [user(1), assistant("mine", "stop"), user(2), assistant("theirs", "stop")];
    assert_eq!(verdict(&rows, busy()), answer("mine", 1));
    let rows = [user(1), user(2), assistant("theirs", "stop")];
    assert_eq!(verdict(&rows, idle()), Verdict::Dropped);
}

#[test]
fn a_run_that_goes_on_is_watched_not_sent_again() {
    let busy = json!({"sessionInfo": {"hasActiveRun": true}});
    assert_eq!(verdict(&[user(1)], busy), running(None, "", ""));
    let flying = json!({"inFlightRun": {"runId": "e3bf", "text": "wor"}});
    assert_eq!(verdict(&[user(1), resumed()], flying), running(Some("e3bf"), "", "wor"));
}

#[test]
fn half_an_answer_is_none_and_a_recorded_failure_is_one() {
    assert_eq!(verdict(&[user(1), resumed()], idle()), Verdict::Idle);
    let rows = [user(1), assistant("let me look", "toolUse")];
    assert_eq!(verdict(&rows, idle()), Verdict::Idle);
    let failed = json!({"role": "assistant", "content": "failed",
                        "idempotencyKey": format!("{}:terminal-error", turn(1))});
    let Verdict::Ended(TurnEventKind::Error { code, .. }) = verdict(&[user(1), failed], idle())
    else {
        panic!("a failure ends the turn");
    };
    assert_eq!(code, ErrorCode::Agent);
}

#[test]
fn a_turn_nobody_began_is_sent_once_more_and_only_once() {
    let again = json!({"role": "user", "content": "hi",
                       "idempotencyKey": format!("{}:user", key(turn(1), None, 2))});
    assert_eq!(verdict(&[user(1)], idle()), Verdict::Dropped);
    assert_eq!(verdict(&[user(1), again.clone()], idle()), Verdict::Idle);
    let rows = [user(1), again, assistant("yes", "stop"), user(2)];
    assert_eq!(verdict(&rows, idle()), answer("yes", 1));
}

#[test]
fn keys_lead_back_to_their_turn_and_message() {
    for attempt in [1, 2, 12] {
        let (own, added) = (key(turn(1), None, attempt), key(turn(1), Some(steer(7)), attempt));
        assert_eq!((turn_of(&own), steer_of(&own)), (Some(turn(1)), None));
        assert_eq!((turn_of(&added), steer_of(&added)), (Some(turn(1)), Some(steer(7))));
    }
    assert_eq!(turn_of("e3bf0455-9130-444c-9946-47a36c566621"), None);
    assert_eq!(key(turn(1), None, 1), turn(1).to_string());
}

/// As captured: the answer to what was steered in is a row of its own.
#[test]
fn what_was_steered_in_is_answered_in_order() {
    let rows = [user(1), assistant("one ", "stop"), added(1, 1), assistant("two", "stop")];
    assert_eq!(verdict(&rows, idle()), answer("one\n\ntwo", 2));
    let together = [user(1), assistant("one", "stop"), added(1, 1), added(2, 1)];
    assert_eq!(verdict(&together, idle()), Verdict::Idle, "the last one has no answer yet");
    let account = |rows: &[Value]| {
        let history = json!({"messages": rows, "sessionInfo": {"hasActiveRun": true}});
        judge(turn(1), &serde_json::from_value(history).unwrap())
    };
    assert_eq!(account(&together).heard, BTreeSet::from([steer(1), steer(2)]));
    assert_eq!(account(&together).verdict, running(None, "one", ""));
    let rows = [&together[..], &[assistant("both", "stop")]].concat();
    assert_eq!(verdict(&rows, idle()), answer("one\n\nboth", 2));
}

/// As captured: killed while it answered what was steered in.
#[test]
fn a_resumed_answer_to_what_was_steered_in_leaves_the_first_one_alone() {
    let rows =
        [user(1), assistant("one", "stop"), added(1, 2), resumed(), assistant("two", "stop")];
    assert_eq!(verdict(&rows, idle()), answer("one\n\ntwo", 2));
}

#[test]
fn a_failure_behind_an_answer_does_not_hide_it() {
    let failed = json!({"role": "assistant", "content": "failed",
                        "idempotencyKey": "42399729:terminal-error"});
    let rows = [user(1), assistant("one", "stop"), added(1, 1), failed];
    let Verdict::Ended(TurnEventKind::Final { text, .. }) = verdict(&rows, idle()) else {
        panic!("the first answer is one");
    };
    assert_eq!(text, format!("one\n\n{UNANSWERED}"));
}
