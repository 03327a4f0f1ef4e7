//! Since when what comes by a sender is whose.

use zaki_envelope::ChannelKind::{Slack, WhatsApp};
use zaki_envelope::SenderId;
use zaki_identity::{Actor, How, Keep, Unlinked};

use super::town::{DAY, Town, from, key, later, now};

pub(super) async fn a_sender_is_somebody_s_since_it_became_theirs(town: Town) {
    let since = async |user| {
        let bindings = town.person(user).await.bindings;
        bindings.into_iter().find(|b| b.sender.as_str() == "49123").map(|b| b.bound_at)
    };
    let ann = town.user(WhatsApp, "49123").await;
    let shown = async |id, at| {
        let mut both = from(WhatsApp, id);
        both.sender.aliases = vec![SenderId::new("49123")];
        town.directory.resolve(&both, at).await.unwrap().user().unwrap()
    };
    assert_eq!(shown("CC.1", later(DAY)).await, ann);
    assert_eq!(since(ann).await, Some(now()), "it was hers all along");
    let hers = town.person(ann).await.bindings;
    let better = hers.iter().find(|binding| binding.sender.as_str() == "CC.1").unwrap();
    assert_eq!(better.bound_at, now(), "the same account: it keeps its place among hers");
    let bob = shown("CC.2", later(2 * DAY)).await;
    assert_ne!(bob, ann);
    assert_eq!((since(ann).await, since(bob).await), (None, Some(later(2 * DAY))));
}

/// Somebody takes away an account by the number it was listed by, and it has a better id by now,
/// beside another account of theirs.
pub(super) async fn an_account_leaves_by_its_older_id_too(town: Town) {
    let shown = async |id, number, at| {
        let mut both = from(WhatsApp, id);
        both.sender.aliases = vec![SenderId::new(number)];
        town.directory.resolve(&both, at).await.unwrap().user().unwrap()
    };
    let ann = shown("CC.1", "49123", now()).await;
    town.redeem(WhatsApp, "49124", &town.offer(ann, now()).await, now()).await;
    assert_eq!(shown("CC.2", "49124", later(1)).await, ann);
    let unlinked = town.directory.unlink(ann, key(WhatsApp, "49124"), Actor::Person(ann), later(2));
    assert_eq!(unlinked.await.unwrap(), Unlinked::Done { left: 2 });
    assert_ne!(shown("CC.2", "49124", later(3)).await, ann);
    assert_eq!(shown("CC.1", "49123", later(3)).await, ann);

    // A number that moved from one of her accounts to the other is that one's.
    town.redeem(WhatsApp, "CC.3", &town.offer(ann, later(4)).await, later(4)).await;
    assert_eq!(shown("CC.3", "49123", later(5)).await, ann);
    let unlinked = town.directory.unlink(ann, key(WhatsApp, "49123"), Actor::Person(ann), later(6));
    assert_eq!(unlinked.await.unwrap(), Unlinked::Done { left: 1 });
    assert_ne!(shown("CC.3", "49125", later(7)).await, ann);
    assert_eq!(town.user(WhatsApp, "CC.1").await, ann);
}

pub(super) async fn what_came_by_a_number_before_it_was_handed_on_is_not_its_heir_s(town: Town) {
    const HOUR: i64 = 3_600_000;
    let since = async |user| {
        let senders = town.directory.traces(user).await.unwrap().senders;
        senders.into_iter().find(|trace| trace.sender.as_str() == "49123").map(|it| it.since)
    };
    let sign_up = async |at| {
        let known = town.directory.resolve(&from(WhatsApp, "49123"), at).await.unwrap();
        known.user().unwrap()
    };
    let ann = sign_up(now()).await;
    assert_eq!(since(ann).await, Some(now().plus_ms(-HOUR)), "she may have had to ask twice");

    let operator = Actor::Operator;
    let unlinked = town.directory.unlink(ann, key(WhatsApp, "49123"), operator, later(10)).await;
    unlinked.unwrap();
    let bob = sign_up(later(20)).await;
    assert_eq!(since(bob).await, Some(later(10)));

    let (sender, how) = (from(WhatsApp, "49123").sender, How::Operator);
    town.directory.link(ann, WhatsApp, &sender, operator, how, later(30)).await.unwrap();
    assert_eq!(since(ann).await, Some(later(30)), "moved at once");

    town.directory.erase(ann, operator, later(40)).await.unwrap();
    let cem = sign_up(later(50)).await;
    assert_eq!(since(cem).await, Some(later(40)));

    let keep = Keep { usage: 1, feedback: 1, sessions: 1 };
    town.directory.sweep(later(40 + HOUR), keep).await.unwrap();
    assert_eq!(since(cem).await, Some(later(40)), "for ever");

    let slack = from(Slack, "cem").sender;
    town.directory.link(cem, Slack, &slack, operator, how, later(60)).await.unwrap();
    town.directory.unlink(cem, key(WhatsApp, "49123"), operator, later(70)).await.unwrap();
    town.directory.link(cem, WhatsApp, &sender, operator, how, later(80)).await.unwrap();
    assert_eq!(since(cem).await, Some(later(80 - HOUR)), "it was cem's before");
}
