use zaki_envelope::{ChannelKind, DedupeKey, InboundId};

use super::Subject;
use super::samples::{account, at, batch, message, said};
use crate::{
    Accepted, CursorUpdate, DeadLetter, InboundFilter, InboundState, NewInbound, SettleReason,
};

pub(super) async fn stores_a_message_once(s: Subject) {
    let first = s.ledger.accept(s.fence, batch(vec![said(1), said(1), said(2)]));
    let accepted = first.await.unwrap();
    assert_eq!(accepted.fresh, [message(1), message(2)]);
    assert_eq!(accepted.duplicates, 1);
    assert_eq!(s.ledger.raw(message(2).id).await.unwrap().unwrap(), b"raw request");

    // Later, with another id: still the same logical message.
    let mut again = said(1);
    again.inbound.received_at = at(60_000);
    again.inbound.id = InboundId::derive(at(60_000), &again.inbound.account, &again.inbound.dedupe);
    let accepted = s.ledger.accept(s.fence, batch(vec![again.clone()])).await.unwrap();
    assert_eq!((accepted.fresh.len(), accepted.duplicates), (0, 1));

    // Another of our bots in the same room gets it too, and may be the one that is meant.
    again.inbound.account = account("second");
    again.inbound.id = InboundId::derive(at(60_000), &again.inbound.account, &again.inbound.dedupe);
    let accepted = s.ledger.accept(s.fence, batch(vec![again])).await.unwrap();
    assert_eq!((accepted.fresh.len(), accepted.duplicates), (1, 0));

    // The same key on another platform is another message.
    let mut other = message(9);
    other.channel = ChannelKind::Slack;
    other.dedupe = DedupeKey::new(message(1).dedupe.as_str());
    let item = NewInbound { inbound: other, ..said(1) };
    let accepted = s.ledger.accept(s.fence, batch(vec![item])).await.unwrap();
    assert_eq!((accepted.fresh.len(), accepted.duplicates), (1, 0));
}

pub(super) async fn keeps_one_of_three_at_a_time(s: Subject) {
    let accept = || {
        let (ledger, fence) = (s.ledger.clone(), s.fence);
        tokio::spawn(async move { ledger.accept(fence, batch(vec![said(1)])).await.unwrap() })
    };
    let (a, b, c) = (accept(), accept(), accept());
    let all: [Accepted; 3] = [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()];
    assert_eq!(all.iter().map(|one| one.fresh.len()).sum::<usize>(), 1);
    assert_eq!(all.iter().map(|one| one.duplicates).sum::<usize>(), 2);
}

pub(super) async fn moves_the_cursor_with_its_messages(s: Subject) {
    assert_eq!(s.ledger.cursor("telegram:main").await.unwrap(), None);
    assert!(s.ledger.hold(s.fence, "telegram:main").await.unwrap());
    // The last time there is nothing new, and it moves all the same.
    for value in ["5", "6", "7"] {
        let mut request = batch(vec![said(5)]);
        request.cursor = Some(CursorUpdate { name: "telegram:main".into(), value: value.into() });
        s.ledger.accept(s.fence, request).await.unwrap();
        let cursor = s.ledger.cursor("telegram:main").await.unwrap();
        assert_eq!(cursor.as_deref(), Some(value));
    }
    assert_eq!(s.ledger.cursor("telegram:second").await.unwrap(), None);
}

pub(super) async fn keeps_what_made_no_sense(s: Subject) {
    let mut request = batch(vec![said(1)]);
    request.dead.push(DeadLetter { reason: "not an update".into(), raw: vec![0xff, 0x00] });
    let accepted = s.ledger.accept(s.fence, request).await.unwrap();
    assert_eq!(accepted.fresh, [message(1)], "one bad item loses no other");
    let dead = s.ledger.list_dead(10).await.unwrap().rows;
    let [letter] = dead.as_slice() else { panic!("one dead letter, not {}", dead.len()) };
    assert_eq!((letter.reason.as_str(), letter.raw.as_slice()), ("not an update", &[0xff, 0][..]));
    assert_eq!((letter.channel, letter.received_at), (ChannelKind::Telegram, at(0)));
}

pub(super) async fn settles_on_arrival_what_gets_no_turn(s: Subject) {
    let chatter = || NewInbound { settled: Some(SettleReason::NotAddressed), ..said(1) };
    let accepted = s.ledger.accept(s.fence, batch(vec![chatter(), said(2)])).await.unwrap();
    assert_eq!((accepted.fresh, accepted.duplicates), (vec![message(2)], 0));
    let again = s.ledger.accept(s.fence, batch(vec![chatter()])).await.unwrap();
    assert_eq!((again.fresh.len(), again.duplicates), (0, 1));
    let all = s.ledger.list_inbounds(InboundFilter { limit: 9, ..InboundFilter::default() });
    let all = all.await.unwrap().rows;
    let found = all.iter().find(|record| record.inbound == message(1)).unwrap();
    assert_eq!(found.state, InboundState::Settled);
    assert_eq!(found.reason.as_deref(), Some(SettleReason::NotAddressed.as_str()));
    assert_eq!(s.ledger.counts().await.unwrap().accepted, 1);
}

pub(super) async fn settles_what_waits_and_nothing_else(s: Subject) {
    s.ledger.accept(s.fence, batch(vec![said(1), said(2), said(3)])).await.unwrap();
    let settle = async |ids: &[u32], reason| {
        let ids: Vec<_> = ids.iter().map(|n| message(*n).id).collect();
        s.ledger.settle(s.fence, &ids, reason).await.unwrap()
    };
    assert_eq!(settle(&[1, 2], SettleReason::Event).await, 2);
    assert_eq!(settle(&[2, 3], SettleReason::Broken).await, 1);
    let rows = s.ledger.list_inbounds(InboundFilter { limit: 10, ..Default::default() });
    let rows: Vec<_> = rows.await.unwrap().rows.into_iter().map(|r| (r.state, r.reason)).collect();
    let (event, broken) = (Some("event".to_owned()), Some("broken".to_owned()));
    assert_eq!(
        rows,
        [
            (InboundState::Dead, broken),
            (InboundState::Settled, event.clone()),
            (InboundState::Settled, event),
        ]
    );
}
