use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use zaki_envelope::{
    InboundId, Part, Timestamp,
    wire::{SteerRequest, TurnEvent},
};

use super::*;
use crate::{
    fake_gateway::{FakeGateway, Peer, SESSION, TOKEN},
    gateway::State,
    turn::{Accepted, Turns, tests::request},
};

const RESUMED: &str = "e3bf0455-9130-444c-9946-47a36c566621";

/// One turn, a fake gateway, and everything between.
struct Scene {
    turn: Arc<Turn>,
    request: TurnRequest,
    link: Arc<Link>,
    gateway: FakeGateway,
    patience: Patience,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (turns, _) = Turns::open(dir.path()).unwrap();
        let request = request(1);
        let Accepted::New(turn) = turns.accept(&request).unwrap() else {
            panic!("a new turn");
        };
        let link = Link::new();
        Self {
            turn,
            request,
            gateway: FakeGateway::new(&link).await,
            link,
            patience: Patience::default(),
            _dir: dir,
        }
    }

    /// Runs the turn; the handle returns its events.
    fn run(&self, resumed: bool) -> JoinHandle<Vec<TurnEventKind>> {
        let (link, turn) = (Arc::clone(&self.link), Arc::clone(&self.turn));
        let mut relay = Relay::new(link, turn, self.request.clone());
        relay.patience = self.patience;
        tokio::spawn(relay.run(resumed));
        let events = Arc::clone(&self.turn).events_after(0);
        tokio::spawn(events.map(|event: TurnEvent| event.kind).collect())
    }

    fn id(&self) -> String {
        self.turn.id.to_string()
    }

    async fn take(&self, peer: &mut Peer) {
        let send = peer.expect("chat.send").await;
        assert_eq!(send["params"]["idempotencyKey"], self.id());
        assert_eq!(send["params"]["sessionKey"], SESSION);
        assert_eq!(send["params"]["message"], "hello");
        peer.answer(&send, started()).await;
    }

    /// Says something more, as the edge hands it over.
    async fn steer(&self, n: u128, text: &str) -> bool {
        let steer = inbound(n);
        let request = SteerRequest { steer, parts: vec![Part::text(text)] };
        self.turn.steer(&request).await.unwrap()
    }

    fn key(&self, n: u128, attempt: u32) -> String {
        key(self.turn.id, Some(inbound(n)), attempt)
    }

    /// The gateway is told what was steered in.
    async fn take_steered(&self, peer: &mut Peer, n: u128, attempt: u32) -> String {
        let send = peer.expect("chat.send").await;
        let key = self.key(n, attempt);
        assert_eq!(send["params"]["idempotencyKey"], key);
        assert_eq!(send["params"]["queueMode"], "steer");
        peer.answer(&send, started()).await;
        key
    }

    /// The row of a steered message.
    fn added(&self, n: u128, attempt: u32) -> Value {
        let key = self.key(n, attempt);
        json!({"role": "user", "content": "and", "idempotencyKey": format!("{key}:user")})
    }

    fn user(&self) -> Value {
        json!({"role": "user", "content": "hello", "idempotencyKey": format!("{}:user", self.id())})
    }
}

fn inbound(n: u128) -> InboundId {
    InboundId::from_parts(Timestamp::from_ms(1), n)
}

fn said(text: &str) -> Value {
    json!({"role": "assistant", "content": text, "stopReason": "stop"})
}

fn active(rows: &[Value]) -> Value {
    json!({"messages": rows, "sessionInfo": {"hasActiveRun": true}})
}

fn idle(rows: &[Value]) -> Value {
    json!({"messages": rows, "sessionInfo": {"hasActiveRun": false}})
}

fn started() -> Value {
    json!({"status": "started"})
}

async fn tell(peer: &mut Peer, history: Value) {
    let asked = peer.expect("chat.history").await;
    assert_eq!(asked["params"]["sessionKey"], SESSION);
    peer.answer(&asked, history).await;
}

fn text_of(end: Option<&TurnEventKind>) -> &str {
    match end {
        Some(TurnEventKind::Final { text, aborted: false, .. }) => text,
        other => panic!("no answer: {other:?}"),
    }
}

fn code_of(end: Option<&TurnEventKind>) -> ErrorCode {
    match end {
        Some(TurnEventKind::Error { code, .. }) => *code,
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_yet_is_asked_again() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    let send = peer.expect("chat.send").await;
    let busy = json!({"code": "UNAVAILABLE", "retryable": true, "retryAfterMs": 1});
    peer.refuse(&send, busy).await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "final", "hi").await;
    let events = events.await.unwrap();
    assert!(matches!(&events[0], TurnEventKind::Started { agent } if agent.version == "2026.9.6"));
    assert_eq!((events.len(), text_of(events.last())), (2, "hi"));
}

#[tokio::test]
async fn a_lost_connection_is_caught_up_and_the_resumed_run_answers() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "old").await;
    peer.hang_up().await;

    let mut peer = scene.gateway.connect().await;
    let active = json!({"messages": [scene.user()], "sessionInfo": {"hasActiveRun": true}});
    tell(&mut peer, active).await;
    peer.chat(RESUMED, "delta", "new").await;
    peer.chat(RESUMED, "final", "new").await;
    let events = events.await.unwrap();
    let void = TurnEventKind::Delta { text: "new".into(), replace: true };
    assert_eq!((events.len(), &events[2]), (4, &void));
    assert_eq!(text_of(events.last()), "new");
}

#[tokio::test]
async fn a_turn_that_never_arrived_is_sent_again_and_one_that_ended_is_not() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    peer.expect("chat.send").await;
    peer.hang_up().await;
    let mut peer = scene.gateway.connect().await;
    tell(&mut peer, json!({"messages": []})).await;
    scene.take(&mut peer).await;
    peer.hang_up().await;

    let mut peer = scene.gateway.connect().await;
    let answer = json!({"role": "assistant", "content": "done", "stopReason": "stop"});
    tell(&mut peer, json!({"messages": [scene.user(), answer]})).await;
    assert_eq!(text_of(events.await.unwrap().last()), "done");
    scene.link.set(State::Starting);
    assert_eq!(peer.last_words().await, None);
}

#[tokio::test]
async fn a_key_the_gateway_knows_is_looked_up_not_run() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    let send = peer.expect("chat.send").await;
    peer.answer(&send, json!({"status": "ok"})).await;
    let answer = json!({"role": "assistant", "content": "before", "stopReason": "stop"});
    tell(&mut peer, json!({"messages": [scene.user(), answer]})).await;
    assert_eq!(text_of(events.await.unwrap().last()), "before");
}

#[tokio::test]
async fn a_key_whose_answer_is_kept_nowhere_is_an_error_not_a_loop() {
    let scene = Scene::new().await;
    let events = scene.run(true);
    let mut peer = scene.gateway.connect().await;
    tell(&mut peer, json!({"messages": []})).await;
    let send = peer.expect("chat.send").await;
    peer.answer(&send, json!({"status": "ok"})).await;
    assert_eq!(code_of(events.await.unwrap().last()), ErrorCode::Agent);
}

/// As captured: a gateway that died with the message before it was in the transcript refuses its
/// key for good, in the words of one that is not ready.
#[tokio::test]
async fn a_key_that_is_spent_is_followed_by_another() {
    let scene = Scene::new().await;
    let events = scene.run(true);
    let mut peer = scene.gateway.connect().await;
    for attempt in [1, 2] {
        tell(&mut peer, json!({"messages": []})).await;
        let send = peer.expect("chat.send").await;
        assert_eq!(send["params"]["idempotencyKey"], key(scene.turn.id, None, attempt));
        peer.refuse(&send, json!({"code": "UNAVAILABLE", "message": "Pending input"})).await;
    }
    tell(&mut peer, json!({"messages": []})).await;
    let send = peer.expect("chat.send").await;
    let third = key(scene.turn.id, None, 3);
    assert_eq!(send["params"]["idempotencyKey"], third);
    peer.answer(&send, started()).await;
    peer.chat(&third, "final", "hi").await;
    assert_eq!(text_of(events.await.unwrap().last()), "hi");
}

#[tokio::test]
async fn a_turn_with_much_to_do_is_found_far_back() {
    let scene = Scene::new().await;
    let events = scene.run(true);
    let mut peer = scene.gateway.connect().await;
    let call = json!({"role": "assistant", "content": "", "stopReason": "toolUse"});
    let mut rows = vec![call; ROWS - 1];
    rows.push(said("done"));
    tell(&mut peer, json!({"messages": rows.clone()})).await;
    let asked = peer.expect("chat.history").await;
    assert_eq!(asked["params"]["limit"], MORE_ROWS);
    rows.insert(0, scene.user());
    peer.answer(&asked, json!({"messages": rows})).await;
    assert_eq!(text_of(events.await.unwrap().last()), "done");
}

#[tokio::test]
async fn an_end_that_was_missed_is_found_by_looking() {
    let mut scene = Scene::new().await;
    scene.patience.look = Duration::from_millis(1);
    let events = scene.run(true);
    let mut peer = scene.gateway.connect().await;
    let active = json!({"messages": [scene.user()], "sessionInfo": {"hasActiveRun": true}});
    tell(&mut peer, active.clone()).await;
    tell(&mut peer, active).await;
    let answer = json!({"role": "assistant", "content": "late", "stopReason": "stop"});
    tell(&mut peer, json!({"messages": [scene.user(), answer]})).await;
    assert_eq!(text_of(events.await.unwrap().last()), "late");
}

#[tokio::test]
async fn what_the_gateway_heard_and_never_began_is_sent_once_more() {
    let mut scene = Scene::new().await;
    scene.patience.resume = Duration::ZERO;
    let events = scene.run(true);
    let mut peer = scene.gateway.connect().await;
    tell(&mut peer, json!({"messages": [scene.user()]})).await;
    let send = peer.expect("chat.send").await;
    let key = key(scene.turn.id, None, 2);
    assert_eq!(send["params"]["idempotencyKey"], key);
    peer.answer(&send, started()).await;
    peer.chat(&key, "final", "at last").await;
    assert_eq!(text_of(events.await.unwrap().last()), "at last");
}

#[tokio::test]
async fn what_the_gateway_began_and_gave_up_is_an_error_and_is_not_sent_again() {
    let mut scene = Scene::new().await;
    scene.patience.resume = Duration::ZERO;
    let events = scene.run(true);
    let mut peer = scene.gateway.connect().await;
    let call = json!({"role": "assistant", "content": "", "stopReason": "toolUse"});
    tell(&mut peer, json!({"messages": [scene.user(), call]})).await;
    assert_eq!(code_of(events.await.unwrap().last()), ErrorCode::Agent);
    scene.link.set(State::Starting);
    assert_eq!(peer.last_words().await, None);
}

#[tokio::test]
async fn an_abort_ends_with_what_there_was() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "half").await;
    scene.turn.abort.cancel();
    let abort = peer.expect("chat.abort").await;
    assert_eq!(abort["params"], json!({"sessionKey": SESSION, "runId": scene.id()}));
    peer.chat(&scene.id(), "aborted", "half").await;
    let events = events.await.unwrap();
    let Some(TurnEventKind::Final { text, aborted, .. }) = events.last() else {
        panic!("aborted turns have a final");
    };
    assert_eq!((text.as_str(), *aborted), ("half", true));
}

#[tokio::test]
async fn an_abort_before_the_gateway_is_up_sends_nothing() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    scene.turn.abort.cancel();
    let events = events.await.unwrap();
    assert!(matches!(events[..], [TurnEventKind::Final { aborted: true, .. }]));
}

#[tokio::test]
async fn the_watchdog_aborts_a_run_that_never_ends() {
    let mut scene = Scene::new().await;
    scene.request.budget.timeout_ms = 1;
    scene.patience.grace = Duration::from_millis(300);
    scene.patience.abort = Duration::from_millis(1);
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.expect("chat.abort").await;
    assert_eq!(code_of(events.await.unwrap().last()), ErrorCode::Timeout);
}

#[tokio::test]
async fn a_gateway_that_cannot_start_is_the_sandboxs_error() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    scene.link.set(State::Failed("no disk".into()));
    assert_eq!(code_of(events.await.unwrap().last()), ErrorCode::Sandbox);

    let mut slow = Scene::new().await;
    slow.request.budget.timeout_ms = 1;
    slow.patience.grace = Duration::from_millis(1);
    let events = slow.run(false);
    assert_eq!(code_of(events.await.unwrap().last()), ErrorCode::Sandbox);
}

#[tokio::test]
async fn approvals_are_shown_and_denied() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    let subject = json!({"command": "rm -rf /", "sessionKey": SESSION, "runId": scene.id()});
    let asked = json!({"id": "a1", "request": subject});
    peer.event("exec.approval.requested", asked).await;
    let resolve = peer.expect("exec.approval.resolve").await;
    assert_eq!(resolve["params"], json!({"id": "a1", "decision": "deny"}));
    peer.chat(&scene.id(), "final", "no").await;
    let events = events.await.unwrap();
    assert!(matches!(&events[1], TurnEventKind::Approval { id, .. } if id == "a1"));
}

#[tokio::test]
async fn a_gateway_that_refuses_us_is_told_from_one_that_starts() {
    let link = Link::new();
    let gateway = FakeGateway::new(&link).await;
    let open = Connection::open(gateway.port(), "another token", |_| {});
    let (refused, _) = tokio::join!(open, gateway.accept());
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("INVALID_REQUEST"), "{error}");
    assert!(!error.contains(TOKEN) && !error.contains("another token"));
}

/// As captured: B ends empty when the run takes it in, the answer is in the final of A.
#[tokio::test]
async fn what_is_steered_in_is_answered_in_the_same_turn() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    assert!(scene.steer(1, "and").await && scene.steer(1, "and").await);
    peer.chat(&scene.id(), "delta", "one").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.empty_final(&b).await;
    peer.chat(&scene.id(), "final", "one\n\ntwo").await;
    tell(&mut peer, idle(&[scene.user(), said("one "), scene.added(1, 1), said("two")])).await;
    let events = events.await.unwrap();
    assert_eq!(text_of(events.last()), "one\n\ntwo");
    let told = |kind: &&TurnEventKind| matches!(kind, TurnEventKind::Steered { .. });
    assert_eq!(events.iter().filter(told).count(), 1);
    assert!(!scene.steer(2, "late").await && scene.steer(1, "and").await);
}

/// As captured: too early to be steered, it is answered by a run of the gateway's own.
#[tokio::test]
async fn what_waited_for_the_end_of_the_run_is_waited_for() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "and").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.empty_final(&b).await;
    peer.chat(&scene.id(), "final", "one").await;
    // For a moment nothing seems to go on.
    tell(&mut peer, idle(&[scene.user(), said("one")])).await;
    tell(&mut peer, active(&[scene.user(), said("one"), scene.added(1, 1)])).await;
    peer.chat(RESUMED, "delta", "two").await;
    peer.chat(RESUMED, "final", "two").await;
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    let events = events.await.unwrap();
    assert_eq!(text_of(events.last()), "one\n\ntwo");
    let shown = TurnEventKind::Delta { text: "one\n\ntwo".into(), replace: true };
    assert!(events.contains(&shown), "{events:?}");
}

/// As captured: the run has just ended, and what was to be steered becomes a run of its own.
#[tokio::test]
async fn what_became_a_run_of_its_own_belongs_to_the_turn() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "and").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.chat(&scene.id(), "final", "one").await;
    tell(&mut peer, active(&[scene.user(), said("one"), scene.added(1, 1)])).await;
    peer.chat(&b, "delta", "two").await;
    peer.chat(&b, "final", "two").await;
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo");
}

/// Steered in before the model was asked: it is held back until it can be taken in, or until the
/// run has ended without that.
#[tokio::test]
async fn what_is_steered_in_too_early_is_told_later() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    scene.steer(1, "and").await;
    peer.chat(&scene.id(), "final", "one").await;
    tell(&mut peer, idle(&[scene.user(), said("one")])).await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.chat(&b, "final", "two").await;
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo");
}

/// As captured: a gateway that dies forgets what it has not taken in, and refuses its key.
#[tokio::test]
async fn what_a_dead_gateway_forgot_is_told_again_and_nothing_else_is() {
    let scene = Scene::new().await;
    scene.link.count_gateway();
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "first").await;
    scene.take_steered(&mut peer, 1, 1).await;
    scene.steer(2, "second").await;
    scene.take_steered(&mut peer, 2, 1).await;
    scene.link.count_gateway();
    peer.hang_up().await;

    let mut peer = scene.gateway.connect().await;
    let rows = [scene.user(), said("one"), scene.added(1, 1)];
    tell(&mut peer, active(&rows)).await;
    peer.chat(RESUMED, "delta", "two").await;
    // A third attempt, should the second one's key be spent as well.
    let send = peer.expect("chat.send").await;
    assert_eq!(send["params"]["idempotencyKey"], scene.key(2, 2));
    peer.refuse(&send, json!({"code": "UNAVAILABLE", "message": "Pending input"})).await;
    let c = scene.take_steered(&mut peer, 2, 3).await;
    peer.empty_final(&c).await;
    peer.chat(RESUMED, "final", "two\n\nthree").await;
    let rows = [&rows[..], &[said("two"), scene.added(2, 3), said("three")]].concat();
    tell(&mut peer, idle(&rows)).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo\n\nthree");
}

#[tokio::test]
async fn a_connection_lost_to_a_gateway_that_lives_tells_it_nothing_twice() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "and").await;
    scene.take_steered(&mut peer, 1, 1).await;
    peer.hang_up().await;

    let mut peer = scene.gateway.connect().await;
    tell(&mut peer, active(&[scene.user()])).await;
    peer.chat(&scene.id(), "delta", "more").await;
    peer.chat(&scene.id(), "final", "one\n\ntwo").await;
    // The next call is the look at the end, not a second telling.
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo");
}

#[tokio::test]
async fn an_abort_takes_what_waits_along() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "half").await;
    scene.steer(1, "and").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    scene.turn.abort.cancel();
    for run in [&b, &scene.id()] {
        let abort = peer.expect("chat.abort").await;
        assert_eq!(abort["params"], json!({"sessionKey": SESSION, "runId": run}));
    }
    peer.chat(&b, "aborted", "").await;
    peer.chat(&scene.id(), "aborted", "half").await;
    let events = events.await.unwrap();
    let Some(TurnEventKind::Final { text, aborted: true, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(text, "half");
}

/// What was steered in between the last look and the end is not lost: the turn goes on.
#[tokio::test]
async fn the_end_gives_way_to_what_comes_just_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let Accepted::New(turn) = turns.accept(&request(1)).unwrap() else { panic!("a new turn") };
    let steer = SteerRequest { steer: inbound(1), parts: vec![Part::text("and")] };
    assert!(turn.steer(&steer).await.unwrap());
    let usage = zaki_envelope::wire::Usage::default();
    let end = TurnEventKind::Final { text: "one".into(), usage, aborted: false };
    assert!(!turn.finish(end.clone(), 0).await && turn.end().is_none());
    assert!(turn.finish(end, 1).await && turn.end().is_some());
}
