use zaki_envelope::wire::{Budget, Origin, TurnEventKind};
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
        origin: Origin::new(ChannelKind::Slack, ConversationKind::Direct),
        budget: Budget::default(),
        model: None,
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
    let mut events = Reader::new(turn.clone(), 0);
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

async fn seqs(mut reader: Reader) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Some(event) = reader.next().await {
        seqs.push(event.seq);
    }
    seqs
}

#[tokio::test]
async fn every_reader_sees_the_end_and_a_released_one_sees_none() {
    let turn = turn();
    turn.waking(WakeStage::Starting, None);
    let late = tokio::spawn(seqs(Reader::new(turn.clone(), 0)));
    tokio::task::yield_now().await;
    turn.push(delta(1));
    turn.push(done(2));
    turn.release();
    assert_eq!(late.await.unwrap(), [0, 1, 2]);
    assert_eq!(seqs(Reader::new(turn.clone(), 0)).await, [2], "the text is in the end");
    assert!(seqs(Reader::new(turn, 2)).await.is_empty());
    let other = self::turn();
    let open = tokio::spawn(seqs(Reader::new(other.clone(), 0)));
    other.release();
    assert!(open.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reader_who_missed_only_tools_reads_on() {
    let turn = turn();
    let mut reader = Reader::new(turn.clone(), 0);
    for seq in 1..600 {
        let kind = TurnEventKind::Tool { name: "t".into(), phase: "update".into() };
        turn.push(TurnEvent { seq, kind });
    }
    assert_eq!(reader.next().await.unwrap().seq, 600 - 256);
    turn.push(done(600));
    assert_eq!(seqs(reader).await.last(), Some(&600));
}

#[test]
fn an_ear_is_open_while_the_turn_runs_somewhere() {
    let (turn, steer) = (turn(), InboundId::from_parts(Timestamp::from_ms(1), 1));
    assert!(matches!(turn.ear(steer), Ear::NotYet));
    turn.attach(Some(Arc::new(crate::runtime::Echo::default())));
    assert!(matches!(turn.ear(steer), Ear::Open(_)));
    turn.push(TurnEvent { seq: 1, kind: TurnEventKind::Steered { steer } });
    turn.push(done(2));
    assert!(matches!(turn.ear(steer), Ear::Heard), "also after the end");
    let another = InboundId::from_parts(Timestamp::from_ms(1), 2);
    assert!(matches!(turn.ear(another), Ear::Closed));
}

#[tokio::test]
async fn the_end_tells_what_was_metered_and_why_the_edge_ended_it() {
    let used = Usage { input_tokens: 5, output_tokens: 7, cost_micros: 9 };
    let end = async |turn: Arc<Turn>| Reader::new(turn, 0).next().await.unwrap().kind.clone();
    let answered = turn();
    answered.spend(used);
    answered.push(done(1));
    let TurnEventKind::Final { usage, .. } = end(answered).await else { panic!("no final") };
    assert_eq!(usage, used);

    let spent = Arc::new(Turn::new(user(), sandbox(), request()).taken_up(used));
    assert!(spent.condemn(ErrorCode::Budget, "spent") && !spent.condemn(ErrorCode::Agent, "x"));
    spent.push(done(1));
    let spent_end = end(spent).await;
    let TurnEventKind::Error { code: ErrorCode::Budget, usage, .. } = spent_end else {
        panic!("{spent_end:?}")
    };
    assert_eq!(usage, used);

    let waiting = turn();
    waiting.condemn(ErrorCode::Budget, "spent");
    waiting.abort();
    let waiting = end(waiting).await;
    assert!(matches!(waiting, TurnEventKind::Error { code: ErrorCode::Budget, .. }), "{waiting:?}");

    let gone = turn();
    gone.condemn(ErrorCode::Erased, "erased");
    gone.fail(ErrorCode::Sandbox, "it went away");
    let gone = end(gone).await;
    assert!(matches!(gone, TurnEventKind::Error { code: ErrorCode::Erased, .. }), "{gone:?}");
}
