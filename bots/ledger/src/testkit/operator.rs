use zaki_envelope::MessageId;

use super::samples::{at, delivery, delivery_id};
use super::{Subject, claimed, claims, dead, sent, unknown};
use crate::{DeliveryState, Next};

/// Everything that belongs to nobody.
async fn found(s: &Subject) -> Vec<Next> {
    let orphans = s.ledger.pulse(s.fence).await.unwrap().orphans;
    let found = s.ledger.recover(s.fence).await.unwrap();
    assert_eq!(found.unknown.len() + found.accepted.len() + found.turns.len(), 0);
    assert_eq!(orphans, !found.deliveries.is_empty());
    let mut begun = Vec::new();
    for next in &found.deliveries {
        begun.push(s.begin(next).await);
    }
    begun
}

pub(super) async fn proves_what_arrived(s: Subject) {
    let prove = async |n| {
        let receipt = vec![MessageId::new("wamid")];
        s.ledger.prove_delivery(delivery_id(n), receipt, at(250)).await.unwrap()
    };
    s.post(vec![delivery(10, None, 0)]).await;
    s.settle(10, unknown()).await;
    assert!(prove(10).await);
    assert!(!prove(10).await, "known already");
    let proven = s.delivery(10).await;
    assert_eq!(
        (proven.state, proven.receipt),
        (DeliveryState::Sent, vec![MessageId::new("wamid")])
    );

    // The callback overtakes the answer to the send.
    s.post(vec![delivery(11, None, 0), delivery(12, None, 1)]).await;
    assert!(!prove(12).await, "nobody has sent it");
    assert!(prove(11).await);
    let settled = s.settle(11, sent()).await;
    assert!(settled.changed);
    claims(settled.next, 12);
    assert_eq!(settled.untold, [], "what was proven is not lost");
    assert_eq!(found(&s).await, []);

    // Nobody settles it: a pulse finds what waits behind.
    s.post(vec![delivery(13, None, 0)]).await;
    assert!(prove(12).await);
    let mut next = found(&s).await;
    claims(next.pop().unwrap(), 13);
    assert_eq!(s.settle(12, sent()).await.next, Next::None, "too late");
}

pub(super) async fn refutes_what_was_taken(s: Subject) {
    let refute = async |n| {
        s.ledger.refute_delivery(delivery_id(n), "not on it".into(), at(250)).await.unwrap()
    };
    s.post(vec![delivery(10, None, 0), delivery(11, None, 1)]).await;
    assert!(!refute(11).await, "nobody has sent it");
    s.settle(10, sent()).await;
    s.settle(11, unknown()).await;
    assert!(refute(10).await && refute(11).await);
    assert!(!refute(10).await, "known already");
    assert_eq!(s.delivery(10).await.state, DeliveryState::Dead);
    assert_eq!(s.delivery(10).await.reason.as_deref(), Some("not on it"));
    s.post(vec![delivery(20, None, 0)]).await;
    assert_eq!(s.settle(20, sent()).await.untold.len(), 2);
}

pub(super) async fn retries_a_reply_at_the_end_of_the_queue(s: Subject) {
    let retry = async |n| s.ledger.retry_delivery(delivery_id(n), at(250)).await.unwrap();
    let parts = (0..3).map(|part| delivery(10 + part, None, part)).collect();
    s.post(parts).await;
    assert!(!retry(10).await, "it is being sent");
    s.settle(10, sent()).await;
    s.settle(11, dead()).await;
    assert!(!retry(10).await, "it has been sent");
    claims(s.post(vec![delivery(20, None, 0)]).await, 20);
    assert!(retry(11).await);
    assert!(!retry(11).await, "it waits already");
    assert_eq!(found(&s).await, [], "20 hands it on");
    let settled = s.settle(20, sent()).await;
    assert_eq!(settled.untold, [], "it is not lost any more");
    let next = claimed(settled.next);
    assert_eq!((next.delivery.id, next.delivery.attempts), (delivery_id(11), 1));
    claims(s.settle(11, sent()).await.next, 12);
    s.settle(12, unknown()).await;

    assert!(retry(12).await);
    let mut next = found(&s).await;
    claims(next.pop().unwrap(), 12);
    assert!(!retry(99).await);
}

pub(super) async fn drops_what_waits(s: Subject) {
    let drop = async |n| s.ledger.drop_delivery(delivery_id(n), at(250)).await.unwrap();
    let parts = (0..3).map(|part| delivery(10 + part, None, part)).collect();
    claims(s.post(parts).await, 10);
    s.post(vec![delivery(20, None, 0)]).await;
    assert!(!drop(10).await, "it is being sent");
    assert!(drop(11).await);
    assert_eq!(s.delivery(12).await.state, DeliveryState::Dead, "with what follows it");
    assert!(s.delivery(11).await.is_dropped() && s.delivery(12).await.is_dropped());
    claims(s.settle(10, sent()).await.next, 20);

    // The head, while its holder waits for its time.
    s.post(vec![delivery(21, None, 0)]).await;
    assert!(matches!(s.settle(20, super::retry()).await.next, Next::Later { .. }));
    assert!(drop(20).await);
    claims(s.claim(20).await, 21);
    s.post(vec![delivery(22, None, 0)]).await;
    s.settle(21, super::retry()).await;
    assert!(drop(21).await);
    let mut next = found(&s).await;
    claims(next.pop().unwrap(), 22);
    assert!(!drop(99).await);
}

pub(super) async fn silences_what_is_dead(s: Subject) {
    let drop = async |n| s.ledger.drop_delivery(delivery_id(n), at(250)).await.unwrap();
    let send = async |n| {
        s.post(vec![delivery(n, None, 0)]).await;
        s.settle(n, sent()).await.untold.len()
    };
    s.post(vec![delivery(10, None, 0)]).await;
    s.settle(10, unknown()).await;
    assert!(drop(10).await);
    assert_eq!(s.delivery(10).await.state, DeliveryState::Dead);
    assert_eq!(send(20).await, 1, "given up, and still to be told");
    assert!(drop(10).await);
    assert!(!drop(10).await, "once");
    assert_eq!(send(21).await, 0);
    assert!(s.ledger.retry_delivery(delivery_id(10), at(260)).await.unwrap());
}
