use zaki_envelope::{ConversationId, MessageId, Outbound, ReplyHandle};

use super::samples::{at, batch, delivery, delivery_id, said, turn, turn_id};
use super::{Subject, claimed, claims, dead, ms, retry, sent, unknown};
use crate::{DeliveryEnd, DeliveryKind, DeliveryState, Finish, NewDelivery, Next, TurnEnd};

pub(super) async fn is_claimed_by_one(s: Subject) {
    s.post(vec![delivery(9, None, 0), delivery(10, None, 1)]).await;
    s.settle(9, retry()).await;
    let take = || {
        let (ledger, fence) = (s.ledger.clone(), s.fence);
        tokio::spawn(async move { ledger.claim_delivery(fence, delivery_id(9), at(900)).await })
    };
    let (a, b, c) = (take(), take(), take());
    let all = [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()];
    let won = all.into_iter().filter(|next| matches!(next, Ok(Next::Claimed(_))));
    assert_eq!(won.count(), 1);
    assert_eq!(s.claim(99).await, Next::None, "never stored");
}

pub(super) async fn retries_before_anything_later(s: Subject) {
    claims(s.post(vec![delivery(10, None, 0), delivery(11, None, 1)]).await, 10);
    let later = super::later(10, 900, 200);
    let settled = s.settle(10, retry()).await;
    assert_eq!((settled.changed, settled.next), (true, later.clone()));
    let waiting = s.delivery(10).await;
    assert_eq!((waiting.state, waiting.not_before), (DeliveryState::Pending, at(900)));
    assert_eq!(waiting.reason.as_deref(), Some("429"));
    assert_eq!(s.claim(10).await, later, "not yet");
    assert_eq!(s.claim(11).await, later, "10 is first");
    let due = s.ledger.claim_delivery(s.fence, delivery_id(11), at(900)).await.unwrap();
    let again = claimed(due);
    assert_eq!((again.delivery.id, again.delivery.attempts), (delivery_id(10), 2));
    assert_eq!(again.delivery.reason, None);
    let now = DeliveryEnd::Retry { pause: ms(0), reason: "503".into() };
    assert_eq!(claimed(s.settle(10, now).await.next).delivery.attempts, 3, "at once");
    claims(s.settle(10, sent()).await.next, 11);
    assert_eq!(s.delivery(10).await.receipt, [MessageId::new("r1")]);
}

pub(super) async fn keeps_no_text_that_serves_its_reader(s: Subject) {
    let code = |n, part| NewDelivery { fleeting: true, ..delivery(n, None, part) };
    let text = async |n| s.delivery(n).await.outbound;
    let nothing = Outbound::Post { parts: Vec::new(), reply_to: None };
    s.post(vec![code(10, 0), delivery(11, None, 1), code(12, 2)]).await;
    assert_eq!(text(10).await, Outbound::post("answer 10"), "while it has to be sent");
    s.settle(10, retry()).await;
    let again = s.ledger.claim_delivery(s.fence, delivery_id(10), at(900)).await.unwrap();
    assert_eq!(claimed(again).delivery.outbound, Outbound::post("answer 10"));
    s.settle(10, sent()).await;
    s.settle(11, sent()).await;
    assert_eq!((text(10).await, text(11).await), (nothing.clone(), Outbound::post("answer 11")));
    s.settle(12, unknown()).await;
    assert_eq!(text(12).await, Outbound::post("answer 12"), "it may have to be sent again");
    s.settle(12, sent()).await;
    assert_eq!(text(12).await, nothing);
}

pub(super) async fn settles_in_the_allowed_ways_only(s: Subject) {
    s.post(vec![delivery(10, None, 0), delivery(11, None, 1), delivery(12, None, 2)]).await;
    for end in [sent(), unknown()] {
        assert!(!s.settle(11, end).await.changed, "it is pending: nobody has sent it");
    }
    assert!(s.settle(10, sent()).await.changed);
    for end in [retry(), unknown(), dead()] {
        assert!(!s.settle(10, end).await.changed, "sent is sent");
    }
    assert!(s.settle(11, unknown()).await.changed);
    for end in [retry(), dead()] {
        assert!(!s.settle(11, end).await.changed, "not sent again by itself");
    }
    assert!(s.settle(11, sent()).await.changed, "it has arrived after all");
    claims(s.post(vec![delivery(20, None, 0), delivery(21, None, 1)]).await, 20);
    assert!(s.settle(21, dead()).await.changed, "a pending one can be given up");
    for end in [sent(), retry(), unknown()] {
        assert!(!s.settle(21, end).await.changed, "dead is dead");
    }
    let strange = s.settle(99, sent()).await;
    assert_eq!((strange.changed, strange.next), (false, Next::None));
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
    let mut new = turn(1, &[]);
    new.inbounds = messages.iter().map(|item| item.inbound.id).collect();
    s.ledger.accept(s.fence, batch(messages)).await.unwrap();
    s.ledger.begin_turn(s.fence, new).await.unwrap();
    let parts = (0..4).map(|part| delivery(10 + part, Some(1), part)).collect();
    let end = s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], parts, at(100));
    let Finish::Ended { first: mut next, .. } = end.await.unwrap() else { panic!("ended") };

    let again = || DeliveryEnd::Retry { pause: ms(0), reason: "503".into() };
    let mut secrets = Vec::new();
    for (n, end) in [(10, again()), (10, sent()), (11, sent()), (12, sent())] {
        let got = claimed(next);
        assert_eq!(got.delivery.id, delivery_id(n));
        assert!(got.delivery.address.handle.is_none());
        assert!(got.handle.as_ref().is_none_or(|handle| handle.is_live(at(100))));
        secrets.push(got.handle.map(|handle| handle.secret));
        next = s.settle(n, end).await.next;
    }
    let newer = || Some("newer".to_owned());
    assert_eq!(secrets, [newer(), newer(), Some("old".into()), None]);
    s.settle(13, sent()).await;
    assert!(claimed(s.post(vec![delivery(20, None, 0)]).await).handle.is_none());
}

/// A notice about a command answers it where the platform waits for that.
pub(super) async fn lends_a_notice_the_handle_of_its_message(s: Subject) {
    let mut item = said(20);
    let expires_at = at(1000);
    item.handle = Some(ReplyHandle { secret: "token".into(), expires_at, uses_left: 1 });
    s.ledger.accept(s.fence, batch(vec![item.clone()])).await.unwrap();
    let mut notice = delivery(20, None, 0);
    notice.id = item.inbound.id.to_string().parse().unwrap();
    assert_eq!(claimed(s.post(vec![notice]).await).handle, item.handle);
}

/// A send that is repeated after a crash must look the same to the platform.
pub(super) async fn hands_the_used_handle_on(s: Subject) {
    let mut item = said(1);
    let handle = ReplyHandle { secret: "token".into(), expires_at: at(1000), uses_left: 2 };
    item.handle = Some(handle.clone());
    s.ledger.accept(s.fence, batch(vec![item])).await.unwrap();
    s.ledger.begin_turn(s.fence, turn(1, &[1])).await.unwrap();
    let parts = vec![delivery(10, Some(1), 0)];
    let end = s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], parts, at(9));
    let Finish::Ended { first, .. } = end.await.unwrap() else { panic!("ended") };
    assert_eq!(claimed(first).handle, Some(handle.clone()));
    let next = s.successor().await;
    let found = s.ledger.recover(next).await.unwrap();
    assert_eq!(found.unknown[0].handle, Some(handle));
}

pub(super) async fn posts_notices_once(s: Subject) {
    let notices = || {
        let notice = |n, part| {
            let mut new = delivery(n, None, part);
            new.kind = DeliveryKind::Notice;
            new
        };
        vec![notice(1, 0), notice(2, 1)]
    };
    claims(s.post(notices()).await, 1);
    assert_eq!(s.post(notices()).await, Next::None, "known already");
    assert_eq!(s.delivery(1).await.state, DeliveryState::Sending);
    assert_eq!(s.delivery(1).await.kind, DeliveryKind::Notice);
    claims(s.settle(1, sent()).await.next, 2);
    s.settle(2, sent()).await;
    assert_eq!(s.post(notices()).await, Next::None, "and done");
    assert_eq!(s.post(vec![]).await, Next::None);
}

pub(super) async fn is_settled_twice_with_one_answer(s: Subject) {
    s.post(vec![delivery(10, None, 0)]).await;
    assert!(s.settle(10, sent()).await.changed);
    let again = s.settle(10, sent()).await;
    assert_eq!((again.changed, again.next), (true, Next::None));
    claims(s.post(vec![delivery(11, None, 0)]).await, 11);
    assert_eq!(s.settle(10, sent()).await.next, Next::None, "11 is being sent already");
}
