use futures::StreamExt;
use zaki_edge_core::turn::{KEPT_MS, KNOWN_MS};
use zaki_envelope::wire::{Budget, Origin, Usage};
use zaki_envelope::{ChannelKind, ConversationKind, Part, SandboxKind, SessionKey, Timestamp};

use super::*;

fn user() -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1), 1)
}

fn request() -> TurnRequest {
    TurnRequest {
        turn: TurnId::from_parts(Timestamp::from_ms(1), 1),
        sandbox: SandboxKind::Personal,
        session: SessionKey::direct(1),
        parts: vec![Part::text("x")],
        origin: Origin { channel: ChannelKind::Slack, conversation: ConversationKind::Direct },
        budget: Budget::default(),
        trace: None,
    }
}

fn sandbox() -> SandboxName {
    SandboxName::new(user(), &SandboxKind::Personal).unwrap()
}

fn turn() -> Arc<Turn> {
    Arc::new(Turn::new(user(), sandbox(), request()))
}

fn delta(seq: u64) -> TurnEvent {
    let text = format!("{seq} ");
    let replace = false;
    TurnEvent { seq, kind: TurnEventKind::Delta { text, replace } }
}

fn done(seq: u64) -> TurnEvent {
    let kind = TurnEventKind::Final { text: "all".into(), usage: Usage::default(), aborted: false };
    TurnEvent { seq, kind }
}

#[tokio::test]
async fn a_slow_reader_misses_no_text() {
    let turn = turn();
    let mut events = Box::pin(turn.clone().events(0));
    turn.push(delta(1));
    assert_eq!(events.next().await.unwrap().seq, 1);
    for seq in 2..1_000 {
        turn.push(delta(seq));
    }
    let caught_up = events.next().await.unwrap();
    let TurnEventKind::Delta { text, replace: true } = &caught_up.kind else {
        panic!("{caught_up:?}")
    };
    assert_eq!((caught_up.seq, text.split_whitespace().count()), (999, 999));
    turn.push(done(1_000));
    assert_eq!(*events.next().await.unwrap(), done(1_000));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn every_reader_sees_the_end_and_a_released_one_sees_none() {
    let turn = turn();
    turn.waking(WakeStage::Starting);
    let late = turn.clone().events(0);
    let released = turn.clone().events(0);
    let seen = tokio::spawn(async move { late.map(|e| e.seq).collect::<Vec<_>>().await });
    let cut = tokio::spawn(async move { released.map(|e| e.seq).collect::<Vec<_>>().await });
    tokio::task::yield_now().await;
    turn.push(delta(1));
    turn.push(done(2));
    turn.release();
    assert_eq!(seen.await.unwrap(), [0, 1, 2]);
    assert_eq!(cut.await.unwrap(), [0, 1, 2]);
    let other = self::turn();
    let open = tokio::spawn({
        let events = other.clone().events(0);
        async move { events.count().await }
    });
    other.release();
    assert_eq!(open.await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_known_of_a_turn_fades_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("edge.db")).await.unwrap();
    let turns = Turns::default();
    let id = request().turn;
    let open = |asked: bool| {
        let asked = asked.then(|| (sandbox(), request()));
        turns.open(&state, user(), id, asked, |_| {})
    };
    assert!(matches!(open(false).await, Err(Refusal::NotFound)));
    let mut log = TurnLog::default();
    log.push(&done(1));
    let now = clock::now();
    let keep = async |ended: Timestamp| {
        let kept = state.turn_ended(user(), id, sandbox(), log.clone(), ended);
        kept.await.unwrap();
    };
    keep(now.plus_ms(60_000 - KEPT_MS)).await;
    assert!(matches!(open(true).await, Ok(Opened::Ended(kept)) if kept == log));
    keep(now.plus_ms(-KEPT_MS)).await;
    assert!(matches!(open(true).await, Err(Refusal::Gone)), "too old, not yet dropped");
    state.forget(now).await.unwrap();
    assert!(state.turn(user(), id).await.unwrap().unwrap().log.is_none());
    assert!(matches!(open(true).await, Err(Refusal::Gone)), "it never runs again");
    keep(now.plus_ms(-KNOWN_MS)).await;
    state.forget(now).await.unwrap();
    assert!(state.turn(user(), id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_turn_an_earlier_edge_left_is_taken_up_with_its_own_request() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("edge.db")).await.unwrap();
    let started = state.turn_started(user(), sandbox(), request(), clock::now());
    started.await.unwrap();
    let turns = Turns::default();
    let runs = Mutex::new(0);
    let begin = |turn: &Arc<Turn>| {
        assert_eq!(turn.request, request());
        *runs.lock().unwrap() += 1;
    };
    let id = request().turn;
    for _ in 0..2 {
        let opened = turns.open(&state, user(), id, None, begin).await;
        assert!(matches!(opened, Ok(Opened::Live(_))));
    }
    assert_eq!(*runs.lock().unwrap(), 1, "however many ask");
}
