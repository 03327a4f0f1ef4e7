//! Codes that link and invite.

use zaki_envelope::ChannelKind::{Discord, Slack, Telegram, WhatsApp};
use zaki_identity::{Actor, LinkCode, NewInvite, Offered, Redeemed};

use super::town::{DAY, MINUTE, Town, from, join, later, now};

pub(super) async fn a_code_links_a_stranger_once(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let code = town.offer(ann, now()).await;
    let already = town.redeem(Telegram, "ann", &code, now()).await;
    assert_eq!(already, Redeemed::Already { user: ann }, "which takes no use");

    let typed = LinkCode::typed(&code.shown().to_lowercase().replace('-', " "));
    let joined = Redeemed::Joined { user: ann, moved: false };
    assert_eq!(town.redeem(WhatsApp, "49123", &typed, later(MINUTE)).await, joined);
    assert_eq!(town.user(WhatsApp, "49123").await, ann);
    assert_eq!(town.person(ann).await.bindings.len(), 2);
    assert!(town.acts(ann).await.len() >= 2);

    assert_eq!(town.redeem(Slack, "eve", &code, later(MINUTE)).await, Redeemed::Refused);
    assert_eq!(town.redeem(WhatsApp, "49123", &code, later(MINUTE)).await, Redeemed::Refused);
    assert_eq!(town.holder(Slack, "eve").await, None, "who is refused is still nobody");
}

pub(super) async fn whatever_is_wrong_with_a_code_the_answer_is_one(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let (used, old) = (town.offer(ann, now()).await, town.offer(ann, now()).await);
    town.redeem(Slack, "ann", &used, now()).await;
    let mut almost = old.shown();
    let last = almost.pop().unwrap();
    almost.push(if last == 'Z' { 'Y' } else { 'Z' });
    let wrong = [
        (used, now()),
        (old.clone(), later(10 * MINUTE)),
        (LinkCode::typed("2345-6789"), now()),
        (LinkCode::typed(&almost), now()),
        (LinkCode::typed("hello"), now()),
        (LinkCode::typed(""), now()),
        (LinkCode::typed("'; DROP TABLE code; --"), now()),
    ];
    for (n, (code, now)) in wrong.into_iter().enumerate() {
        let refused = town.redeem(Discord, &format!("eve.{n}"), &code, now).await;
        assert_eq!(refused, Redeemed::Refused, "number {n}");
    }
    let at_last = town.redeem(Discord, "ann", &old, later(10 * MINUTE - 1)).await;
    assert!(matches!(at_last, Redeemed::Joined { .. }), "the code itself was good to the end");
}

pub(super) async fn of_two_who_race_for_a_code_one_wins(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let replicas = [town.replica().await, town.replica().await];
    for round in 0..8 {
        let now = later(round * 2 * MINUTE);
        let code = town.offer(ann, now).await;
        let racers = (0..6).map(|n| {
            let (replica, code) = (replicas[n % 2].clone(), code.clone());
            let racer = from(Slack, &format!("racer.{round}.{n}"));
            tokio::spawn(async move { replica.redeem(&racer, &code, now).await.unwrap() })
        });
        let mut winners = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Redeemed::Asked { user } if user == ann => winners += 1,
                Redeemed::Refused => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
    assert_eq!(town.person(ann).await.bindings.len(), 1, "nobody has said yes");
}

pub(super) async fn five_codes_of_a_person_are_open_at_most(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let mut codes = Vec::new();
    for n in 0..10 {
        codes.push(town.offer(ann, later(n)).await);
    }
    let until = later(10 * MINUTE);
    let offered = town.directory.offer(ann, later(11)).await.unwrap();
    assert_eq!(offered, Offered::TooMany { until });
    for (n, code) in codes.iter().enumerate() {
        let redeemed = town.redeem(Slack, &format!("ann.{n}"), code, later(20)).await;
        assert_eq!(matches!(redeemed, Redeemed::Joined { .. }), n >= 5, "code {n}");
    }
    let offered = town.directory.offer(ann, until).await.unwrap();
    assert!(matches!(offered, Offered::Code { .. }));
}

pub(super) async fn a_code_of_somebody_blocked_is_none(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Telegram, "bob").await);
    let code = town.offer(ann, now()).await;
    town.directory.block(ann, Actor::Operator, now()).await.unwrap();
    assert_eq!(town.redeem(Slack, "ann", &code, now()).await, Redeemed::Refused);
    town.directory.unblock(ann, Actor::Operator, now()).await.unwrap();
    town.directory.block(bob, Actor::Operator, now()).await.unwrap();
    assert_eq!(town.redeem(Telegram, "bob", &code, now()).await, Redeemed::Refused);
    let joined = town.redeem(Slack, "ann", &code, now()).await;
    assert!(matches!(joined, Redeemed::Joined { .. }), "nobody has used it up");
}

fn invitation(uses: u32) -> NewInvite {
    NewInvite { uses, expires_at: Some(later(DAY)), tier: Some("gold".into()), note: None }
}

pub(super) async fn an_invitation_lets_in_as_many_as_it_says(town: Town) {
    let made = town.directory.invite(invitation(2), Actor::Operator, now()).await.unwrap();
    let Redeemed::Invited { user: ann } = town.redeem(Slack, "ann", &made.code, now()).await else {
        panic!("ann is invited")
    };
    assert_eq!(town.person(ann).await.tier.as_deref(), Some("gold"));
    assert_eq!(town.user(Slack, "ann").await, ann);
    let again = town.redeem(Slack, "ann", &made.code, now()).await;
    assert_eq!(again, Redeemed::Already { user: ann }, "which takes no use");
    let late = town.redeem(Slack, "eve", &made.code, later(DAY)).await;
    assert_eq!(late, Redeemed::Refused);
    let bob = town.redeem(Telegram, "bob", &made.code, now()).await;
    assert!(matches!(bob, Redeemed::Invited { user } if user != ann));
    assert_eq!(town.redeem(Slack, "eve", &made.code, now()).await, Redeemed::Refused);

    let kept = town.directory.invites().await.unwrap();
    assert_eq!((kept.len(), kept[0].uses, kept[0].uses_left), (1, 2, 0));
    assert_eq!((&kept[0].id, kept[0].expires_at), (&made.id, Some(later(DAY))));
}

pub(super) async fn an_invitation_is_taken_back(town: Town) {
    let made = town.directory.invite(invitation(2), Actor::Operator, now()).await.unwrap();
    let revoke =
        async || town.directory.revoke_invite(&made.id, Actor::Operator, now()).await.unwrap();
    assert!(revoke().await);
    assert!(!revoke().await);
    assert_eq!(town.redeem(Slack, "ann", &made.code, now()).await, Redeemed::Refused);
    let eve = Actor::Person(town.user(Slack, "eve").await);
    assert!(town.directory.invite(invitation(1), eve, now()).await.is_err(), "not by just anybody");
}

pub(super) async fn an_invitation_opens_no_closed_door(town: Town) {
    let closed = town.closed().await;
    let made = town.directory.invite(invitation(1), Actor::Operator, now()).await.unwrap();
    let refused = closed.redeem(&from(Slack, "eve"), &made.code, now()).await.unwrap();
    assert_eq!((refused, town.holder(Slack, "eve").await), (Redeemed::Refused, None));
    let invited = town.redeem(Slack, "ann", &made.code, now()).await;
    assert!(matches!(invited, Redeemed::Invited { .. }), "it was not used up: {invited:?}");
    let user = town.user(Slack, "ann").await;
    let code = town.offer(user, now()).await;
    let joined = join(&closed, &from(Discord, "ann"), &code, now()).await;
    assert_eq!(joined, Redeemed::Joined { user, moved: false }, "she is not new");
}

pub(super) async fn a_code_that_others_have_read_is_void(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let void = async |code: &LinkCode, sender: &str, at| {
        town.directory.void(code, &from(Telegram, sender), at).await.unwrap()
    };
    let (code, old) = (town.offer(ann, now()).await, town.offer(ann, now()).await);
    assert!(void(&code, "ann", now()).await);
    assert!(!void(&code, "ann", now()).await, "it is void already");
    assert!(!void(&old, "ann", later(10 * MINUTE)).await, "it is too old");
    assert_eq!(town.redeem(Slack, "eve", &code, now()).await, Redeemed::Refused);

    let code = town.offer(ann, now()).await;
    assert!(void(&code, "a stranger", now()).await, "whoever has typed it");
    assert_eq!(town.redeem(Slack, "eve", &code, now()).await, Redeemed::Refused);
    assert_eq!(town.holder(Telegram, "a stranger").await, None, "who is still nobody");

    let word = town.directory.ask_erase(ann, now()).await.unwrap().code;
    assert!(!void(&word, "a stranger", now()).await, "it is good for her alone");
    assert!(void(&word, "ann", later(1)).await);
    assert_eq!(town.directory.confirm_erase(ann, &word, None, now()).await.unwrap(), None);

    for (uses, burnt) in [(1, true), (2, false)] {
        let made = town.directory.invite(invitation(uses), Actor::Operator, now()).await.unwrap();
        assert_eq!(void(&made.code, "an invited", now()).await, burnt, "for {uses}");
    }
}

pub(super) async fn burning_codes_is_no_way_to_guess_them(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let code = town.offer(ann, now()).await;
    let void = async |code: &LinkCode| {
        town.directory.void(code, &from(Slack, "eve"), now()).await.unwrap()
    };
    for _ in 0..5 {
        assert!(!void(&LinkCode::typed("2345-6789")).await);
    }
    assert!(!void(&code).await, "it is a sixth try");
    let until = later(10 * MINUTE);
    let refused = town.redeem(Slack, "eve", &code, now()).await;
    assert_eq!(refused, Redeemed::TooMany { until }, "of one count with the others");
    let joined = town.redeem(Slack, "ann", &code, now()).await;
    assert_eq!(joined, Redeemed::Joined { user: ann, moved: false }, "which changed nothing");
}
