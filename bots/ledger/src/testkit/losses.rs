use zaki_envelope::DeliveryId;

use super::samples::{at, delivery, delivery_id, elsewhere, turn, turn_id};
use super::{Subject, claims, dead, ms, sent, unknown};
use crate::{DeliveryEnd, DeliveryKind, DeliveryState, Lost, Next, TurnEnd};

fn ids(lost: &[Lost]) -> Vec<DeliveryId> {
    lost.iter().map(|lost| lost.id).collect()
}

pub(super) async fn ends_a_reply_at_a_failed_part(s: Subject) {
    for (end, n, state) in
        [(dead(), 10, DeliveryState::Dead), (unknown(), 20, DeliveryState::Unknown)]
    {
        let parts = (0..3).map(|part| delivery(n + part, None, part)).collect();
        claims(s.post(parts).await, n);
        s.post(vec![delivery(n + 5, None, 7)]).await;
        claims(s.settle(n, sent()).await.next, n + 1);
        claims(s.settle(n + 1, end).await.next, n + 5);
        let states = [s.delivery(n).await, s.delivery(n + 1).await, s.delivery(n + 2).await];
        let states = states.map(|delivery| delivery.state);
        assert_eq!(states, [DeliveryState::Sent, state, DeliveryState::Dead]);
        assert_eq!(s.settle(n + 5, sent()).await.next, Next::None);
    }
}

/// A notice about `tells`.
async fn tell(s: &Subject, n: u32, tells: &[u32]) -> Next {
    let mut notice = delivery(n, None, 0);
    notice.kind = DeliveryKind::Notice;
    let tells: Vec<_> = tells.iter().map(|n| delivery_id(*n)).collect();
    s.ledger.post(s.fence, vec![notice], &tells, at(3)).await.unwrap()
}

pub(super) async fn tells_what_was_lost_once(s: Subject) {
    s.run(turn(1, &[1]), &[1]).await;
    let parts = vec![delivery(10, Some(1), 0), delivery(11, Some(1), 1)];
    s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], parts, at(5)).await.unwrap();
    let lost = s.settle(10, unknown()).await;
    assert_eq!(
        (lost.next, ids(&lost.untold)),
        (Next::None, vec![delivery_id(10), delivery_id(11)])
    );
    s.post(vec![delivery(12, None, 0)]).await;
    assert_eq!(s.settle(12, dead()).await.untold, [], "nothing works just now");

    s.post(vec![elsewhere(delivery(30, None, 0))]).await;
    assert_eq!(s.settle(30, sent()).await.untold, [], "another place");
    s.post(vec![delivery(20, None, 0)]).await;
    let untold = s.settle(20, sent()).await.untold;
    assert_eq!(ids(&untold), [10, 11, 12].map(delivery_id));
    let first = &untold[0];
    assert_eq!((first.turn, first.state), (Some(turn_id(1)), DeliveryState::Unknown));
    assert_eq!((first.reason.as_deref(), first.at), (Some("timed out"), at(200)));

    claims(tell(&s, 21, &[10, 11, 12]).await, 21);
    assert_eq!(s.settle(21, sent()).await.untold, [], "told");
}

pub(super) async fn tells_again_when_the_notice_is_lost(s: Subject) {
    s.post(vec![delivery(10, None, 0)]).await;
    s.settle(10, dead()).await;
    tell(&s, 20, &[10]).await;
    s.settle(20, dead()).await;
    s.post(vec![delivery(30, None, 0)]).await;
    assert_eq!(ids(&s.settle(30, sent()).await.untold), [delivery_id(10)], "not the notice");
    tell(&s, 21, &[10]).await;
    s.post(vec![delivery(22, None, 0)]).await;
    claims(s.settle(21, unknown()).await.next, 22);
    s.settle(22, dead()).await;
    tell(&s, 23, &[]).await;
    assert_eq!(s.settle(23, unknown()).await.untold, [], "no notice about a notice");
    s.post(vec![delivery(31, None, 0)]).await;
    let untold = s.settle(31, sent()).await.untold;
    assert_eq!(ids(&untold), [10, 22].map(delivery_id), "nobody knows whether it was read");
    tell(&s, 24, &[10, 22]).await;
    s.settle(24, sent()).await;
    s.post(vec![delivery(32, None, 0)]).await;
    assert_eq!(s.settle(32, sent()).await.untold, [], "told");
}

pub(super) async fn holds_what_may_not_leave_yet(s: Subject) {
    claims(s.post(vec![delivery(10, None, 0)]).await, 10);
    let held = s.settle(10, DeliveryEnd::Held { pause: ms(700) }).await;
    assert_eq!(held.next, super::later(10, 900, 200));
    let waits = s.delivery(10).await;
    assert_eq!((waits.state, waits.attempts, waits.reason), (DeliveryState::Pending, 0, None));
    let again = s.ledger.claim_delivery(s.fence, delivery_id(10), at(900)).await.unwrap();
    assert_eq!(super::claimed(again).delivery.attempts, 1, "it was not tried before");
}

pub(super) async fn believes_a_platform_that_takes_its_word_back(s: Subject) {
    s.post(vec![delivery(10, None, 0), delivery(11, None, 1)]).await;
    claims(s.settle(10, sent()).await.next, 11);
    let refute = |n| s.ledger.refute_delivery(delivery_id(n), "131047".into(), at(300));
    assert!(refute(10).await.unwrap());
    assert!(!refute(10).await.unwrap(), "once");
    let dead = s.delivery(10).await;
    assert_eq!((dead.state, dead.reason.as_deref()), (DeliveryState::Dead, Some("131047")));
    assert_eq!(ids(&s.settle(11, sent()).await.untold), [delivery_id(10)]);
    s.post(vec![delivery(20, None, 0), delivery(21, None, 1)]).await;
    assert!(refute(20).await.unwrap(), "its sender does not know yet");
    let settled = s.settle(20, unknown()).await;
    assert_eq!((settled.changed, settled.next), (false, Next::None));
    assert_eq!(s.delivery(21).await.state, DeliveryState::Dead);
}
