use super::samples::{
    at, batch, begun, delivery, delivery_id, elsewhere, in_lane, message, said, turn, turn_id,
};
use super::{Subject, claims, later, ms, retry, sent};
use crate::{Begin, DeliveryEnd, DeliveryState, Error, Fence, Finish, Next, Recovery, TurnEnd};

async fn recover(s: &Subject, fence: Fence) -> Recovery {
    s.ledger.recover(fence).await.unwrap()
}

pub(super) async fn a_successor_takes_everything_over(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3]).await;
    s.ledger.begin_turn(s.fence, turn(2, &[2])).await.unwrap();
    s.post(vec![delivery(10, None, 0), delivery(11, None, 1)]).await;
    s.settle(10, retry()).await;
    assert!(!s.ledger.pulse(s.fence).await.unwrap().orphans, "all of it is ours");

    let next = s.successor().await;
    assert!(next > s.fence, "tokens rise");
    let pulse = s.ledger.pulse(next).await.unwrap();
    assert_eq!((pulse.replicas, pulse.orphans), (1, true));
    let found = recover(&s, next).await;
    assert_eq!(found.accepted, [message(3)], "2 waits for the turn");
    assert_eq!(found.turns.len(), 1);
    assert_eq!((found.deliveries, found.unknown.len()), (vec![later(10, 900, 200)], 0));
    assert_eq!(recover(&s, next).await, Recovery::default(), "once");
    assert!(!s.ledger.pulse(next).await.unwrap().orphans);

    let end = s.ledger.finish_turn(next, turn_id(1), TurnEnd::Finished, &[], vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(2)] };
    assert_eq!(end.await.unwrap(), ended);
    s.ledger.leave(s.fence).await.unwrap();
    s.ledger.pulse(next).await.unwrap();
}

pub(super) async fn what_a_dead_replica_sent_holds_its_conversation(s: Subject) {
    claims(s.post(vec![delivery(10, None, 0), delivery(11, None, 1)]).await, 10);
    let second = s.successor().await;
    let third = if s.shared { s.ledger.enroll("third").await.unwrap() } else { second };
    let found = recover(&s, second).await;
    assert_eq!(found.deliveries, []);
    assert_eq!((found.unknown.len(), found.unknown[0].delivery.state), (1, DeliveryState::Sending));
    assert_eq!(
        s.ledger.post(third, vec![delivery(12, None, 0)], &[], at(1)).await.unwrap(),
        Next::None
    );
    // It could be proven: the reply goes on where it stopped.
    let settled = s.ledger.settle_delivery(second, delivery_id(10), sent(), at(2)).await.unwrap();
    claims(settled.next, 11);
}

/// A platform's pace may keep much waiting; a second crash must not put all of it in doubt.
pub(super) async fn what_waits_is_taken_over_unclaimed(s: Subject) {
    claims(s.post(vec![delivery(10, None, 0)]).await, 10);
    s.settle(10, DeliveryEnd::Held { pause: ms(50) }).await;
    claims(s.post(vec![elsewhere(delivery(20, None, 0))]).await, 20);
    let mut fence = s.fence;
    for _ in 0..2 {
        s.ledger.leave(fence).await.unwrap();
        fence = s.ledger.enroll("after a crash").await.unwrap();
        let found = recover(&s, fence).await;
        assert_eq!(found.deliveries, [later(10, 250, 200)], "due by now, and nobody has sent it");
        let unknown: Vec<_> = found.unknown.iter().map(|claimed| claimed.delivery.id).collect();
        assert_eq!(unknown, [delivery_id(20)]);
        let waits = s.delivery(10).await;
        assert_eq!((waits.state, waits.attempts), (DeliveryState::Pending, 0));
        assert!(!s.ledger.pulse(fence).await.unwrap().orphans, "it is ours");
    }
    claims(s.ledger.claim_delivery(fence, delivery_id(10), at(250)).await.unwrap(), 10);
}

pub(super) async fn others_work_is_left_alone(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    assert_eq!(s.ledger.pulse(other).await.unwrap().replicas, 2);
    s.run(turn(1, &[1]), &[1, 2]).await;
    s.post(vec![delivery(10, None, 0)]).await;
    s.post(vec![elsewhere(delivery(20, None, 0))]).await;
    s.settle(20, retry()).await;
    assert_eq!(recover(&s, other).await, Recovery::default());
    assert!(!s.ledger.pulse(other).await.unwrap().orphans);
    let theirs = [
        s.ledger.begin_turn(other, in_lane(2, turn(2, &[2]))).await.err(),
        s.ledger.join_turn(other, turn_id(1), &[message(2).id]).await.err(),
    ];
    for error in theirs {
        assert!(matches!(error, Some(Error::NotAccepted(_))), "{error:?}");
    }
    let end = s.ledger.finish_turn(other, turn_id(1), TurnEnd::Aborted, &[], vec![], at(3)).await;
    assert!(matches!(end, Err(Error::Fenced)), "{end:?}");
    let settled = s.ledger.settle_delivery(other, delivery_id(10), sent(), at(3)).await.unwrap();
    assert!(!settled.changed);
    let next = s.ledger.claim_delivery(other, delivery_id(20), at(9999)).await.unwrap();
    assert_eq!(next, Next::None, "its holder waits for it");
}

pub(super) async fn whoever_closes_gives_up_what_has_not_begun(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3, 4]).await;
    s.ledger.begin_turn(s.fence, turn(2, &[2])).await.unwrap();
    assert!(s.ledger.join_turn(s.fence, turn_id(1), &[message(3).id]).await.unwrap().is_some());
    claims(s.post(vec![delivery(10, None, 0)]).await, 10);
    claims(s.post(vec![elsewhere(delivery(20, None, 0))]).await, 20);
    s.settle(20, retry()).await;
    for _ in 0..2 {
        s.ledger.release(s.fence).await.unwrap();
    }
    assert!(s.ledger.pulse(s.fence).await.unwrap().orphans);
    let begin = s.ledger.begin_turn(s.fence, in_lane(2, turn(3, &[4]))).await;
    assert!(matches!(begin, Err(Error::NotAccepted(_))), "not ours any more: {begin:?}");

    let other = if s.shared { s.ledger.enroll("other").await.unwrap() } else { s.fence };
    let found = recover(&s, other).await;
    assert_eq!((found.accepted, found.turns.len()), (vec![message(4)], 0));
    assert_eq!(found.deliveries.len() + found.unknown.len(), 1);
    let begin = s.ledger.begin_turn(other, in_lane(2, turn(3, &[4]))).await;
    assert_eq!(begin.unwrap(), begun());
    claims(s.ledger.claim_delivery(other, delivery_id(20), at(900)).await.unwrap(), 20);
    if s.shared {
        s.ledger.release(s.fence).await.unwrap();
        assert_eq!(s.claim(20).await, Next::None, "what others took stays theirs");
        assert_eq!(recover(&s, s.fence).await, Recovery::default());
    }

    // What was under way goes on, and leaves more.
    assert!(s.settle(10, retry()).await.changed);
    let (how, heard) = (TurnEnd::Finished, [message(3).id]);
    let end = s.ledger.finish_turn(s.fence, turn_id(1), how, &heard, vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(2)] };
    assert_eq!(end.await.unwrap(), ended);
    s.ledger.release(s.fence).await.unwrap();
    let found = recover(&s, other).await;
    assert_eq!((found.accepted, found.deliveries), (vec![message(2)], vec![later(10, 900, 200)]));
}

pub(super) async fn a_lane_passes_between_replicas(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    s.run(turn(1, &[1]), &[1]).await;
    s.ledger.accept(other, batch(vec![said(2), said(3), said(4)])).await.unwrap();
    let joined = s.ledger.join_turn(other, turn_id(1), &[message(4).id]).await.unwrap();
    assert_eq!(joined, Some(vec![]), "steering comes from anywhere");
    let busy = s.ledger.begin_turn(other, turn(2, &[2])).await.unwrap();
    assert_eq!(busy, Begin::Busy { turn: turn_id(1) });
    let (how, heard) = (TurnEnd::Finished, [message(4).id]);
    let end = s.ledger.finish_turn(s.fence, turn_id(1), how, &heard, vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(2)] };
    assert_eq!(end.await.unwrap(), ended);
    let error = s.ledger.begin_turn(other, turn(2, &[2])).await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)), "handed on: {error}");
    assert_eq!(s.ledger.begin_turn(s.fence, turn(3, &[2])).await.unwrap(), begun());

    // What waits for the turn of a replica that dies goes with the turn.
    let busy = s.ledger.begin_turn(other, turn(4, &[3])).await.unwrap();
    assert_eq!(busy, Begin::Busy { turn: turn_id(3) });
    s.ledger.leave(s.fence).await.unwrap();
    let found = recover(&s, other).await;
    assert_eq!((found.turns.len(), found.accepted.len()), (1, 0));
    let end = s.ledger.finish_turn(other, turn_id(3), TurnEnd::Finished, &[], vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(3)] };
    assert_eq!(end.await.unwrap(), ended);
}

pub(super) async fn a_conversation_passes_between_replicas(s: Subject) {
    if !s.shared {
        return;
    }
    let other = s.ledger.enroll("other").await.unwrap();
    claims(s.post(vec![delivery(10, None, 0)]).await, 10);
    let next = s.ledger.post(other, vec![delivery(11, None, 0)], &[], at(1)).await.unwrap();
    assert_eq!(next, Next::None);
    claims(s.settle(10, sent()).await.next, 11);
    s.ledger.post(other, vec![delivery(12, None, 0)], &[], at(1)).await.unwrap();
    assert!(matches!(s.settle(11, retry()).await.next, Next::Later { .. }));
    s.ledger.leave(s.fence).await.unwrap();
    let found = recover(&s, other).await;
    assert!(matches!(found.deliveries[..], [Next::Later { id, .. }] if id == delivery_id(11)));
    let due = s.ledger.claim_delivery(other, delivery_id(11), at(900)).await.unwrap();
    claims(due, 11);
    let settled = s.ledger.settle_delivery(other, delivery_id(11), sent(), at(901)).await.unwrap();
    claims(settled.next, 12);
}

pub(super) async fn holds_a_source_once(s: Subject) {
    let hold = async |fence, name: &str| s.ledger.hold(fence, name).await.unwrap();
    assert!(hold(s.fence, "telegram:main").await);
    assert!(hold(s.fence, "telegram:main").await, "ours already");
    if s.shared {
        let other = s.ledger.enroll("other").await.unwrap();
        assert!(!hold(other, "telegram:main").await);
        assert!(hold(other, "discord:main").await, "another source");
        let mut request = batch(vec![said(1)]);
        let cursor = crate::CursorUpdate { name: "telegram:main".into(), value: "5".into() };
        request.cursor = Some(cursor);
        let error = s.ledger.accept(other, request.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Fenced), "{error}");
        assert_eq!(s.ledger.accept(s.fence, request).await.unwrap().fresh.len(), 1);
    }
    let next = s.successor().await;
    assert!(hold(next, "telegram:main").await, "its holder has gone");
    let late = s.ledger.hold(s.fence, "telegram:main").await;
    assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
}

pub(super) async fn whoever_doubts_what_it_accepted_finds_it_again(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3]).await;
    let never = message(9).id;
    for _ in 0..2 {
        s.ledger.disown(s.fence, &[message(1).id, message(3).id, never]).await.unwrap();
    }
    assert!(s.ledger.pulse(s.fence).await.unwrap().orphans);
    let found = recover(&s, s.fence).await;
    assert_eq!(
        (found.accepted, found.turns.len()),
        (vec![message(3)], 0),
        "1 has begun, 2 is known"
    );
    assert_eq!(recover(&s, s.fence).await, Recovery::default());
    if s.shared {
        let other = s.ledger.enroll("other").await.unwrap();
        s.ledger.disown(other, &[message(2).id]).await.unwrap();
        assert_eq!(recover(&s, other).await, Recovery::default(), "it is not theirs");
    }
}
