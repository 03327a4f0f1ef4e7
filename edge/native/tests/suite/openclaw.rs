//! Turns through a real OpenClaw with the offline model, where one is installed.

use std::fs;
use std::path::Path;

use axum::http::StatusCode;
use zaki_edge_native::{Edge, Exec, Price, RuntimeChoice};
use zaki_envelope::Part;
use zaki_envelope::wire::{
    ApprovalAnswer, Budget, Decision, ErrorCode, SteerRequest, TurnEvent, TurnEventKind,
    TurnRequest, Usage, UsageReport,
};

use crate::client::*;
use crate::sandboxes::*;

async fn edge(dir: &Path) -> Option<Edge> {
    let runtime = runtime()?;
    Some(Edge::start(config(dir, runtime)).await.unwrap())
}

async fn say(edge: &Edge, n: u128, text: &str) -> Vec<TurnEvent> {
    run(&edge.router(), user(1), &request(turn(n), text)).await
}

fn words(count: usize) -> String {
    let words: Vec<String> = (0..count).map(|n| format!("word{n}")).collect();
    words.join(" ")
}

#[tokio::test]
async fn openclaw_answers_remembers_and_streams() {
    let dir = directory();
    let Some(edge) = edge(dir.path()).await else {
        return;
    };
    let first = say(&edge, 1, "my name is Layla").await;
    assert!(matches!(first[0].kind, TurnEventKind::Waking { .. }), "{first:?}");
    assert_eq!(first[0].seq, 0);
    let told: Vec<&TurnEvent> = first.iter().filter(|event| event.seq > 0).collect();
    assert_eq!(told[0].seq, 1, "the sandbox counts from 1 and nobody renumbers");
    let TurnEventKind::Started { agent } = &told[0].kind else { panic!("{first:?}") };
    assert_eq!((agent.name.as_str(), agent.version.as_str()), ("openclaw", "2026.9.6"));
    let quoted = r#"[offline model] You said: "my name is Layla" (message 1 of this session)"#;
    assert_eq!(answer(&first), quoted);

    let second = say(&edge, 2, "What is my name?").await;
    assert!(answer(&second).contains("is Layla"), "{}", answer(&second));
    assert!(second.iter().all(|event| event.seq > 0), "no waking when it is awake");

    let slow = say(&edge, 3, "SLOW:6x50").await;
    let deltas = slow.iter().filter(|event| matches!(event.kind, TurnEventKind::Delta { .. }));
    assert!(deltas.count() >= 2, "{slow:?}");
    assert_eq!(answer(&slow), words(6));

    // A tool the agent does not have is refused by OpenClaw, and the model is told so.
    let tool = say(&edge, 4, r#"TOOL:exec:{"command":"id"} ENDTOOL"#).await;
    let said = answer(&tool);
    assert!(said.contains("The tool said") && !said.contains("uid="), "{said}");
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test]
async fn a_turn_goes_on_after_its_edge_was_killed_and_runs_once() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let victim = Victim::start(dir.path(), "SLOW:40x100", Gateway::Real);
    let seen = dir.path().join("seen");
    let seq = |text: String| text.parse::<u64>().ok().filter(|seq| *seq >= 4);
    let last = until("some words", || fs::read_to_string(&seen).ok().and_then(seq)).await;
    victim.kill();

    let edge = Edge::start(config(dir.path(), runtime)).await.unwrap();
    let path = format!("/v1/users/{}/turns/{}/steer", user(1), turn(1));
    let said = SteerRequest { steer: inbound(1), parts: vec![Part::text("SAY:and more")] };
    let said = serde_json::to_vec(&said).unwrap();
    for _ in 0..2 {
        let steered = call(&edge.router(), signed("POST", &path, said.clone())).await;
        assert_eq!(steered.0, StatusCode::ACCEPTED);
    }
    let rest = resume(&edge.router(), user(1), turn(1), last).await;
    assert_eq!(answer(&rest), format!("{}\n\nand more", words(40)));
    assert!(rest.iter().all(|event| event.seq == 0 || event.seq > last));
    // The whole request once more, as a hub does that is not sure: the same end, no second run.
    let again = say(&edge, 1, "SLOW:40x100").await;
    assert_eq!(again.last(), rest.last());
    let next = say(&edge, 2, "hello").await;
    assert!(answer(&next).contains("message 3 of this session"), "{}", answer(&next));
    edge.shutdown().await;
}

#[tokio::test]
async fn a_turn_goes_on_after_its_sandbox_was_killed() {
    let dir = directory();
    let Some(edge) = edge(dir.path()).await else {
        return;
    };
    answer(&say(&edge, 1, "hello").await);
    let router = edge.router();
    let asked = request(turn(2), "SLOW:40x100");
    let running = run(&router, user(1), &asked);
    let killing = async {
        let deltas = |event: &TurnEvent| event.seq >= 4;
        let path = format!("/v1/users/{}/turns/{}", user(1), turn(2));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        events_until(&router, signed("GET", &path, vec![]), deltas).await;
        kill(containers(dir.path()).pop().unwrap().pid);
    };
    let (events, ()) = tokio::join!(running, killing);
    assert!(answer(&events).contains("word39"), "{:?}", events.last());
    assert!(events.iter().any(|event| event.seq == 0), "it woke again");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_turn_goes_on_after_its_edge_was_shut_down() {
    let dir = directory();
    let Some(first) = edge(dir.path()).await else { return };
    let asked = serde_json::to_vec(&request(turn(1), "SLOW:40x100")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), asked);
    events_until(&first.router(), asked, |event| event.seq >= 4).await;
    first.shutdown().await;
    nothing_is_left(dir.path()).await;

    let second = edge(dir.path()).await.unwrap();
    let rest = resume(&second.router(), user(1), turn(1), 0).await;
    assert!(answer(&rest).contains("word39"), "{:?}", rest.last());
    second.shutdown().await;
}

#[tokio::test]
async fn a_turn_can_be_stopped() {
    let dir = directory();
    let Some(edge) = edge(dir.path()).await else {
        return;
    };
    let router = edge.router();
    let asked = request(turn(1), "SLOW:1000x100");
    let running = run(&router, user(1), &asked);
    let stopping = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let path = format!("/v1/users/{}/turns/{}", user(1), turn(1));
        let some = |event: &TurnEvent| event.seq >= 3;
        events_until(&router, signed("GET", &path, vec![]), some).await;
        let abort = signed("POST", &format!("{path}/abort"), vec![]);
        assert_eq!(call(&router, abort).await.0, StatusCode::ACCEPTED);
    };
    let (events, ()) = tokio::join!(running, stopping);
    let end = &events.last().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Final { aborted: true, .. }), "{end:?}");
    edge.shutdown().await;
}

/// What the person is asked, what it costs them and by which model, all in one gateway.
#[tokio::test]
async fn the_person_is_asked_chooses_and_is_metered() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let mut config = config(dir.path(), runtime);
    if let RuntimeChoice::Process(process) = &mut config.runtime {
        process.exec = Exec::Ask;
    }
    let price = |factor| Price::per_million(factor, 2.0 * factor, None).unwrap();
    config.choices = vec!["dear".to_owned()];
    config.prices = [("offline".to_owned(), price(1.0)), ("dear".to_owned(), price(10.0))].into();
    let edge = Edge::start(config).await.unwrap();
    what_a_turn_used_is_what_was_metered(&edge).await;
    a_turn_ends_when_nothing_is_left(&edge).await;
    if is_root() {
        a_command_waits_for_its_answer(&edge).await;
    } else {
        println!("SKIPPED: agents run commands only where sandboxes have users of their own");
    }
    edge.shutdown().await;
}

fn usage(events: &[TurnEvent]) -> Usage {
    match &events.last().unwrap().kind {
        TurnEventKind::Final { usage, .. } => *usage,
        other => panic!("{other:?}"),
    }
}

async fn used(edge: &Edge) -> Usage {
    let path = format!("/v1/users/{}/usage", user(1));
    let (_, body) = call(&edge.router(), signed("GET", &path, vec![])).await;
    serde_json::from_slice::<UsageReport>(&body).unwrap().day
}

async fn what_a_turn_used_is_what_was_metered(edge: &Edge) {
    let router = edge.router();
    let first = usage(&run(&router, user(1), &request(turn(1), "hello")).await);
    assert!(first.input_tokens > 1_000 && first.output_tokens > 5, "{first:?}");
    let cost = |usage: Usage, factor| factor * (usage.input_tokens + 2 * usage.output_tokens);
    assert_eq!(first.cost_micros, cost(first, 1));
    let dear = TurnRequest { model: Some("dear".into()), ..request(turn(2), "hello again") };
    let dear = usage(&run(&router, user(1), &dear).await);
    assert_eq!(dear.cost_micros, cost(dear, 10));
    let usual = usage(&run(&router, user(1), &request(turn(3), "and again")).await);
    assert_eq!(usual.cost_micros, cost(usual, 1));
    let sum = first + dear + usual;
    for _ in 0..500 {
        if used(edge).await == sum {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?} is not {sum:?}", used(edge).await);
}

/// The second call of a turn, with the tool's answer, is beyond what is left.
async fn a_turn_ends_when_nothing_is_left(edge: &Edge) {
    let budget = Budget { tokens: Some(1), ..Budget::default() };
    let call = r#"TOOL:read:{"path":"nothing"} ENDTOOL"#;
    let spent = TurnRequest { budget, ..request(turn(10), call) };
    let began = std::time::Instant::now();
    let events = run(&edge.router(), user(1), &spent).await;
    let end = &events.last().unwrap().kind;
    let TurnEventKind::Error { code: ErrorCode::Budget, usage, .. } = end else {
        panic!("{events:?}")
    };
    assert!(usage.input_tokens > 1_000);
    println!("the budget ended the turn after {:?}", began.elapsed());
    let next = run(&edge.router(), user(1), &request(turn(11), "SAY:the next turn")).await;
    assert_eq!(answer(&next), "the next turn", "the model is not held to be broken");
}

async fn decide(edge: &Edge, approval: &str, decision: Decision) -> StatusCode {
    let path = format!("/v1/users/{}/approvals/{approval}", user(1));
    let body = serde_json::to_vec(&ApprovalAnswer { decision }).unwrap();
    call(&edge.router(), signed("POST", &path, body)).await.0
}

/// Has the agent run `command` in turn `n`, answers what it asks, and returns what it says.
async fn exec(edge: &Edge, n: u128, command: &str, decision: Option<Decision>) -> String {
    let call = serde_json::json!({ "command": command });
    let asked = request(turn(n), &format!("TOOL:exec:{call} ENDTOOL"));
    let body = serde_json::to_vec(&asked).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    let is_it = |event: &TurnEvent| {
        event.kind.is_end() || matches!(event.kind, TurnEventKind::Approval { .. })
    };
    let events = events_until(&edge.router(), asked, is_it).await;
    if let (TurnEventKind::Approval { id, command: told, decisions, expires_at }, Some(decision)) =
        (&events.last().unwrap().kind, decision)
    {
        assert_eq!(told, command);
        assert!(decisions.contains(&Decision::AllowOnce) && decisions.contains(&Decision::Deny));
        assert!(expires_at.unwrap() > now());
        let half = id.split_at(id.len() / 2).0;
        assert_eq!(decide(edge, half, decision).await, StatusCode::NOT_FOUND);
        for _ in 0..2 {
            assert_eq!(decide(edge, id, decision).await, StatusCode::NO_CONTENT);
        }
        let other = if decision == Decision::Deny { Decision::AllowOnce } else { Decision::Deny };
        assert_eq!(decide(edge, id, other).await, StatusCode::CONFLICT);
    } else {
        assert_eq!(decision, None, "it did not ask: {events:?}");
    }
    answer(&resume(&edge.router(), user(1), turn(n), 0).await).to_owned()
}

async fn a_command_waits_for_its_answer(edge: &Edge) {
    let allowed = exec(edge, 20, "echo zaki-was-here", Some(Decision::AllowOnce)).await;
    assert!(allowed.contains("The tool said: zaki-was-here"), "{allowed}");
    let denied = exec(edge, 21, "echo zaki-was-here", Some(Decision::Deny)).await;
    assert!(!denied.contains("The tool said: zaki-was-here"), "{denied}");
    let always = exec(edge, 22, "echo zaki-was-here", Some(Decision::AllowAlways)).await;
    assert!(always.contains("The tool said: zaki-was-here"), "{always}");
    let again = exec(edge, 23, "echo zaki-was-here", None).await;
    assert!(again.contains("The tool said: zaki-was-here"), "{again}");
}

/// The state letter of a process (proc_pid_stat(5)).
fn letter(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Every process of the sandbox that runs under this user id.
fn processes_of(uid: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let theirs = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with(&format!("Uid:\t{uid}\t")))
    };
    pids.filter(theirs).collect()
}

/// Who waits outside of a jail for its end.
fn waits(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    program.ends_with(b"bwrap") && numbers.is_some_and(|it| it.split_whitespace().count() == 1)
}

#[tokio::test]
async fn openclaw_rests_frozen_then_stopped_and_remembers_either_way() {
    let (dir, Some(runtime)) = (directory(), runtime()) else { return };
    if !is_root() {
        println!("SKIPPED: whose process is whose is told by user ids, which takes root");
        return;
    }
    let mut config = config(dir.path(), runtime);
    config.freeze_after = Some(std::time::Duration::from_secs(1));
    config.stop_after = Some(std::time::Duration::from_secs(12));
    let edge = Edge::start(config).await.unwrap();
    answer(&say(&edge, 1, "my name is Layla").await);
    let uid = containers(dir.path())[0].status("Uid");
    let uid = uid.split_whitespace().next().unwrap().to_owned();
    let all_held = || {
        let mut pids = processes_of(&uid);
        pids.retain(|pid| !waits(*pid));
        let held = pids.iter().all(|pid| letter(*pid) == Some('T'));
        (held && pids.len() > 2).then_some(pids.len())
    };
    for n in 0..2 {
        let count = until("a frozen OpenClaw", all_held).await;
        let asked = std::time::Instant::now();
        let path = format!("/v1/users/{}/turns", user(1));
        let request = serde_json::to_vec(&request(turn(10 + n), "What is my name?")).unwrap();
        let first = |event: &TurnEvent| matches!(event.kind, TurnEventKind::Delta { .. });
        let events =
            events_until(&edge.router(), signed("POST", &path, request.clone()), first).await;
        println!("{count} processes frozen; first delta after {:?}", asked.elapsed());
        assert!(events.iter().all(|event| event.seq > 0), "no waking: {events:?}");
        let rest = resume(&edge.router(), user(1), turn(10 + n), 0).await;
        assert!(answer(&rest).contains("is Layla"), "{}", answer(&rest));
        // While it is up: what the agent itself takes.
        let asked = std::time::Instant::now();
        say(&edge, 30 + n, "What is my name?").await;
        println!("awake: answered after {:?}", asked.elapsed());
    }
    until("a sandbox at rest", || (edge.load().sandboxes == 0).then_some(())).await;
    // Who waited outside is gone once the edge has heard of it.
    until("the end of all processes", || processes_of(&uid).is_empty().then_some(())).await;
    let again = say(&edge, 99, "What is my name?").await;
    if let Some(TurnEventKind::Error { .. }) = again.last().map(|event| &event.kind) {
        let state = fs::read_dir(dir.path().join("data/sandboxes")).unwrap().flatten().next();
        let said = state.unwrap().path().join("logs/gateway.out");
        println!("the gateway said: {}", fs::read_to_string(said).unwrap_or_default());
    }
    assert!(answer(&again).contains("is Layla"), "{}", answer(&again));
    assert!(again.iter().any(|event| event.seq == 0), "it woke: {again:?}");
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}
