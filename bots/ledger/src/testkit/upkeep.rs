use std::time::Duration;

use zaki_envelope::ReplyHandle;

use super::samples::{at, batch, delivery, delivery_id, in_lane, message, said, turn, turn_id};
use super::{Subject, claims, ms, sent};
use crate::{
    Batch, Counts, DeadLetter, DeliveryEnd, DeliveryFilter, DeliveryState, Error, Fence, Finish,
    InboundFilter, InboundState, Next, Recovery, Retention, SettleReason, TurnEnd,
};

const DAY: i64 = 86_400_000;

pub(super) async fn recovers_what_was_open(s: Subject) {
    let empty = s.ledger.recover(s.fence).await.unwrap();
    assert_eq!(empty, Recovery::default());

    let items = (1..=5).map(said).collect();
    s.ledger.accept(s.fence, batch(items)).await.unwrap();
    s.ledger.settle(s.fence, &[message(5).id], SettleReason::Event).await.unwrap();
    s.ledger.begin_turn(s.fence, turn(1, &[1])).await.unwrap();
    // Accepted last, though its id is the first.
    s.ledger.accept(s.fence, batch(vec![said(0)])).await.unwrap();
    // Not in order of arrival: the order given is the order kept.
    s.ledger.begin_turn(s.fence, in_lane(2, turn(2, &[3, 2]))).await.unwrap();
    // Ids made in one millisecond fall in any order.
    let deliveries = (0..3).map(|part| delivery(12 - part, Some(1), part)).collect();
    let done = s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], deliveries, at(7));
    assert!(matches!(done.await.unwrap(), Finish::Ended { first: Next::Claimed(_), .. }));

    let next = s.successor().await;
    let found = s.ledger.recover(next).await.unwrap();
    assert_eq!(found.accepted, [message(4), message(0)]);
    let [open] = found.turns.as_slice() else { panic!("one open turn, not {}", found.turns.len()) };
    assert_eq!(open.turn, in_lane(2, turn(2, &[3, 2])));
    assert_eq!(open.inbounds, [message(3), message(2)]);
    assert_eq!((open.steered.as_slice(), found.deliveries.as_slice()), (&[][..], &[][..]));
    let [sending] = found.unknown.as_slice() else {
        panic!("one unknown delivery, not {}", found.unknown.len())
    };
    assert_eq!(
        (sending.delivery.id, sending.delivery.state),
        (delivery_id(12), DeliveryState::Sending)
    );
    assert_eq!(s.ledger.recover(next).await.unwrap(), Recovery::default(), "handed once");
    let end = DeliveryEnd::Unknown { reason: "stopped while sending".into() };
    let settled = s.ledger.settle_delivery(next, delivery_id(12), end, at(61)).await.unwrap();
    assert_eq!(settled.next, Next::None, "the later parts went with it");
    let counts = s.ledger.counts().await.unwrap();
    assert_eq!((counts.unknown, counts.dead), (1, 2));
}

/// However much there is, and however it was numbered.
pub(super) async fn recovers_some_at_a_time(s: Subject) {
    let (messages, turns) = (Recovery::MESSAGES, Recovery::TURNS);
    s.ledger.accept(s.fence, batch((0..=messages).rev().map(said).collect())).await.unwrap();
    for n in (0..=turns).rev() {
        s.ledger.begin_turn(s.fence, in_lane(n, turn(n, &[]))).await.unwrap();
    }
    for n in (0..=Recovery::CONVERSATIONS).rev() {
        let mut new = delivery(n, None, 0);
        new.address.conversation.id = zaki_envelope::ConversationId::new(n.to_string());
        claims(s.post(vec![new]).await, n);
        if n % 2 == 0 {
            s.settle(n, super::retry()).await;
        }
    }
    let next = s.successor().await;
    for is_first in [true, false] {
        assert!(s.ledger.pulse(next).await.unwrap().orphans);
        let found = s.ledger.recover(next).await.unwrap();
        let some = |all: u32| if is_first { 1..=all } else { 0..=0 };
        let accepted: Vec<_> = some(messages).rev().map(message).collect();
        assert!(found.accepted == accepted, "{} in order of acceptance", accepted.len());
        let ids: Vec<_> = found.turns.iter().map(|open| open.turn.id).collect();
        assert_eq!(ids, some(turns).rev().map(turn_id).collect::<Vec<_>>());
        let heads = found.deliveries.len() + found.unknown.len();
        assert_eq!(heads, some(Recovery::CONVERSATIONS).count());
    }
    assert_eq!(s.ledger.recover(next).await.unwrap(), Recovery::default());
    assert!(!s.ledger.pulse(next).await.unwrap().orphans);
}

pub(super) async fn counts_and_lists(s: Subject) {
    let mut request = batch((1..=4).map(said).collect());
    request.dead.push(DeadLetter { reason: "no".into(), raw: vec![1] });
    s.ledger.accept(s.fence, request).await.unwrap();
    s.ledger.begin_turn(s.fence, turn(1, &[1])).await.unwrap();
    s.post(vec![delivery(1, None, 0), delivery(2, None, 0)]).await;
    let expected = Counts {
        accepted: 3,
        running: 1,
        pending: 1,
        sending: 1,
        dead_letters: 1,
        ..Counts::default()
    };
    assert_eq!(s.ledger.counts().await.unwrap(), expected);

    let page = async |before, state| {
        let filter = InboundFilter { limit: 2, before, state };
        let rows = s.ledger.list_inbounds(filter).await.unwrap().rows;
        rows.into_iter().map(|row| row.inbound.id).collect::<Vec<_>>()
    };
    let id = |n| message(n).id;
    assert_eq!(page(None, None).await, [id(4), id(3)]);
    assert_eq!(page(Some(id(3)), None).await, [id(2), id(1)]);
    assert_eq!(page(Some(id(3)), Some(InboundState::Accepted)).await, [id(2)]);
    let pending = DeliveryFilter { limit: 9, before: None, state: Some(DeliveryState::Pending) };
    let rows = s.ledger.list_deliveries(pending).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].id, rows[0].outbound.clone()),
        (delivery_id(2), delivery(2, None, 0).outbound)
    );
}

pub(super) async fn prunes_what_is_done_with(s: Subject) {
    let mut items: Vec<_> = (1..=4).map(said).collect();
    items[3].handle =
        Some(ReplyHandle { secret: "secret".into(), expires_at: at(5), uses_left: 1 });
    let mut request = batch(items);
    request.dead.push(DeadLetter { reason: "no".into(), raw: vec![1] });
    s.ledger.accept(s.fence, request).await.unwrap();
    s.ledger.settle(s.fence, &[message(1).id], SettleReason::Event).await.unwrap();
    s.ledger.begin_turn(s.fence, turn(1, &[2])).await.unwrap();
    s.ledger.begin_turn(s.fence, in_lane(2, turn(2, &[3]))).await.unwrap();
    s.ledger.begin_turn(s.fence, in_lane(3, turn(3, &[]))).await.unwrap();
    let deliveries = vec![delivery(10, Some(1), 0), delivery(11, Some(1), 1)];
    s.ledger
        .finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &[], deliveries, at(9))
        .await
        .unwrap();
    let late = DeliveryEnd::Retry { pause: ms(0), reason: "503".into() };
    claims(s.settle(10, sent()).await.next, 11);
    s.settle(11, late).await;
    s.settle(11, DeliveryEnd::Retry { pause: ms(700), reason: "503".into() }).await;

    let day = |days: u64| Duration::from_hours(24 * days);
    let keep = Retention { raw: day(7), text: day(30), messages: day(30), dedupe: Duration::ZERO };
    let prune = async |days| s.ledger.prune(s.fence, at(days * DAY), keep).await.unwrap();
    assert_eq!(prune(1).await, 1, "the expired reply handle alone");
    assert_eq!(prune(7).await, 0);
    assert!(s.ledger.raw(message(1).id).await.unwrap().is_some());
    assert_eq!(prune(8).await, 2, "the request and the dead letter");
    assert!(s.ledger.raw(message(1).id).await.unwrap().is_none());
    let known = s.ledger.accept(s.fence, batch(vec![said(1)])).await.unwrap();
    assert_eq!(known.duplicates, 1, "keys outlive every retry, whatever the retention says");
    assert_eq!(prune(9).await, 4, "the keys");

    // Settled message, answered message, its turn, both its deliveries (one given up first).
    assert_eq!(prune(31).await, 5);
    let next = s.successor().await;
    let left = s.ledger.recover(next).await.unwrap();
    assert_eq!(left.accepted, [message(4)]);
    let open: Vec<_> = left.turns.iter().map(|open| open.turn.id).collect();
    assert_eq!(open, [turn_id(2), turn_id(3)], "what runs is kept");
    assert_eq!(left.deliveries.len(), 0);
}

/// More keys than are looked at in one go, old and new ones side by side.
pub(super) async fn removes_keys_by_their_age_alone(s: Subject) {
    const KEYS: u32 = 2_500;
    let items = |days: i64| {
        let is_one = move |n: &u32| n.is_multiple_of(3) == (days == 0);
        let mut items: Vec<_> = (0..KEYS).filter(is_one).map(said).collect();
        for item in &mut items {
            item.inbound.received_at = at(days * DAY);
            item.settled = Some(SettleReason::Event);
        }
        Batch { received_at: at(days * DAY), ..batch(items) }
    };
    let (old, new) = (items(0), items(5));
    let counts = (old.items.len(), new.items.len());
    s.ledger.accept(s.fence, old.clone()).await.unwrap();
    s.ledger.accept(s.fence, new.clone()).await.unwrap();
    let day = |days: u64| Duration::from_hours(24 * days);
    let keep = Retention { raw: day(90), text: day(90), messages: day(90), dedupe: day(9) };
    assert_eq!(s.ledger.prune(s.fence, at(8 * DAY), keep).await.unwrap(), 0);
    assert_eq!(s.ledger.prune(s.fence, at(10 * DAY), keep).await.unwrap(), counts.0);
    assert_eq!(s.ledger.accept(s.fence, new).await.unwrap().duplicates, counts.1);
}

/// More of what is dated ahead than is looked at in one go, and behind it what is old one day.
pub(super) async fn a_clock_that_was_ahead_keeps_nothing_longer(s: Subject) {
    const AHEAD: u32 = 510;
    let letter = || DeadLetter { reason: "no".into(), raw: vec![1] };
    let ahead = (0..AHEAD).map(|n| {
        let request = Batch { received_at: at(30 * DAY), ..batch(vec![said(n)]) };
        let (ledger, fence) = (s.ledger.clone(), s.fence);
        async move { ledger.accept(fence, request).await.unwrap() }
    });
    for accept in ahead.map(tokio::spawn).collect::<Vec<_>>() {
        accept.await.unwrap();
    }
    let mut letters = Batch { received_at: at(30 * DAY), ..batch(vec![]) };
    letters.dead = (0..AHEAD).map(|_| letter()).collect();
    s.ledger.accept(s.fence, letters).await.unwrap();
    let mut late = batch(vec![said(AHEAD)]);
    late.dead.push(letter());
    s.ledger.accept(s.fence, late).await.unwrap();

    let days = |days: u64| Duration::from_hours(24 * days);
    let keep = Retention { raw: days(7), text: days(90), messages: days(90), dedupe: days(90) };
    let prune = async |days| s.ledger.prune(s.fence, at(days * DAY), keep).await.unwrap();
    assert_eq!(prune(7).await, 0);
    assert_eq!(prune(8).await, 2, "the request and the dead letter behind them");
    assert!(s.ledger.raw(message(AHEAD).id).await.unwrap().is_none());
    assert!(s.ledger.raw(message(0).id).await.unwrap().is_some());
    assert_eq!(prune(38).await, 2 * usize::try_from(AHEAD).unwrap());
}

pub(super) async fn frees_the_queue_behind_what_expires(s: Subject) {
    s.post(vec![delivery(10, None, 0)]).await;
    s.settle(10, super::retry()).await;
    let mut new = delivery(11, None, 0);
    new.id = zaki_envelope::DeliveryId::from_parts(at(40 * DAY), 11);
    assert_eq!(s.post(vec![new.clone()]).await, Next::None);
    s.ledger.prune(s.fence, at(31 * DAY), Retention::default()).await.unwrap();
    assert!(s.ledger.pulse(s.fence).await.unwrap().orphans);
    let found = s.ledger.recover(s.fence).await.unwrap();
    let next = super::claimed(s.begin(&found.deliveries[0]).await);
    assert_eq!(next.delivery.id, new.id);
}

pub(super) async fn refuses_a_stale_fence(s: Subject) {
    s.run(turn(1, &[1]), &[1]).await;
    claims(s.post(vec![delivery(5, None, 0)]).await, 5);
    let (ledger, stale, id, known) = (&s.ledger, s.fence, delivery_id(5), [message(1).id]);
    let next = s.successor().await;
    ledger.recover(next).await.unwrap();
    for stale in [stale, Fence::from_token(0), Fence::from_token(next.token() + 7)] {
        let refused = [
            ledger.pulse(stale).await.err(),
            ledger.hold(stale, "telegram:main").await.err(),
            ledger.accept(stale, batch(vec![said(2)])).await.err(),
            ledger.settle(stale, &known, SettleReason::Bot).await.err(),
            ledger.begin_turn(stale, turn(2, &[])).await.err(),
            ledger.join_turn(stale, turn_id(1), &[]).await.err(),
            ledger.part_turn(stale, turn_id(1), &known).await.err(),
            ledger.finish_turn(stale, turn_id(1), TurnEnd::Aborted, &[], vec![], at(1)).await.err(),
            ledger.post(stale, vec![delivery(1, None, 0)], &[], at(1)).await.err(),
            ledger.claim_delivery(stale, id, at(1)).await.err(),
            ledger.settle_delivery(stale, id, sent(), at(1)).await.err(),
            ledger.recover(stale).await.err(),
            ledger.release(stale).await.err(),
            ledger.prune(stale, at(1), Retention::default()).await.err(),
        ];
        for (call, error) in refused.into_iter().enumerate() {
            assert!(matches!(error, Some(Error::Fenced)), "call {call}: {error:?}");
        }
        ledger.leave(stale).await.unwrap();
    }
    let expected = Counts { running: 1, sending: 1, ..Counts::default() };
    assert_eq!(ledger.counts().await.unwrap(), expected);
    ledger.pulse(next).await.unwrap();
}
