//! What is stored and cannot be read, damaged or of a release that knows more, keeps nothing else
//! back.

use zaki_store::{Sql, params, snapshot, transact};

use super::people::{answer, asks, new, number, private, request, shared, who, words};
use super::samples::{
    at, batch, begun, delivery, delivery_id, elsewhere, in_lane, message, said, said_by, turn,
    turn_id,
};
use super::{Subject, claimed, claims, retry, sent};
use crate::{
    Begin, DeliveryState, Error, Fence, Finish, InboundFilter, Kept, NewTurn, Next, Recovery,
    TurnEnd,
};

const BREAK_MESSAGE: &str = "UPDATE inbound SET envelope = 'x' || envelope WHERE id = $1";
const MEND_MESSAGE: &str = "UPDATE inbound SET envelope = substr(envelope, 2) WHERE id = $1";
const BREAK_DELIVERY: &str = "UPDATE delivery SET outbound = 'x' || outbound WHERE id = $1";
const MEND_DELIVERY: &str = "UPDATE delivery SET outbound = substr(outbound, 2) WHERE id = $1";
const BREAK_TURN: &str = "UPDATE turn SET sandbox = 'x' || sandbox WHERE id = $1";
const BREAK_LETTER: &str =
    "UPDATE dead_letter SET channel = 'x' || channel WHERE CAST(id AS TEXT) = $1";
const MEND_TURN: &str = "UPDATE turn SET sandbox = substr(sandbox, 2) WHERE id = $1";

async fn change<S: Sql>(tx: &S, sql: &str, id: String) -> Result<u64, Error> {
    Ok(tx.execute(sql, params![id]).await?)
}

/// Runs one of these on one row.
async fn run(s: &Subject, sql: &'static str, id: &impl ToString) {
    let id = id.to_string();
    let changed: Result<u64, Error> = transact!(&s.store, |tx| change(tx, sql, id));
    assert_eq!(changed.unwrap(), 1);
}

/// This one dies, and the next takes over.
async fn take_over(s: &Subject, fence: Fence) -> (Fence, Recovery) {
    s.ledger.leave(fence).await.unwrap();
    let next = s.ledger.enroll("next").await.unwrap();
    (next, s.ledger.recover(next).await.unwrap())
}

pub(super) async fn a_message_that_cannot_be_read_keeps_nothing_else_back(s: Subject) {
    s.ledger.accept(s.fence, batch((1..=3).map(said).collect())).await.unwrap();
    run(&s, BREAK_MESSAGE, &message(1).id).await;
    let (next, found) = take_over(&s, s.fence).await;
    assert_eq!(found.accepted, [message(2), message(3)]);
    assert_eq!(found.illegible, 1, "more may be behind it");
    assert_eq!(s.ledger.counts().await.unwrap().accepted, 3, "it is not lost");
    assert!(!s.ledger.pulse(next).await.unwrap().orphans, "nor looked at all the time");
    assert_eq!(s.ledger.recover(next).await.unwrap(), Recovery::default());
    s.ledger.begin_turn(next, turn(1, &[2, 3])).await.unwrap();

    run(&s, MEND_MESSAGE, &message(1).id).await;
    let (_, found) = take_over(&s, next).await;
    assert_eq!(found.accepted, [message(1)], "a release that can read it");
}

pub(super) async fn nor_does_one_that_waits_for_a_turn(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3, 4]).await;
    s.ledger.begin_turn(s.fence, turn(2, &[2, 3])).await.unwrap();
    s.ledger.join_turn(s.fence, turn_id(1), &[message(4).id]).await.unwrap();
    run(&s, BREAK_MESSAGE, &message(2).id).await;
    run(&s, BREAK_MESSAGE, &message(4).id).await;
    let end = s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(3)] };
    assert_eq!(end.await.unwrap(), ended);
    assert_eq!(s.ledger.begin_turn(s.fence, turn(2, &[3])).await.unwrap(), begun());
    assert_eq!(s.ledger.counts().await.unwrap().accepted, 2);

    run(&s, MEND_MESSAGE, &message(2).id).await;
    run(&s, MEND_MESSAGE, &message(4).id).await;
    let (_, found) = take_over(&s, s.fence).await;
    assert_eq!(found.accepted, [message(2), message(4)]);
}

pub(super) async fn a_turn_goes_on_without_what_cannot_be_read_of_it(s: Subject) {
    s.run(turn(1, &[1, 2]), &[1, 2, 3, 4, 5]).await;
    s.ledger.join_turn(s.fence, turn_id(1), &[message(3).id]).await.unwrap();
    s.ledger.begin_turn(s.fence, in_lane(2, turn(2, &[4]))).await.unwrap();
    s.ledger.begin_turn(s.fence, in_lane(3, turn(3, &[5]))).await.unwrap();
    run(&s, BREAK_MESSAGE, &message(1).id).await;
    run(&s, BREAK_MESSAGE, &message(3).id).await;
    run(&s, BREAK_TURN, &turn_id(2)).await;
    let (next, found) = take_over(&s, s.fence).await;
    let [one, three] = found.turns.as_slice() else { panic!("{:?}", found.turns) };
    assert_eq!((&one.turn, one.inbounds.as_slice()), (&turn(1, &[1, 2]), &[message(2)][..]));
    assert_eq!(one.steered, []);
    assert_eq!(three.inbounds, [message(5)]);
    assert!(!s.ledger.pulse(next).await.unwrap().orphans);
    let end = s.ledger.finish_turn(next, turn_id(1), TurnEnd::Finished, &[], vec![], at(9)).await;
    assert_eq!(end.unwrap(), Finish::Ended { first: Next::None, waiting: vec![] });

    run(&s, MEND_TURN, &turn_id(2)).await;
    run(&s, MEND_MESSAGE, &message(3).id).await;
    let (_, found) = take_over(&s, next).await;
    assert_eq!(found.accepted, [message(3)], "the agent has not heard it");
    let turns: Vec<_> = found.turns.iter().map(|open| open.turn.id).collect();
    assert_eq!(turns, [turn_id(2), turn_id(3)]);
}

pub(super) async fn a_delivery_that_cannot_be_read_ends_and_the_next_leaves(s: Subject) {
    s.post(vec![delivery(10, None, 0), delivery(11, None, 1)]).await;
    s.settle(10, retry()).await;
    s.post(vec![delivery(12, None, 0)]).await;
    s.post(vec![elsewhere(delivery(20, None, 0))]).await;
    s.settle(20, retry()).await;
    run(&s, BREAK_DELIVERY, &delivery_id(10)).await;
    let (fence, found) = take_over(&s, s.fence).await;
    assert_eq!((found.deliveries.len(), found.unknown.len()), (1, 0), "the other conversation");
    let shown = s.delivery(10).await;
    assert_eq!(shown.state, DeliveryState::Dead);
    assert_eq!(shown.reason.as_deref(), Some("this release cannot read it"));
    assert_eq!(s.delivery(11).await.state, DeliveryState::Dead, "it is part of the same reply");
    assert!(s.ledger.pulse(fence).await.unwrap().orphans);
    let found = s.ledger.recover(fence).await.unwrap();
    assert_eq!(found.deliveries.len(), 1);
    let s = Subject { fence, ..s };
    claims(s.begin(&found.deliveries[0]).await, 12);

    // And where it is come upon while others are sent.
    s.post(vec![delivery(13, None, 0)]).await;
    s.post(vec![delivery(14, None, 0)]).await;
    run(&s, BREAK_DELIVERY, &delivery_id(13)).await;
    let settled = s.settle(12, sent()).await;
    assert_eq!(claimed(settled.next).delivery.id, delivery_id(14));
    let untold: Vec<_> = settled.untold.iter().map(|lost| lost.id).collect();
    assert_eq!(untold, [10, 11, 13].map(delivery_id), "the person is told");
    s.settle(14, sent()).await;

    // A release that can read it, and an operator.
    run(&s, MEND_DELIVERY, &delivery_id(13)).await;
    assert!(s.ledger.retry_delivery(delivery_id(13), at(300)).await.unwrap());
    let found = s.ledger.recover(s.fence).await.unwrap();
    let again = claimed(s.begin(&found.deliveries[0]).await);
    assert_eq!(again.delivery.outbound, delivery(13, None, 0).outbound);
}

pub(super) async fn what_was_being_sent_and_cannot_be_read_is_in_doubt(s: Subject) {
    claims(s.post(vec![delivery(10, None, 0)]).await, 10);
    s.post(vec![delivery(11, None, 0)]).await;
    run(&s, BREAK_DELIVERY, &delivery_id(10)).await;
    let (fence, found) = take_over(&s, s.fence).await;
    assert_eq!(found, Recovery { illegible: 1, ..Recovery::default() });
    assert_eq!(s.delivery(10).await.state, DeliveryState::Unknown);
    let found = s.ledger.recover(fence).await.unwrap();
    let s = Subject { fence, ..s };
    claims(s.begin(&found.deliveries[0]).await, 11);
}

pub(super) async fn what_cannot_be_read_is_named_and_keeps_nothing_else_back(s: Subject) {
    s.two_people().await;
    let broken = private(1, 100).id;
    run(&s, BREAK_MESSAGE, &broken).await;
    run(&s, BREAK_DELIVERY, &delivery_id(101)).await;
    run(&s, BREAK_TURN, &turn_id(101)).await;
    let letters = s.ledger.list_dead(9).await.unwrap().rows;
    run(&s, BREAK_LETTER, &letters[1].id).await;
    // No text to SQLite; PostgreSQL takes none such.
    if !s.shared {
        run(
            &s,
            "UPDATE delivery SET outbound = CAST(x'ff' AS TEXT) WHERE id = $1",
            &delivery_id(104),
        )
        .await;
    }
    let kept = s.everything(&who(1)).await;
    let all: String = kept.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    for still in [words(1, 101), words(1, 102), answer(1, 100), answer(1, 103)] {
        assert!(all.contains(&still), "{still}:\n{all}");
    }
    let mut illegible: Vec<_> = kept
        .into_iter()
        .filter_map(|one| match one {
            Kept::Illegible(one) => Some((one.what, one.id)),
            _ => None,
        })
        .collect();
    illegible.sort();
    let mut expected = vec![
        ("dead letter", letters[1].id.to_string()),
        ("delivery", delivery_id(101).to_string()),
        ("message", broken.to_string()),
        ("turn", turn_id(101).to_string()),
    ];
    if !s.shared {
        expected.insert(2, ("delivery", delivery_id(104).to_string()));
    }
    assert_eq!(illegible, expected);

    let filter = InboundFilter { limit: 100, ..InboundFilter::default() };
    let listed = s.ledger.list_inbounds(filter).await.unwrap();
    assert_eq!((listed.rows.len(), listed.illegible), (5, vec![broken.to_string()]));
    let letters = s.ledger.list_dead(9).await.unwrap();
    assert_eq!((letters.rows.len(), letters.illegible.len()), (1, 1));

    let erased = s.erase(&who(1)).await;
    let counts = (erased.messages, erased.turns, erased.deliveries, erased.dead_letters);
    assert_eq!(counts, (3, 2, 4, 1));
    assert!(s.everything(&who(1)).await.is_empty());
    let listed = s.ledger.list_inbounds(filter).await.unwrap();
    assert_eq!((listed.rows.len(), listed.illegible.len()), (3, 0));
    let named: Result<Vec<String>, Error> = snapshot!(&s.store, |tx| keys_with(tx, number(1)));
    assert_eq!(named.unwrap(), [""; 0], "nor by the key of what could not be read");
    assert_eq!(s.ledger.list_dead(9).await.unwrap().rows.len(), 1, "the other's");
}

async fn keys_with<S: Sql>(tx: &S, word: String) -> Result<Vec<String>, Error> {
    let sql = "SELECT dedupe FROM seen WHERE dedupe LIKE '%' || $1 || '%'";
    tx.all(sql, params![word]).await?.iter().map(|row| Ok(row.get(0)?)).collect()
}

/// By who sent it.
pub(super) async fn what_others_have_said_is_left_though_it_cannot_be_read(s: Subject) {
    let (theirs, own) = (shared(2, 200), shared(1, 100));
    s.ledger.accept(s.fence, request(vec![new(theirs.clone()), new(own.clone())])).await.unwrap();
    let turn = NewTurn { inbounds: vec![theirs.id, own.id], ..asks(1, 100, &theirs) };
    s.ledger.begin_turn(s.fence, turn).await.unwrap();
    let end = s.ledger.finish_turn(s.fence, turn_id(100), TurnEnd::Finished, &[], vec![], at(900));
    end.await.unwrap();
    run(&s, BREAK_MESSAGE, &theirs.id).await;
    let kept = s.everything(&who(1)).await;
    assert!(!kept.iter().any(|one| matches!(one, Kept::Illegible(_))), "{kept:?}");
    let erased = s.erase(&who(1)).await;
    assert_eq!((erased.messages, erased.left), (1, 1));
    run(&s, MEND_MESSAGE, &theirs.id).await;
    let left = s.ledger.list_inbounds(InboundFilter { limit: 9, ..InboundFilter::default() });
    let left: Vec<_> = left.await.unwrap().rows.into_iter().map(|row| row.inbound).collect();
    assert_eq!(left, [theirs]);
}

/// Between replicas alone.
pub(super) async fn what_another_cannot_read_is_not_taken_along(s: Subject) {
    if !s.shared {
        return;
    }
    let by_one = (1..=2).map(|n| said_by(1, n)).collect();
    s.ledger.accept(s.fence, batch(by_one)).await.unwrap();
    run(&s, BREAK_MESSAGE, &message(1).id).await;
    let other = s.ledger.enroll("other").await.unwrap();
    s.ledger.accept(other, batch(vec![said_by(1, 3), said_by(1, 4)])).await.unwrap();
    let begun = s.ledger.begin_turn(other, turn(1, &[3])).await.unwrap();
    let Begin::Begun { earlier } = begun else { panic!("{begun:?}") };
    let taken: Vec<_> = earlier.iter().map(|taken| taken.inbound.id).collect();
    assert_eq!(taken, [message(2).id]);
    let joined = s.ledger.join_turn(other, turn_id(1), &[message(4).id]).await.unwrap();
    assert_eq!(joined, Some(vec![]));

    run(&s, MEND_MESSAGE, &message(1).id).await;
    let filter = InboundFilter { limit: 9, ..InboundFilter::default() };
    let all = s.ledger.list_inbounds(filter).await.unwrap().rows;
    assert!(all.iter().any(|row| row.inbound.id == message(1).id && row.turn.is_none()));
    let busy = Begin::Busy { turn: turn_id(1) };
    assert_eq!(s.ledger.begin_turn(s.fence, turn(2, &[1])).await.unwrap(), busy, "it is theirs");
}
