use zaki_envelope::wire::ErrorCode;

use super::samples::{at, batch, begun, delivery, delivery_id, message, said, turn, turn_id};
use super::{Subject, claimed};
use crate::{
    DeliveryFilter, DeliveryState, Error, Finish, InboundFilter, InboundState, Next, SettleReason,
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
    let joined = s.ledger.list_inbounds(filter).await.unwrap().rows;
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

pub(super) async fn begins_and_ends_once(s: Subject) {
    s.run(turn(1, &[1]), &[1]).await;
    let again = s.ledger.begin_turn(s.fence, turn(1, &[1])).await.unwrap();
    assert_eq!(again, begun(), "the answer was lost, the turn was not");
    let finish = async |n, end| {
        let deliveries = vec![delivery(n, Some(1), 0), delivery(n + 1, Some(1), 1)];
        s.ledger.finish_turn(s.fence, turn_id(1), end, &[], deliveries, at(5)).await
    };
    let Finish::Ended { first, waiting } = finish(10, TurnEnd::Finished).await.unwrap() else {
        panic!("ended")
    };
    let first = claimed(first);
    assert_eq!((first.delivery.id, first.delivery.turn), (delivery_id(10), Some(turn_id(1))));
    assert_eq!((first.delivery.state, first.delivery.attempts), (DeliveryState::Sending, 1));
    assert_eq!(first.delivery, s.delivery(10).await, "as it is stored");
    assert_eq!(waiting, []);

    let failed = TurnEnd::Failed { code: ErrorCode::Timeout };
    assert_eq!(finish(20, failed).await.unwrap(), Finish::AlreadyEnded);
    let filter = DeliveryFilter { limit: 10, ..Default::default() };
    let ids: Vec<_> =
        s.ledger.list_deliveries(filter).await.unwrap().rows.iter().map(|d| d.id).collect();
    assert_eq!(ids, [delivery_id(11), delivery_id(10)], "the second end stores nothing");

    let none = s.ledger.finish_turn(s.fence, turn_id(9), TurnEnd::Aborted, &[], vec![], at(5));
    assert!(matches!(none.await, Err(Error::UnknownTurn(id)) if id == turn_id(9)));
}

pub(super) async fn takes_further_messages_while_it_runs(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3, 4]).await;
    let join = async |messages: &[u32]| {
        let ids: Vec<_> = messages.iter().map(|n| message(*n).id).collect();
        s.ledger.join_turn(s.fence, turn_id(1), &ids).await
    };
    assert!(join(&[3, 2]).await.unwrap().is_some());
    assert!(join(&[3, 2]).await.unwrap().is_some(), "the answer was lost, the messages were not");
    assert!(matches!(join(&[99]).await, Err(Error::NotAccepted(_))));
    s.ledger.settle(s.fence, &[message(2).id], SettleReason::Event).await.unwrap();

    let next = s.successor().await;
    let found = s.ledger.recover(next).await.unwrap();
    assert_eq!(found.accepted, [message(4)]);
    assert_eq!(found.turns[0].inbounds, [message(1)]);
    assert_eq!(found.turns[0].steered, [message(3), message(2)]);
    let heard = [message(2).id, message(3).id];
    let end = s.ledger.finish_turn(next, turn_id(1), TurnEnd::Finished, &heard, vec![], at(10));
    assert_eq!(end.await.unwrap(), Finish::Ended { first: Next::None, waiting: vec![] });
    let late = s.ledger.join_turn(next, turn_id(1), &[message(4).id]).await.unwrap();
    assert_eq!(late, None, "it has ended");
    s.ledger.begin_turn(next, turn(2, &[4])).await.unwrap();
}
