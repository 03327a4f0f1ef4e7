//! A block holds on the account at its platform, whoever has it by then.

use zaki_envelope::ChannelKind::{Slack, Telegram, WhatsApp};
use zaki_envelope::{ChannelKind, Inbound, SenderId, ZakiUserId};
use zaki_identity::{
    Actor, Directory, DirectoryError, How, NewInvite, Redeemed, Refusal, Resolution, Unlinked,
    Unmerged,
};

use super::town::{Town, from, join, key, now};

const OPERATOR: Actor = Actor::Operator;

/// An account by its better id, with its number.
fn with_number(id: &str, number: &str) -> Inbound {
    let mut inbound = from(WhatsApp, id);
    inbound.sender.aliases = vec![SenderId::new(number)];
    inbound
}

async fn assert_blocked(directory: &Directory, inbound: &Inbound, how: &str) {
    let blocked = Resolution::Refused { reason: Refusal::Blocked, tell: false };
    assert_eq!(directory.resolve(inbound, now()).await.unwrap(), blocked, "{how}");
}

/// Somebody on Telegram and WhatsApp who is blocked.
async fn blocked(town: &Town) -> ZakiUserId {
    let user = town.user(Telegram, "eve").await;
    let code = town.offer(user, now()).await;
    join(&town.directory, &with_number("CC.1", "49123"), &code, now()).await;
    town.directory.block(user, OPERATOR, now()).await.unwrap();
    user
}

async fn unbar(town: &Town, channel: ChannelKind, sender: &str) -> bool {
    town.directory.unbar(&key(channel, sender), OPERATOR, now()).await.unwrap()
}

pub(super) async fn a_sender_of_somebody_blocked_stays_blocked(town: Town) {
    let eve = blocked(&town).await;
    let by_herself = town.directory.unlink(eve, key(WhatsApp, "CC.1"), Actor::Person(eve), now());
    assert!(matches!(by_herself.await, Err(DirectoryError::NotAllowed)));
    let done = town.directory.unlink(eve, key(WhatsApp, "CC.1"), OPERATOR, now()).await.unwrap();
    assert_eq!(done, Unlinked::Done { left: 1 });
    let other = town.replica().await;
    for (inbound, how) in [
        (from(WhatsApp, "CC.1"), "by the better id"),
        (with_number("CC.1", "49123"), "by both"),
        (from(WhatsApp, "49123"), "by the number"),
    ] {
        assert_blocked(&town.directory, &inbound, how).await;
        assert_blocked(&other, &inbound, how).await;
    }
    assert_eq!(town.holder(WhatsApp, "CC.1").await, None, "nobody has signed up");

    let ann = town.user(Slack, "ann").await;
    let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
    let invitation = town.directory.invite(new, OPERATOR, now()).await.unwrap().code;
    for code in [town.offer(ann, now()).await, invitation] {
        let redeemed = town.redeem(WhatsApp, "CC.1", &code, now()).await;
        assert_eq!(redeemed, Redeemed::Refused, "no code is a way around it");
    }
    let sender = from(WhatsApp, "CC.1").sender;
    let linked = town.directory.link(ann, WhatsApp, &sender, OPERATOR, How::Operator, now()).await;
    assert!(matches!(linked, Err(DirectoryError::Barred)), "{linked:?}");
    let made = town.directory.enrol(WhatsApp, &sender, OPERATOR, How::Operator, now()).await;
    assert!(matches!(made, Err(DirectoryError::Barred)), "{made:?}");
    let eves = from(Telegram, "eve").sender;
    let linked = town.directory.link(ann, Telegram, &eves, OPERATOR, How::Operator, now()).await;
    assert!(matches!(linked, Err(DirectoryError::Blocked(user)) if user == eve), "{linked:?}");

    let by_ann = town.directory.unbar(&key(WhatsApp, "CC.1"), Actor::Person(ann), now()).await;
    assert!(matches!(by_ann, Err(DirectoryError::NotAllowed)));
    assert!(unbar(&town, WhatsApp, "CC.1").await);
    assert!(!unbar(&town, WhatsApp, "CC.1").await, "once");
    let last = town.directory.audit(0, 1_000).await.unwrap().pop().unwrap();
    assert_eq!((last.act.as_str(), last.by), ("unbarred", OPERATOR));
    let user = town.user(WhatsApp, "CC.1").await;
    assert!(user != eve && town.acts(eve).await.contains(&"unlinked".into()));
}

pub(super) async fn to_be_erased_is_no_way_around_a_block(town: Town) {
    let eve = blocked(&town).await;
    let erased = town.directory.erase(eve, OPERATOR, now()).await.unwrap();
    assert_eq!((erased.bindings, erased.barred), (3, 3));
    for (channel, sender) in [(Telegram, "eve"), (WhatsApp, "CC.1"), (WhatsApp, "49123")] {
        assert_blocked(&town.directory, &from(channel, sender), sender).await;
    }
    let kept = town.rows().await;
    let kept: Vec<_> = kept.iter().filter(|(table, _)| table == "barred").collect();
    assert_eq!(kept.len(), 3);
    for word in ["eve", "CC.1", "49123", "telegram", "whatsapp", &eve.to_string()] {
        assert!(!kept.iter().any(|(_, row)| row.contains(word)), "{word} in {kept:?}");
    }
    // Nothing of what is kept leads from one account to another: each is lifted by itself.
    assert!(unbar(&town, Telegram, "eve").await);
    assert_ne!(town.user(Telegram, "eve").await, eve);
    assert_blocked(&town.directory, &from(WhatsApp, "CC.1"), "the other one").await;

    let ann = town.user(Slack, "ann").await;
    let erased = town.directory.erase(ann, OPERATOR, now()).await.unwrap();
    assert_eq!((erased.bindings, erased.barred), (1, 0), "who is not blocked may come again");
    assert_ne!(town.user(Slack, "ann").await, ann);
}

pub(super) async fn a_blocked_number_with_a_new_owner_is_theirs(town: Town) {
    let eve = blocked(&town).await;
    town.directory.erase(eve, OPERATOR, now()).await.unwrap();
    let bob = town.directory.resolve(&with_number("CC.2", "49123"), now()).await.unwrap().user();
    assert!(bob.is_some(), "an older id does not count beside a better one");
    let alone = town.directory.resolve(&from(WhatsApp, "49123"), now()).await.unwrap();
    assert_eq!(alone.user(), bob, "from then on it is his");
    let user = bob.unwrap();
    town.directory.unlink(user, key(WhatsApp, "CC.2"), OPERATOR, now()).await.unwrap();
    let alone = town.directory.resolve(&from(WhatsApp, "49123"), now()).await.unwrap();
    assert!(alone.user().is_some(), "and the block of it is over");

    // Known by a number alone, the block is of whoever has that number.
    let dan = town.user(WhatsApp, "49777").await;
    town.directory.block(dan, OPERATOR, now()).await.unwrap();
    town.directory.erase(dan, OPERATOR, now()).await.unwrap();
    assert_blocked(&town.directory, &with_number("CC.7", "49777"), "by its better id").await;
    assert_blocked(&town.directory, &from(WhatsApp, "CC.7"), "by that alone").await;
    let number = key(WhatsApp, "49777");
    assert!(town.directory.unbar(&number, OPERATOR, now()).await.unwrap());
    town.user(WhatsApp, "CC.7").await;
}

/// Somebody else's number, which a platform shows beside it, is no way around.
pub(super) async fn who_is_barred_is_nobody_else_by_a_number(town: Town) {
    let eve = blocked(&town).await;
    town.directory.erase(eve, OPERATOR, now()).await.unwrap();
    let ann = town.user(WhatsApp, "49555").await;
    for _ in 0..2 {
        assert_blocked(&town.directory, &with_number("CC.1", "49555"), "as ever").await;
    }
    let code = town.offer(ann, now()).await;
    let redeemed = join(&town.directory, &with_number("CC.1", "49555"), &code, now()).await;
    assert_eq!(redeemed, Redeemed::Refused);
    assert_eq!(town.holder(WhatsApp, "CC.1").await, None);
    assert_eq!(town.user(WhatsApp, "49555").await, ann);
}

pub(super) async fn who_parts_from_somebody_blocked_is_blocked(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.merge(ann, bob, now()).await;
    town.directory.block(ann, OPERATOR, now()).await.unwrap();
    let done = town.directory.unmerge(bob, OPERATOR, now()).await.unwrap();
    assert_eq!(done, Unmerged::Restored { into: ann, moved: 1, blocked: true });
    assert_blocked(&town.directory, &from(Slack, "bob"), "the block was of both").await;
    assert!(town.acts(bob).await.contains(&"blocked".into()));
    assert!(town.directory.unblock(bob, OPERATOR, now()).await.unwrap());
    assert_eq!(town.user(Slack, "bob").await, bob);
}

pub(super) async fn a_better_id_of_somebody_blocked_is_blocked(town: Town) {
    let eve = town.user(WhatsApp, "49888").await;
    town.directory.block(eve, OPERATOR, now()).await.unwrap();
    assert_blocked(&town.directory, &with_number("CC.8", "49888"), "as ever").await;
    assert_blocked(&town.directory, &from(WhatsApp, "CC.8"), "by that alone").await;
    assert_eq!(town.holder(WhatsApp, "CC.8").await, Some(eve));
}

pub(super) async fn who_has_become_another_is_not_blocked_as_they_were(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.merge(ann, bob, now()).await;
    let blocked = town.directory.block(bob, OPERATOR, now()).await;
    assert!(matches!(blocked, Err(DirectoryError::Merged(user)) if user == bob), "{blocked:?}");
}
