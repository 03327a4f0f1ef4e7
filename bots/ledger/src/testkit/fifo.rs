use std::collections::HashSet;

use super::samples::{at, delivery, delivery_id, elsewhere, turn, turn_id};
use super::{Subject, claimed, claims, dead, sent};
use crate::{Finish, Next, TurnEnd};

/// Replies, notices and their parts leave one conversation in the order they were stored.
pub(super) async fn keeps_replies_in_order(s: Subject) {
    s.run(turn(1, &[1]), &[1]).await;
    // Ids of one millisecond fall in any order.
    claims(s.post(vec![delivery(30, None, 0), delivery(29, None, 1)]).await, 30);
    let parts = vec![delivery(12, Some(1), 0), delivery(11, Some(1), 1)];
    let end = s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], parts, at(9));
    let Finish::Ended { first, .. } = end.await.unwrap() else { panic!("ended") };
    assert_eq!(first, Next::None, "whoever sends 30 is handed it one day");
    assert_eq!(s.post(vec![delivery(20, None, 0)]).await, Next::None);
    for n in [11, 12, 20, 29, 30] {
        assert_eq!(s.claim(n).await, Next::None, "30 is under way");
    }
    for (n, then) in [(30, 29), (29, 12), (12, 11), (11, 20)] {
        claims(s.settle(n, sent()).await.next, then);
    }
    assert_eq!(s.settle(20, sent()).await.next, Next::None);
    claims(s.post(vec![delivery(21, None, 0)]).await, 21);
}

pub(super) async fn waits_for_what_is_to_be_sent_later(s: Subject) {
    let mut first = delivery(10, None, 0);
    first.not_before = at(500);
    let later = super::later(10, 500, 1);
    assert_eq!(s.post(vec![first]).await, later);
    assert_eq!(s.post(vec![delivery(11, None, 0)]).await, Next::None);
    assert_eq!(s.claim(11).await, later);
    assert_eq!(s.settle(11, dead()).await.next, later);
    let due = s.ledger.claim_delivery(s.fence, delivery_id(10), at(500)).await.unwrap();
    claims(due, 10);
}

pub(super) async fn conversations_wait_for_nobody(s: Subject) {
    claims(s.post(vec![delivery(10, None, 0)]).await, 10);
    claims(s.post(vec![elsewhere(delivery(20, None, 0))]).await, 20);
    // The same place, seen by a thread of it: one order.
    let mut thread = delivery(30, None, 0);
    thread.address.conversation.thread = Some(zaki_envelope::ThreadId::new("t"));
    assert_eq!(s.post(vec![thread]).await, Next::None);
    claims(s.settle(10, sent()).await.next, 30);

    // One call to two places: it hears of the first, a pulse finds the second.
    s.settle(20, sent()).await;
    assert_eq!(
        s.post(vec![delivery(40, None, 0), elsewhere(delivery(41, None, 0))]).await,
        Next::None
    );
    assert!(s.ledger.pulse(s.fence).await.unwrap().orphans);
    let found = s.ledger.recover(s.fence).await.unwrap();
    assert_eq!(found.deliveries.len(), 1);
    claims(s.begin(&found.deliveries[0]).await, 41);
    assert!(!s.ledger.pulse(s.fence).await.unwrap().orphans);
}

/// Whatever races with whatever, each is handed out once, in order.
pub(super) async fn hands_each_delivery_out_once(s: Subject) {
    let mut seen = HashSet::new();
    let mut open: Vec<u32> = Vec::new();
    for round in 0..20 {
        let first = round * 10;
        let post = |n| {
            let (ledger, fence) = (s.ledger.clone(), s.fence);
            let new = vec![delivery(n, None, 0), delivery(n + 1, None, 1)];
            tokio::spawn(async move { ledger.post(fence, new, &[], at(1)).await.unwrap() })
        };
        let settle = open.pop().map(|n| {
            let (ledger, fence) = (s.ledger.clone(), s.fence);
            let settle = async move {
                ledger.settle_delivery(fence, delivery_id(n), sent(), at(2)).await.unwrap().next
            };
            tokio::spawn(settle)
        });
        let posts = [post(first), post(first + 2), post(first + 4)];
        let mut all = vec![];
        for task in posts.into_iter().chain(settle) {
            all.push(task.await.unwrap());
        }
        for next in all.into_iter().filter(|next| *next != Next::None) {
            let id = claimed(next).delivery.id;
            assert!(seen.insert(id), "{id} twice");
            open.extend((0..200).find(|n| delivery_id(*n) == id));
        }
        assert_eq!(open.len(), 1, "one at a time, and never none");
    }
    while let Some(n) = open.pop() {
        if let Next::Claimed(next) = s.settle(n, sent()).await.next {
            assert!(seen.insert(next.delivery.id));
            open.extend((0..200).find(|n| delivery_id(*n) == next.delivery.id));
        }
    }
    assert_eq!(seen.len(), 120);
}
