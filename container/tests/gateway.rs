//! The whole program against a real OpenClaw, with a model of our own.
//!
//! Needs `ZAKI_RUNTIME` (`bin/node`, `node_modules/openclaw`); without it the test says so and
//! proves nothing. A gateway costs 800 MB and 11 s of CPU per start, so there is one story.

// Everything here is a test; clippy knows only the functions marked so.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "gateway/model.rs"]
mod model;
#[path = "gateway/sandbox.rs"]
mod sandbox;

use std::path::{Path, PathBuf};

use model::Model;
use sandbox::{Sandbox, answer, has_tool, kinds, output_tokens, turn_id};
use zaki_envelope::wire::{ErrorCode, TurnEventKind};

const PRIVATE: &str = "agent:main:hub:dm:1";
const GROUP: &str = "agent:group:hub:slack:t1:c1";

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_answers_refuses_and_survives() {
    let Some(runtime) = std::env::var_os("ZAKI_RUNTIME").map(PathBuf::from) else {
        eprintln!("SKIPPED: set ZAKI_RUNTIME (cargo xtask test does it)");
        return;
    };
    let model = Model::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut sandbox = a_stop_leaves_a_waiting_turn(&runtime, state.path(), &model).await;
    it_answers_with_its_version_and_remembers(&sandbox, &model).await;
    the_group_is_served_by_its_own_agent(&sandbox, &model).await;
    the_turn_chooses_the_model(&sandbox, &model).await;
    host_tools_are_refused(&sandbox).await;
    chat_commands_open_nothing(&sandbox).await;
    an_abort_keeps_the_partial_text(&sandbox).await;
    what_is_steered_in_is_answered_with_the_rest(&sandbox).await;
    what_is_steered_in_around_the_end_is_answered_or_refused(&sandbox).await;
    an_abort_takes_what_was_steered_in_along(&sandbox, &model).await;
    a_turn_survives_the_death_of_its_gateway(&sandbox, &model).await;
    what_is_steered_in_survives_the_death_of_the_gateway(&sandbox).await;
    sandbox.run_by(90, "agent:main:hub:dm:3", "maker/other").await;
    sandbox = a_turn_survives_the_death_of_all(sandbox, &runtime, state.path(), &model).await;
    a_choice_ends_with_its_turn_also_after_a_crash(&sandbox, &model).await;
    a_stop_ends_turns_and_leaves_no_process(sandbox).await;
    no_token_is_left_on_the_disk(state.path());
}

/// Asked while the gateway starts, stopped before it is up: the next start runs the turn.
async fn a_stop_leaves_a_waiting_turn(runtime: &Path, state: &Path, model: &Model) -> Sandbox {
    let mut stopped = Sandbox::start(runtime, state, model).await;
    let stream = stopped.post(1, PRIVATE, "SAY:the first answer").await;
    stopped.terminate();
    assert!(stopped.wait().await.success());
    assert_eq!(stream.finish().await, []);
    assert_eq!(model.asked(), 0);
    Sandbox::start(runtime, state, model).await
}

async fn it_answers_with_its_version_and_remembers(sandbox: &Sandbox, model: &Model) {
    let events = sandbox.resume(1, 0).await;
    let TurnEventKind::Started { agent } = &events[0].kind else {
        panic!("{:?}", kinds(&events));
    };
    assert_eq!((agent.name.as_str(), agent.version.as_str()), ("openclaw", "2026.9.6"));
    assert_eq!(answer(&events), ("the first answer", false));
    assert_eq!(output_tokens(&events), 3);
    assert!(events.iter().any(|event| matches!(event.kind, TurnEventKind::Delta { .. })));

    let asked = model.asked();
    let again = sandbox.run(1, PRIVATE, "SAY:something else").await;
    assert_eq!(again, events, "a known turn is answered from the journal");
    assert_eq!(sandbox.resume(1, 2).await, events[2..]);
    assert_eq!(model.asked(), asked, "and never runs twice");

    sandbox.run(2, PRIVATE, "SAY:and the second").await;
    assert!(model.last_request().contains("the first answer"), "memory is OpenClaw's");
}

async fn the_group_is_served_by_its_own_agent(sandbox: &Sandbox, model: &Model) {
    let events = sandbox.run(10, GROUP, "SAY:hello all").await;
    assert_eq!(answer(&events), ("hello all", false));
    let request = model.last_request();
    assert!(!request.contains("the first answer"), "a group sees no private session");
    assert!(!request.contains("\"exec\"") && !request.contains("\"read\""), "nor host tools");
}

/// In a session that has been used and in a new one; a turn that chooses none has the default.
async fn the_turn_chooses_the_model(sandbox: &Sandbox, model: &Model) {
    for (n, session) in [(11, PRIVATE), (13, "agent:main:hub:dm:2"), (15, GROUP)] {
        let events = sandbox.run_by(n, session, "maker/other").await;
        assert_eq!(answer(&events), ("by another", false));
        assert_eq!(model.last_name(), "maker/other", "{session}");
        sandbox.run(n + 1, session, "SAY:by the usual one").await;
        assert_eq!(model.last_name(), "stub", "{session}");
    }
    let asked = model.asked();
    let events = sandbox.run_by(17, PRIVATE, "maker/unknown").await;
    let end = &events.last().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Error { code: ErrorCode::Model, .. }), "{end:?}");
    assert_eq!(model.asked(), asked);
}

/// What was chosen before the death of all is not chosen any more.
async fn a_choice_ends_with_its_turn_also_after_a_crash(sandbox: &Sandbox, model: &Model) {
    sandbox.run(62, "agent:main:hub:dm:3", "SAY:by the usual one").await;
    assert_eq!(model.last_name(), "stub");
}

/// Both agents are asked to run a command; neither has the tool, and nothing runs.
async fn host_tools_are_refused(sandbox: &Sandbox) {
    let proof = sandbox.state().join("workspace/proof");
    let exec = format!(
        "TOOL:exec:{} ENDTOOL",
        serde_json::json!({"command": format!("touch {}", proof.display())})
    );
    for (n, session) in [(20, PRIVATE), (21, GROUP)] {
        let events = sandbox.run(n, session, &exec).await;
        assert!(has_tool(&events, "exec"), "the model asked: {events:?}");
        assert_eq!(answer(&events).0, "tool said: Tool exec not found");
        assert_eq!(output_tokens(&events), 6, "two calls of the model");
        assert!(!proof.exists());
    }
    let secret = sandbox.state().join("openclaw/openclaw.json");
    let read = serde_json::json!({"path": secret}).to_string();
    let events = sandbox.run(22, PRIVATE, &format!("TOOL:read:{read} ENDTOOL")).await;
    let (said, _) = answer(&events);
    assert!(said.contains("Path escapes"), "{said}");
    let events = sandbox.run(23, GROUP, &format!("TOOL:read:{read} ENDTOOL")).await;
    assert_eq!(answer(&events).0, "tool said: Tool read not found");
}

/// What a person types goes to OpenClaw as it is, and is no command there.
async fn chat_commands_open_nothing(sandbox: &Sandbox) {
    for (n, command) in [(30, "/bash id"), (31, "/config show")] {
        let events = sandbox.run(n, PRIVATE, &format!("{command} SAY:I have read it")).await;
        assert_eq!(answer(&events).0, "I have read it", "the model was to answer {command}");
    }
    sandbox.run(32, PRIVATE, "/exec security=full host=gateway ask=off").await;
    let events = sandbox.run(33, PRIVATE, "TOOL:exec:{\"command\":\"id\"} ENDTOOL").await;
    assert_eq!(answer(&events).0, "tool said: Tool exec not found");
}

async fn an_abort_keeps_the_partial_text(sandbox: &Sandbox) {
    let mut stream = sandbox.post(40, PRIVATE, "SLOW:100x100").await;
    stream.until_delta().await;
    assert_eq!(sandbox.abort(40).await, 202);
    let events = stream.finish().await;
    let (text, aborted) = answer(&events);
    assert!(aborted && text.starts_with("word0"), "{text}");
    assert!(!text.contains("word99"));
    assert_eq!(sandbox.acknowledge(40, events.len() as u64).await, 204);
    let again = sandbox.run(40, PRIVATE, "x").await;
    assert_eq!(again, events[events.len() - 1..], "only the end is kept");
}

/// At once, before the gateway can steer; in the middle; and twice under one id.
async fn what_is_steered_in_is_answered_with_the_rest(sandbox: &Sandbox) {
    let mut stream = sandbox.post(80, PRIVATE, "SLOW:20x100").await;
    assert_eq!(sandbox.steer(80, 1, "SAY:the early one").await, 202);
    stream.until_delta().await;
    assert_eq!(sandbox.steer(80, 2, "SAY:the middle one").await, 202);
    assert_eq!(sandbox.steer(80, 2, "SAY:the middle one").await, 202);
    let events = stream.finish().await;
    let (text, aborted) = answer(&events);
    assert!(!aborted && text.contains("word19"), "{text}");
    // Taken in together they are one message to the model, which answers the last one.
    assert_eq!(text.matches("the middle one").count(), 1, "{text}");
    assert_eq!(kinds(&events).iter().filter(|kind| **kind == "steered").count(), 2);
    assert_eq!(sandbox.steer(80, 2, "SAY:the middle one").await, 202);
    assert_eq!(sandbox.steer(80, 3, "SAY:late").await, 409);
}

/// Wherever the end falls: taken means answered, and refused means never said.
async fn what_is_steered_in_around_the_end_is_answered_or_refused(sandbox: &Sandbox) {
    for (n, wait) in [(81, 300), (82, 420), (83, 460), (84, 500), (85, 540), (86, 600)] {
        let mut stream = sandbox.post(n, PRIVATE, "SLOW:5x100").await;
        stream.until_delta().await;
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        let status = sandbox.steer(n, n, "SAY:around the end").await;
        let events = stream.finish().await;
        let (text, _) = answer(&events);
        let times = usize::from(status == 202);
        assert!(text.starts_with("word0") && [202, 409].contains(&status), "{status}: {text}");
        assert_eq!(text.matches("around the end").count(), times, "{wait} ms, {status}: {text}");
    }
}

async fn an_abort_takes_what_was_steered_in_along(sandbox: &Sandbox, model: &Model) {
    let mut stream = sandbox.post(87, PRIVATE, "SLOW:100x100").await;
    stream.until_delta().await;
    assert_eq!(sandbox.steer(87, 1, "SAY:never said").await, 202);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(sandbox.abort(87).await, 202);
    let events = stream.finish().await;
    let (text, aborted) = answer(&events);
    assert!(aborted && text.starts_with("word0"), "{text}");
    let asked = model.asked();
    let events = sandbox.run(88, PRIVATE, "SAY:the next turn").await;
    assert_eq!(answer(&events), ("the next turn", false));
    assert_eq!(model.asked(), asked + 1, "nothing else ran");
}

/// Killed before the gateway took it in: its transcript does not have it, and it is told again.
async fn what_is_steered_in_survives_the_death_of_the_gateway(sandbox: &Sandbox) {
    let mut stream = sandbox.post(89, PRIVATE, "SLOW:30x100").await;
    stream.until_delta().await;
    assert_eq!(sandbox.steer(89, 1, "SAY:not forgotten").await, 202);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    sandbox.kill_gateway();
    let events = stream.finish().await;
    let (text, aborted) = answer(&events);
    assert!(!aborted && text.contains("word29"), "{text}");
    assert_eq!(text.matches("not forgotten").count(), 1, "{text}");
}

async fn a_turn_survives_the_death_of_its_gateway(sandbox: &Sandbox, model: &Model) {
    let mut stream = sandbox.post(50, PRIVATE, "SLOW:30x100").await;
    stream.until_delta().await;
    let asked = model.asked();
    sandbox.kill_gateway();
    let events = stream.finish().await;
    let (text, aborted) = answer(&events);
    assert!(!aborted && text.ends_with("word29"), "{text}");
    assert_eq!(model.asked(), asked + 1, "resumed once, not also sent again");
}

async fn a_turn_survives_the_death_of_all(
    sandbox: Sandbox,
    runtime: &Path,
    state: &Path,
    model: &Model,
) -> Sandbox {
    let mut stream = sandbox.post(60, PRIVATE, "SLOW:30x100").await;
    stream.until_delta().await;
    assert_eq!(sandbox.steer(60, 1, "SAY:after all").await, 202);
    stream.until("steered").await;
    let (asked, seen) = (model.asked(), stream.seen());
    sandbox.kill().await;
    let sandbox = Sandbox::start(runtime, state, model).await;
    let events = sandbox.resume(60, seen).await;
    assert_eq!(events[0].seq, seen + 1, "no event is lost or told twice");
    let (text, _) = answer(&events);
    assert!(text.contains("word29"), "{text}");
    assert_eq!(text.matches("after all").count(), 1, "{text}");
    assert_eq!(model.asked(), asked + 2, "resumed once, told the rest once");
    assert_eq!(sandbox.unknown(turn_id(61)).await, 404);
    sandbox
}

async fn a_stop_ends_turns_and_leaves_no_process(mut sandbox: Sandbox) {
    let mut stream = sandbox.post(70, PRIVATE, "SLOW:100x100").await;
    stream.until_delta().await;
    sandbox.terminate();
    let events = stream.finish().await;
    assert!(answer(&events).1, "aborted, with what there was");
    assert!(sandbox.wait().await.success());
    assert_eq!(sandbox.processes(), Vec::<String>::new());
}

fn no_token_is_left_on_the_disk(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_token_is_left_on_the_disk(&path);
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let token = sandbox::TOKEN.as_bytes();
            let has_token = bytes.windows(token.len()).any(|window| window == token);
            assert!(!has_token, "{}", path.display());
        }
    }
}
