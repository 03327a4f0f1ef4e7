use std::fs;

use futures::StreamExt;
use zaki_envelope::{
    ChannelKind, ConversationKind, InboundId, Part, SandboxKind, SessionKey, Timestamp,
    wire::{AgentInfo, Budget, Origin, Usage},
};

use super::*;

pub(crate) fn request(n: u128) -> TurnRequest {
    TurnRequest {
        turn: TurnId::from_parts(Timestamp::from_ms(1_700_000_000_000), n),
        sandbox: SandboxKind::Personal,
        session: SessionKey::direct(1),
        parts: vec![Part::text("hello")],
        origin: Origin::new(ChannelKind::Slack, ConversationKind::Direct),
        budget: Budget::default(),
        model: None,
        trace: None,
    }
}

fn started() -> TurnEventKind {
    TurnEventKind::Started { agent: AgentInfo { name: "openclaw".into(), version: "1".into() } }
}

fn delta(text: &str) -> TurnEventKind {
    TurnEventKind::Delta { text: text.into(), replace: false }
}

fn finished(text: &str) -> TurnEventKind {
    TurnEventKind::Final { text: text.into(), usage: Usage::default(), aborted: false }
}

fn accept(turns: &Turns, n: u128) -> Arc<Turn> {
    match turns.accept(&request(n)).unwrap() {
        Accepted::New(turn) => turn,
        Accepted::Known(_) => panic!("turn {n} is new"),
    }
}

#[tokio::test]
async fn readers_get_every_event_from_wherever_they_resume() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let turn = accept(&turns, 1);
    turn.emit(started()).await;
    let live = tokio::spawn(Arc::clone(&turn).events_after(0).collect::<Vec<_>>());
    turn.emit(delta("a")).await;
    turn.emit(finished("a")).await;
    turn.emit(delta("after the end")).await;
    let bound = std::time::Duration::from_mins(1);
    let all = tokio::time::timeout(bound, live).await.unwrap().unwrap();
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let late: Vec<_> = Arc::clone(&turn).events_after(2).collect().await;
    assert_eq!(late, all[2..]);
    assert!(turn.events_after(3).collect::<Vec<_>>().await.is_empty());
}

#[tokio::test]
async fn a_restart_keeps_what_happened_and_names_what_was_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    accept(&turns, 1).emit(started()).await;
    let done = accept(&turns, 2);
    done.emit(started()).await;
    done.emit(finished("kept")).await;
    // Half a line, as a crash in the middle of a write leaves it.
    let path = dir.path().join(format!("{}.jsonl", request(1).turn));
    let mut text = fs::read(&path).unwrap();
    let whole = text.len();
    text.extend(b"{\"seq\":2,\"type\":\"del");
    fs::write(&path, text).unwrap();

    let (turns, interrupted) = Turns::open(dir.path()).unwrap();
    assert_eq!(interrupted.len(), 1);
    let (turn, again) = &interrupted[0];
    assert_eq!(again, &request(1));
    assert!(turn.has_started());
    assert_eq!(fs::metadata(&path).unwrap().len(), whole as u64);
    turn.emit(delta("b")).await;
    let last = turn.next_after(1).unwrap();
    assert_eq!((last.seq, last.kind), (2, delta("b")));
    let kept = turns.get(request(2).turn).unwrap();
    assert_eq!(kept.end().unwrap().kind, finished("kept"));
}

#[tokio::test]
async fn an_acknowledged_turn_is_answered_from_its_end_and_never_new_again() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let turn = accept(&turns, 1);
    turn.emit(started()).await;
    turns.acknowledge(&turn, 1).unwrap();
    turn.emit(finished("answer")).await;
    turns.acknowledge(&turn, 1).unwrap();
    assert!(dir.path().join(format!("{}.jsonl", turn.id)).exists());
    turns.acknowledge(&turn, 2).unwrap();
    assert!(!dir.path().join(format!("{}.jsonl", turn.id)).exists());

    for reopened in [turns, Turns::open(dir.path()).unwrap().0] {
        let Accepted::Known(known) = reopened.accept(&request(1)).unwrap() else {
            panic!("it ran already");
        };
        let events: Vec<_> = known.events_after(0).collect().await;
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].seq, &events[0].kind), (2, &finished("answer")));
    }
}

fn said(n: u128) -> SteerRequest {
    let steer = InboundId::from_parts(Timestamp::from_ms(1), n);
    SteerRequest { steer, parts: vec![Part::text(format!("and {n}"))] }
}

#[tokio::test]
async fn what_was_steered_in_survives_a_restart_and_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let turn = accept(&turns, 1);
    turn.emit(started()).await;
    for n in [1, 2, 1] {
        assert!(turn.steer(&said(n)).await.unwrap());
    }
    let (turns, interrupted) = Turns::open(dir.path()).unwrap();
    let turn = &interrupted[0].0;
    assert_eq!(turn.steered(), [said(1), said(2)]);
    assert!(turn.steer(&said(2)).await.unwrap());
    let seqs: Vec<u64> = turn.events.lock().unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert!(turn.finish(finished("all"), 2).await);
    assert!(turn.steer(&said(1)).await.unwrap() && !turn.steer(&said(3)).await.unwrap());
    turns.acknowledge(turn, 4).unwrap();
    assert!(turns.get(turn.id).unwrap().steer(&said(1)).await.unwrap(), "forgotten too early");
}

#[tokio::test]
async fn a_turn_takes_in_only_so_much() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let turn = accept(&turns, 1);
    for n in 0..MOST_STEERED as u128 {
        assert!(turn.steer(&said(n)).await.unwrap());
    }
    assert!(!turn.steer(&said(1000)).await.unwrap());
}

#[tokio::test]
async fn a_file_left_half_made_is_no_turn_and_stands_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let id = request(1).turn;
    fs::write(dir.path().join(format!("{id}.part")), b"{\"turn\":\"01").unwrap();
    let (turns, interrupted) = Turns::open(dir.path()).unwrap();
    assert!(interrupted.is_empty() && turns.get(id).is_none());
    accept(&turns, 1).emit(started()).await;
    assert_eq!(Turns::open(dir.path()).unwrap().1.len(), 1);
    assert!(!dir.path().join(format!("{id}.part")).exists());
}

#[tokio::test]
async fn only_so_many_ended_turns_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let running = accept(&turns, 0);
    let first = accept(&turns, 1);
    first.emit(finished("")).await;
    for n in 2..=REMEMBERED as u128 + 1 {
        let id = request(n).turn;
        let end = TurnEvent { seq: 1, kind: finished("") };
        turns.known.lock().unwrap().insert(id, Turn::new(id, vec![end], Vec::new(), None));
    }
    accept(&turns, 2_000);
    assert!(turns.get(first.id).is_none());
    assert!(!dir.path().join(format!("{}.jsonl", first.id)).exists());
    assert!(turns.get(request(2).turn).is_some());
    assert!(turns.get(running.id).is_some());
}
