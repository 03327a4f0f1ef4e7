//! What one person says on several replicas keeps its order.

use zaki_envelope::InboundId;

use super::Subject;
use super::samples::{at, batch, begun, in_lane, message, said, said_by, turn, turn_id};
use crate::{Begin, Earlier, Error, Fence, Finish, NewInbound, Next, SettleReason, TurnEnd};

/// In the line of the person that all these turns are of.
fn asked(n: u32) -> NewInbound {
    said_by(1, n)
}

async fn accept(s: &Subject, fence: Fence, items: Vec<NewInbound>) {
    s.ledger.accept(fence, batch(items)).await.unwrap();
}

async fn begin(s: &Subject, fence: Fence, n: u32, messages: &[u32]) -> Begin {
    s.ledger.begin_turn(fence, turn(n, messages)).await.unwrap()
}

/// A place and a message for each.
fn taken(these: &[(usize, u32)]) -> Vec<Earlier> {
    these.iter().map(|(place, n)| Earlier { place: *place, inbound: message(*n) }).collect()
}

fn with(these: &[(usize, u32)]) -> Begin {
    Begin::Begun { earlier: taken(these) }
}

#[track_caller]
fn is_gone<T: std::fmt::Debug>(answer: &Result<T, Error>, n: u32) {
    assert!(matches!(answer, Err(Error::NotAccepted(id)) if *id == message(n).id), "{answer:?}");
}

pub(super) async fn what_came_before_is_taken_along(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    for n in 1..=5 {
        accept(&s, if n % 2 == 1 { s.fence } else { other }, vec![asked(n)]).await;
    }
    let all = with(&[(0, 1), (2, 3)]);
    assert_eq!(begin(&s, other, 1, &[2, 4]).await, all, "and not what came later");
    assert_eq!(begin(&s, other, 1, &[2, 4]).await, all, "the answer was lost");
    is_gone(&s.ledger.begin_turn(s.fence, turn(2, &[1, 3, 5])).await, 1);
    is_gone(&s.ledger.join_turn(s.fence, turn_id(1), &[message(3).id]).await, 3);
    let ids = [message(1).id, message(3).id];
    let settle = s.ledger.settle(s.fence, &ids, SettleReason::Limited);
    assert_eq!(settle.await.unwrap(), 0, "whoever had them can do nothing to them");
    assert_eq!(begin(&s, s.fence, 2, &[5]).await, Begin::Busy { turn: turn_id(1) });
    let end = s.ledger.finish_turn(other, turn_id(1), TurnEnd::Finished, &[], vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(5)] };
    assert_eq!(end.await.unwrap(), ended);
}

pub(super) async fn what_is_taken_along_stays_with_the_turn(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    accept(&s, s.fence, vec![asked(1)]).await;
    accept(&s, other, vec![asked(2)]).await;
    assert_eq!(begin(&s, other, 1, &[2]).await, with(&[(0, 1)]));
    s.ledger.leave(other).await.unwrap();
    let found = s.ledger.recover(s.fence).await.unwrap();
    assert_eq!(found.accepted, []);
    assert_eq!(found.turns[0].inbounds, [message(1), message(2)]);
    assert_eq!(found.turns[0].turn.inbounds, [message(1).id, message(2).id]);
}

/// Not a command of the hub, not what others say, not what is done with or ours to begin later.
pub(super) async fn nothing_else_is_taken_along(s: Subject) {
    let other = if s.shared { s.ledger.enroll("other").await.unwrap() } else { s.fence };
    let settled = NewInbound { settled: Some(SettleReason::Bot), ..asked(3) };
    accept(&s, s.fence, vec![said(1), said_by(2, 2), settled, asked(4)]).await;
    s.ledger.settle(s.fence, &[message(4).id], SettleReason::Limited).await.unwrap();
    accept(&s, other, vec![asked(5), asked(6), said(7)]).await;
    assert_eq!(begin(&s, other, 1, &[6]).await, begun());
    let stop = s.ledger.begin_turn(other, in_lane(2, turn(2, &[7]))).await;
    assert_eq!(stop.unwrap(), begun(), "what is in no line takes nothing along");
    for (lane, n) in [(3, 1), (4, 2)] {
        let begin = s.ledger.begin_turn(s.fence, in_lane(lane, turn(lane, &[n]))).await;
        assert_eq!(begin.unwrap(), begun());
    }
    let last = s.ledger.begin_turn(other, in_lane(5, turn(5, &[5]))).await;
    assert_eq!(last.unwrap(), begun());
}

/// A replica has died or closes; the pulse that would find its messages has not come yet.
pub(super) async fn what_nobody_has_is_taken_along(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    accept(&s, s.fence, vec![asked(1)]).await;
    s.ledger.release(s.fence).await.unwrap();
    accept(&s, s.fence, vec![asked(2)]).await;
    s.ledger.leave(s.fence).await.unwrap();
    accept(&s, other, vec![asked(3)]).await;
    assert_eq!(begin(&s, other, 1, &[3]).await, with(&[(0, 1), (1, 2)]));
    assert!(!s.ledger.pulse(other).await.unwrap().orphans);
}

/// Also what waits for the turn's end already: whoever left it there did not know better.
pub(super) async fn whoever_joins_takes_along_what_came_before(s: Subject) {
    let other = if s.shared { s.ledger.enroll("other").await.unwrap() } else { s.fence };
    let join =
        async |fence, n| s.ledger.join_turn(fence, turn_id(1), &[message(n).id]).await.unwrap();
    accept(&s, s.fence, vec![asked(0)]).await;
    assert_eq!(begin(&s, s.fence, 1, &[0]).await, begun());
    accept(&s, other, vec![asked(1)]).await;
    assert_eq!(begin(&s, other, 2, &[1]).await, Begin::Busy { turn: turn_id(1) });
    assert_eq!(join(other, 1).await, Some(vec![]), "what was left to it may join it after all");
    if !s.shared {
        return;
    }
    accept(&s, other, vec![asked(2), asked(3)]).await;
    assert_eq!(begin(&s, other, 2, &[2]).await, Begin::Busy { turn: turn_id(1) });
    accept(&s, s.fence, vec![asked(4)]).await;
    assert_eq!(join(s.fence, 4).await, Some(taken(&[(0, 2), (1, 3)])));
    assert_eq!(join(s.fence, 4).await, Some(vec![]), "repeated");
    s.ledger.leave(s.fence).await.unwrap();
    let found = s.ledger.recover(other).await.unwrap();
    assert_eq!(found.turns[0].steered, [1, 2, 3, 4].map(message));
    let heard = [message(1).id, message(2).id];
    let end = s.ledger.finish_turn(other, turn_id(1), TurnEnd::Finished, &heard, vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(3), message(4)] };
    assert_eq!(end.await.unwrap(), ended, "unheard, it is handed on as ever");
}

pub(super) async fn takes_so_many_along_and_no_more(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    let (most, last) = (Earlier::MOST, Earlier::MOST + 3);
    accept(&s, s.fence, (0..last).map(asked).collect()).await;
    accept(&s, other, vec![asked(last)]).await;
    let Begin::Begun { earlier } = begin(&s, other, 1, &[last]).await else { panic!("begun") };
    let ids: Vec<InboundId> = earlier.iter().map(|taken| taken.inbound.id).collect();
    assert_eq!(ids, (0..most).map(|n| message(n).id).collect::<Vec<_>>(), "the oldest ones");
    let busy = Begin::Busy { turn: turn_id(1) };
    assert_eq!(begin(&s, s.fence, 2, &[most, most + 1, most + 2]).await, busy);
}
