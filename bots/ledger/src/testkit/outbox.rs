use zaki_envelope::{ConversationId, MessageId, ReplyHandle};

use super::Subject;
use super::samples::{at, batch, delivery, delivery_id, said, turn, turn_id};
use crate::{
    Claimed, Delivery, DeliveryEnd, DeliveryFilter, DeliveryState, Finish, NewDelivery, TurnEnd,
};

async fn claim(s: &Subject, n: u32) -> Option<Claimed> {
    s.ledger.claim_delivery(s.fence, delivery_id(n), at(100)).await.unwrap()
}

async fn settle(s: &Subject, n: u32, end: DeliveryEnd) -> bool {
    s.ledger.settle_delivery(s.fence, delivery_id(n), end, at(200)).await.unwrap()
}

async fn state(s: &Subject, n: u32) -> Delivery {
    let filter = DeliveryFilter { limit: 100, ..Default::default() };
    let all = s.ledger.list_deliveries(filter).await.unwrap();
    all.into_iter().find(|delivery| delivery.id == delivery_id(n)).unwrap()
}

fn sent() -> DeliveryEnd {
    DeliveryEnd::Sent { receipt: vec![MessageId::new("r1"), MessageId::new("r2")] }
}

fn retry() -> DeliveryEnd {
    DeliveryEnd::Retry { not_before: at(900), reason: "429".into() }
}

fn unknown() -> DeliveryEnd {
    DeliveryEnd::Unknown { reason: "timed out".into() }
}

fn dead() -> DeliveryEnd {
    DeliveryEnd::Dead { reason: "blocked".into() }
}

/// Ends turn 1, which answers `messages`, with these deliveries.
async fn answer(s: &Subject, messages: Vec<crate::NewInbound>, deliveries: Vec<NewDelivery>) {
    let mut new = turn(1, &[]);
    new.inbounds = messages.iter().map(|item| item.inbound.id).collect();
    s.ledger.accept(s.fence, batch(messages)).await.unwrap();
    s.ledger.begin_turn(s.fence, new).await.unwrap();
    let end = TurnEnd::Finished;
    let done = s.ledger.finish_turn(s.fence, turn_id(1), end, deliveries, at(9), false);
    assert_eq!(done.await.unwrap(), Finish::Ended { first: None });
}

/// Three parts of one reply, 10 to 12.
async fn three_parts(s: &Subject) {
    let parts = (0..3).map(|part| delivery(10 + part, Some(1), part));
    answer(s, vec![said(1)], parts.collect()).await;
}

pub(super) async fn is_claimed_by_one(s: Subject) {
    three_parts(&s).await;
    let take = || {
        let (ledger, fence) = (s.ledger.clone(), s.fence);
        tokio::spawn(async move { ledger.claim_delivery(fence, delivery_id(10), at(1)).await })
    };
    let (a, b, c) = (take(), take(), take());
    let all = [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()];
    assert_eq!(all.into_iter().filter_map(Result::unwrap).count(), 1);
    assert!(claim(&s, 99).await.is_none(), "never stored");
}

pub(super) async fn keeps_the_parts_in_order(s: Subject) {
    let mut elsewhere = delivery(13, Some(1), 5);
    elsewhere.address.conversation.id = ConversationId::new("other");
    let mut all: Vec<_> = (0..3).map(|part| delivery(10 + part, Some(1), part)).collect();
    all.push(elsewhere);
    answer(&s, vec![said(1)], all).await;

    assert!(claim(&s, 11).await.is_none(), "10 is pending");
    let first = claim(&s, 10).await.unwrap();
    assert_eq!((first.delivery.attempts, first.delivery.state), (1, DeliveryState::Sending));
    assert!(claim(&s, 11).await.is_none(), "10 is under way");
    assert!(settle(&s, 10, retry()).await);
    let waiting = state(&s, 10).await;
    assert_eq!((waiting.state, waiting.not_before), (DeliveryState::Pending, at(900)));
    assert_eq!(waiting.reason.as_deref(), Some("429"));
    assert!(claim(&s, 11).await.is_none(), "10 waits for its next attempt");
    assert_eq!(claim(&s, 10).await.unwrap().delivery.attempts, 2);
    assert!(settle(&s, 10, sent()).await);
    assert_eq!(state(&s, 10).await.receipt, [MessageId::new("r1"), MessageId::new("r2")]);
    assert!(claim(&s, 12).await.is_none(), "11 is pending");
    assert!(claim(&s, 11).await.is_some());
    assert!(claim(&s, 13).await.is_some(), "another place waits for nobody");
}

pub(super) async fn drops_what_follows_a_dead_part(s: Subject) {
    three_parts(&s).await;
    s.ledger.post(s.fence, vec![delivery(20, None, 7)], at(1)).await.unwrap();
    claim(&s, 10).await.unwrap();
    settle(&s, 10, sent()).await;
    claim(&s, 11).await.unwrap();
    assert!(settle(&s, 11, dead()).await);
    let states = [state(&s, 10).await.state, state(&s, 11).await.state, state(&s, 12).await.state];
    assert_eq!(states, [DeliveryState::Sent, DeliveryState::Dead, DeliveryState::Dead]);
    assert!(claim(&s, 20).await.is_some(), "another reply lives on");
}

pub(super) async fn waits_behind_an_unknown_part(s: Subject) {
    three_parts(&s).await;
    claim(&s, 10).await.unwrap();
    assert!(settle(&s, 10, unknown()).await);
    assert!(claim(&s, 10).await.is_none(), "not sent again by itself");
    assert!(claim(&s, 11).await.is_none());
    assert!(settle(&s, 10, sent()).await, "a status callback has proven it");
    assert!(claim(&s, 11).await.is_some());
    assert!(settle(&s, 11, unknown()).await);
    assert!(settle(&s, 11, retry()).await, "an operator wants it again");
    assert!(claim(&s, 11).await.is_some());
}

pub(super) async fn settles_in_the_allowed_ways_only(s: Subject) {
    three_parts(&s).await;
    for end in [sent(), retry(), unknown()] {
        assert!(!settle(&s, 10, end).await, "it is pending: nobody has sent it");
    }
    claim(&s, 10).await.unwrap();
    assert!(settle(&s, 10, sent()).await);
    for end in [sent(), retry(), unknown(), dead()] {
        assert!(!settle(&s, 10, end).await, "sent is sent");
    }
    assert!(settle(&s, 11, dead()).await, "a pending one can be given up");
    for end in [sent(), retry(), unknown()] {
        assert!(!settle(&s, 11, end).await, "dead is dead");
    }
}

pub(super) async fn lends_the_reply_handle(s: Subject) {
    let handle = |secret: &str, expires_at, uses_left| {
        Some(ReplyHandle { secret: secret.into(), expires_at, uses_left })
    };
    let mut messages = vec![said(1), said(2), said(3), said(4)];
    messages[0].handle = handle("old", at(1000), 1);
    messages[1].handle = handle("newer", at(1000), 1);
    messages[2].handle = handle("expired", at(100), 5);
    messages[3].handle = handle("elsewhere", at(1000), 5);
    messages[3].inbound.conversation.id = ConversationId::new("other");
    let parts = (0..4).map(|part| delivery(10 + part, Some(1), part));
    answer(&s, messages, parts.collect()).await;

    let mut secrets = Vec::new();
    for (n, end) in [(10, retry()), (10, sent()), (11, sent()), (12, sent())] {
        let claimed = claim(&s, n).await.unwrap();
        assert!(claimed.delivery.address.handle.is_none());
        assert!(claimed.handle.as_ref().is_none_or(|handle| handle.is_live(at(100))));
        secrets.push(claimed.handle.map(|handle| handle.secret));
        assert!(settle(&s, n, end).await);
    }
    let newer = || Some("newer".to_owned());
    assert_eq!(secrets, [newer(), newer(), Some("old".into()), None]);

    s.ledger.post(s.fence, vec![delivery(20, None, 0)], at(1)).await.unwrap();
    assert!(claim(&s, 20).await.unwrap().handle.is_none(), "a notice answers nothing");
}

pub(super) async fn posts_notices_once(s: Subject) {
    let notices = || vec![delivery(1, None, 0), delivery(2, None, 1)];
    s.ledger.post(s.fence, notices(), at(1)).await.unwrap();
    claim(&s, 1).await.unwrap();
    s.ledger.post(s.fence, notices(), at(2)).await.unwrap();
    assert_eq!(state(&s, 1).await.state, DeliveryState::Sending, "known already");
    assert!(claim(&s, 2).await.is_none(), "parts of one call are one reply");
    settle(&s, 1, sent()).await;
    assert!(claim(&s, 2).await.is_some());
}
