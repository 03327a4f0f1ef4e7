use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use zaki_envelope::{
    InboundId, Part, Timestamp,
    wire::{Decision, SteerRequest, TurnEvent},
};

use super::*;
use crate::{
    fake_gateway::{FakeGateway, Peer, SESSION, TOKEN},
    gateway::{State, protocol::Role},
    reminders::tests::plans,
    turn::{Accepted, Turns, tests::request},
};

#[path = "relay/choices_tests.rs"]
mod choices;
#[path = "relay/steered_tests.rs"]
mod steered;

const RESUMED: &str = "e3bf0455-9130-444c-9946-47a36c566621";

/// One turn, a fake gateway, and everything between.
struct Scene {
    turn: Arc<Turn>,
    request: TurnRequest,
    link: Arc<Link>,
    gateway: FakeGateway,
    choices: Arc<Choices>,
    patience: Patience,
    dir: tempfile::TempDir,
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
            choices: Arc::new(Choices::open(&dir.path().join("models.json")).unwrap()),
            patience: Patience::default(),
            dir,
        }
    }

    /// Runs the turn; the handle returns its events.
    fn run(&self, resumed: bool) -> JoinHandle<Vec<TurnEventKind>> {
        let (link, turn) = (Arc::clone(&self.link), Arc::clone(&self.turn));
        let choices = Arc::clone(&self.choices);
        let reminders = plans(&link, self.dir.path());
        let mut relay = Relay::new(link, choices, reminders, turn, self.request.clone());
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

/// Otherwise it would be sent under it until its time is over.
#[tokio::test]
async fn a_key_that_is_refused_at_once_is_looked_up_and_followed_by_another() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    for _ in 0..2 {
        let send = peer.expect("chat.send").await;
        assert_eq!(send["params"]["idempotencyKey"], scene.id());
        peer.refuse(&send, json!({"code": "UNAVAILABLE", "message": "Pending input"})).await;
        tell(&mut peer, json!({"messages": []})).await;
    }
    let send = peer.expect("chat.send").await;
    let second = key(scene.turn.id, None, 2);
    assert_eq!(send["params"]["idempotencyKey"], second);
    peer.answer(&send, started()).await;
    peer.chat(&second, "final", "hi").await;
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
async fn so_is_that_of_a_turn_that_was_followed_from_its_start() {
    let mut scene = Scene::new().await;
    scene.patience.look = Duration::from_millis(1);
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    tell(&mut peer, active(&[scene.user()])).await;
    tell(&mut peer, idle(&[scene.user(), said("unheard")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "unheard");
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
async fn what_the_agent_asks_is_shown_once_and_answered_by_nobody_here() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    let subject = json!({"command": "rm -rf /", "sessionKey": SESSION, "runId": scene.id(),
                         "allowedDecisions": ["allow-once", "deny"]});
    let asked = json!({"id": "a1", "request": subject, "expiresAtMs": 7});
    for _ in 0..2 {
        peer.event("exec.approval.requested", asked.clone()).await;
    }
    peer.chat(&scene.id(), "final", "no").await;
    let events = events.await.unwrap();
    let asked = TurnEventKind::Approval {
        id: "a1".into(),
        command: "rm -rf /".into(),
        decisions: vec![Decision::AllowOnce, Decision::Deny],
        expires_at: Some(Timestamp::from_ms(7)),
    };
    assert_eq!((events.len(), &events[1]), (3, &asked));
    scene.link.set(State::Starting);
    assert_eq!(peer.last_words().await, None, "the person answers, not we");
}

#[tokio::test]
async fn a_gateway_that_refuses_us_is_told_from_one_that_starts() {
    let link = Link::new();
    let gateway = FakeGateway::new(&link).await;
    let open = Connection::open(gateway.port(), "another token", Role::Turns, |_| {});
    let (refused, _) = tokio::join!(open, gateway.accept());
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("INVALID_REQUEST"), "{error}");
    assert!(!error.contains(TOKEN) && !error.contains("another token"));
}
