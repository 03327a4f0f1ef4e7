use zaki_envelope::wire::ErrorCode;

use super::Subject;
use super::samples::{at, batch, delivery, delivery_id, message, said, turn, turn_id};
use crate::{
    DeliveryFilter, DeliveryState, Error, Finish, InboundFilter, InboundState, SettleReason,
    TurnEnd,
};

pub(super) async fn joins_messages_whole_or_not_at_all(s: Subject) {
    s.ledger.accept(s.fence, batch(vec![said(1), said(2)])).await.unwrap();
    s.ledger.settle(s.fence, &[message(2).id], SettleReason::Bot).await.unwrap();
    let error = s.ledger.begin_turn(s.fence, turn(1, &[1, 2])).await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(id) if id == message(2).id), "{error}");
    assert!(!error.is_transient());
    assert_eq!(s.ledger.counts().await.unwrap().running, 0, "the turn is undone with it");

    s.ledger.begin_turn(s.fence, turn(2, &[1])).await.unwrap();
    let filter = InboundFilter { limit: 10, state: Some(InboundState::Joined), before: None };
    let joined = s.ledger.list_inbounds(filter).await.unwrap();
    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0].turn, Some(turn_id(2)));
    let error = s.ledger.begin_turn(s.fence, turn(3, &[99])).await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)), "{error}");
}

pub(super) async fn gives_a_message_to_one_turn(s: Subject) {
    s.ledger.accept(s.fence, batch(vec![said(1)])).await.unwrap();
    let begin = |n| {
        let (ledger, fence) = (s.ledger.clone(), s.fence);
        tokio::spawn(async move { ledger.begin_turn(fence, turn(n, &[1])).await.is_ok() })
    };
    let (a, b, c) = (begin(1), begin(2), begin(3));
    let won = [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()];
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
}

pub(super) async fn ends_once(s: Subject) {
    s.ledger.accept(s.fence, batch(vec![said(1)])).await.unwrap();
    s.ledger.begin_turn(s.fence, turn(1, &[1])).await.unwrap();
    let finish = async |n, end, first| {
        let deliveries = vec![delivery(n, Some(1), 0), delivery(n + 1, Some(1), 1)];
        s.ledger.finish_turn(s.fence, turn_id(1), end, deliveries, at(5), first).await
    };
    let done = finish(10, TurnEnd::Finished, true).await.unwrap();
    let Finish::Ended { first: Some(claimed) } = done else {
        panic!("ended and claimed, not {done:?}")
    };
    assert_eq!(claimed.delivery.id, delivery_id(10));
    assert_eq!(claimed.delivery.turn, Some(turn_id(1)));
    assert_eq!((claimed.delivery.state, claimed.delivery.attempts), (DeliveryState::Sending, 1));

    let failed = TurnEnd::Failed { code: ErrorCode::Timeout };
    assert_eq!(finish(20, failed, true).await.unwrap(), Finish::AlreadyEnded);
    let filter = DeliveryFilter { limit: 10, ..Default::default() };
    let ids: Vec<_> =
        s.ledger.list_deliveries(filter).await.unwrap().iter().map(|d| d.id).collect();
    assert_eq!(ids, [delivery_id(11), delivery_id(10)], "the second end stores nothing");

    let none = s.ledger.finish_turn(s.fence, turn_id(9), TurnEnd::Aborted, vec![], at(5), false);
    assert!(matches!(none.await, Err(Error::UnknownTurn(id)) if id == turn_id(9)));
}
