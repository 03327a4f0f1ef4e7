use zaki_edge_core::turn::{KEPT_MS, KNOWN_MS};
use zaki_envelope::wire::{Budget, Origin, TurnEvent, TurnEventKind};
use zaki_envelope::{ChannelKind, ConversationKind, Part, SandboxKind, SessionKey, Timestamp};

use super::*;
use crate::state::Change;

fn user() -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1), 1)
}

fn request() -> TurnRequest {
    TurnRequest {
        turn: TurnId::from_parts(Timestamp::from_ms(1), 1),
        sandbox: SandboxKind::Personal,
        session: SessionKey::direct(1),
        parts: vec![Part::text("x")],
        origin: Origin::new(ChannelKind::Slack, ConversationKind::Direct),
        budget: Budget::default(),
        model: None,
        trace: None,
    }
}

fn sandbox() -> SandboxName {
    SandboxName::new(user(), &SandboxKind::Personal).unwrap()
}

fn done(seq: u64) -> TurnEvent {
    let kind = TurnEventKind::Final { text: "all".into(), usage: Usage::default(), aborted: false };
    TurnEvent { seq, kind }
}

#[tokio::test]
async fn what_is_known_of_a_turn_fades_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("edge.db")).await.unwrap();
    let id = request().turn;
    // As after a restart: everything may be in the store.
    let turns = Turns::new(Some(id));
    let open = |asked: bool| {
        let asked = asked.then(|| (sandbox(), request()));
        turns.open(&state, user(), id, asked, |_| Ok(()))
    };
    assert!(matches!(open(false).await, Err(Refusal::NotFound)));
    let turn = Turn::new(user(), sandbox(), request());
    turn.push(done(1));
    let log = turn.log();
    let now = clock::now();
    let keep = async |ended: Timestamp| {
        state.record(vec![Change::ended(&turn, ended).unwrap()]).await.unwrap();
    };
    keep(now.plus_ms(60_000 - KEPT_MS)).await;
    assert!(matches!(open(true).await, Ok(Opened::Ended(kept)) if *kept == log));
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
    let turn = Turn::new(user(), sandbox(), request());
    state.record(vec![Change::started(&turn, clock::now()).unwrap()]).await.unwrap();
    let used = Usage { input_tokens: 1, output_tokens: 2, cost_micros: 3 };
    state.sandbox(sandbox()).await.unwrap();
    for _ in 0..2 {
        state
            .count(sandbox(), Some(turn.id()), used, Usage::default(), clock::now())
            .await
            .unwrap();
    }
    assert_eq!(state.greatest_turn().await.unwrap(), Some(turn.id()));
    let turns = Turns::new(state.greatest_turn().await.unwrap());
    let runs = std::sync::Mutex::new(0);
    let begin = |turn: &Arc<Turn>| {
        assert_eq!((&turn.request, turn.used()), (&request(), used + used));
        *runs.lock().unwrap() += 1;
        Ok(())
    };
    let id = request().turn;
    for _ in 0..2 {
        let opened = turns.open(&state, user(), id, None, begin).await;
        assert!(matches!(opened, Ok(Opened::Live(_))));
    }
    assert_eq!(*runs.lock().unwrap(), 1, "however many ask");
}

#[tokio::test]
async fn an_end_that_came_with_its_start_is_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("edge.db")).await.unwrap();
    let turn = Turn::new(user(), sandbox(), request());
    turn.push(done(1));
    let (start, end) = (Change::started(&turn, clock::now()), Change::ended(&turn, clock::now()));
    state.record(vec![start.unwrap(), end.unwrap()]).await.unwrap();
    let row = state.turn(user(), turn.id()).await.unwrap().unwrap();
    assert!(row.request.is_none() && row.log == Some(turn.log()) && row.ended.is_some());
}

#[tokio::test]
async fn a_turn_that_may_not_run_leaves_no_trace_and_may_run_later() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("edge.db")).await.unwrap();
    let turns = Turns::new(None);
    let id = request().turn;
    let asked = || Some((sandbox(), request()));
    let bar = |_: &Arc<Turn>| Err((ErrorCode::Retired, "retired"));
    let barred = turns.open(&state, user(), id, asked(), bar).await;
    assert!(matches!(barred, Ok(Opened::Barred(ErrorCode::Retired, _))));
    assert_eq!((turns.count(), turns.of(user()).len()), (0, 0));
    let opened = turns.open(&state, user(), id, asked(), |_| Ok(())).await;
    assert!(matches!(opened, Ok(Opened::Live(_))));
    assert_eq!(turns.of(user()).len(), 1);
    let other = ZakiUserId::from_parts(Timestamp::from_ms(1), 2);
    assert!(turns.of(other).is_empty());
}
