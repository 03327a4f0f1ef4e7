//! Codes of people that somebody uses who is nobody yet, and codes that somebody writes who is.

use zaki_envelope::ChannelKind::{Slack, Telegram};
use zaki_identity::{Actor, Confirmed, LinkCode, NewInvite, Proposal, Redeemed};

use super::town::{MINUTE, Town, from, later, now};

/// A stranger on Telegram has used a code of Ann's.
async fn asked(town: &Town, who: &str) -> (zaki_envelope::ZakiUserId, Proposal) {
    let ann = town.user(Slack, "ann").await;
    let code = town.offer(ann, now()).await;
    let followed = town.directory.redeem(&from(Telegram, who), &code, now()).await.unwrap();
    assert_eq!(followed, Redeemed::Asked { user: ann });
    let proposal = town.directory.proposal(&from(Telegram, who), now()).await.unwrap().unwrap();
    assert_eq!((proposal.user, proposal.until), (ann, later(60 * MINUTE)));
    let again = town.redeem(Telegram, "somebody else", &code, now()).await;
    assert_eq!(again, Redeemed::Refused, "the code is used up");
    (ann, proposal)
}

pub(super) async fn a_stranger_who_uses_a_code_is_asked_first(town: Town) {
    let (ann, proposal) = asked(&town, "bob").await;
    assert_eq!(town.holder(Telegram, "bob").await, None, "nothing has happened yet");
    let bob = from(Telegram, "bob");
    let yes = async |question: Option<&str>| {
        town.directory.accept(&bob, question, later(MINUTE)).await.unwrap()
    };
    assert_eq!(yes(Some(&proposal.id)).await, Some(Redeemed::Joined { user: ann, moved: false }));
    assert_eq!(town.user(Telegram, "bob").await, ann);
    assert_eq!(yes(Some(&proposal.id)).await, None, "it is answered");
    let (ann, _) = asked(&town, "cem").await;
    let said = town.directory.accept(&from(Telegram, "cem"), None, now()).await.unwrap();
    assert_eq!(said, Some(Redeemed::Joined { user: ann, moved: false }), "in words, too");
}

pub(super) async fn a_no_makes_nobody_anything(town: Town) {
    let (ann, proposal) = asked(&town, "bob").await;
    let bob = from(Telegram, "bob");
    let eve = town.directory.reject(&from(Telegram, "eve"), None, now()).await.unwrap();
    assert_eq!(eve, None, "it is not hers to answer");
    let no = town.directory.reject(&bob, Some(&proposal.id), now()).await.unwrap();
    assert_eq!(no, Some(ann));
    assert_eq!(town.directory.accept(&bob, None, now()).await.unwrap(), None);
    assert_eq!(town.holder(Telegram, "bob").await, None);
}

pub(super) async fn an_old_button_joins_nobody(town: Town) {
    let (ann, first) = asked(&town, "bob").await;
    let bob = from(Telegram, "bob");
    let code = town.offer(ann, later(1)).await;
    town.directory.redeem(&bob, &code, later(1)).await.unwrap();
    let second = town.directory.proposal(&bob, later(1)).await.unwrap().unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(town.directory.accept(&bob, Some(&first.id), later(2)).await.unwrap(), None);
    assert_eq!(town.directory.reject(&bob, Some(&first.id), later(2)).await.unwrap(), None);
    let joined = town.directory.accept(&bob, Some(&second.id), later(2)).await.unwrap();
    assert!(matches!(joined, Some(Redeemed::Joined { .. })));
}

pub(super) async fn a_question_ends_after_an_hour(town: Town) {
    let (_, proposal) = asked(&town, "bob").await;
    let (bob, late) = (from(Telegram, "bob"), later(60 * MINUTE));
    assert_eq!(town.directory.proposal(&bob, late).await.unwrap(), None);
    assert_eq!(town.directory.accept(&bob, Some(&proposal.id), late).await.unwrap(), None);
    assert!(town.rows().await.iter().any(|(table, _)| table == "proposal"));
    let keep = zaki_identity::Keep { usage: 400, feedback: 400, sessions: 400 };
    town.directory.sweep(late, keep).await.unwrap();
    assert!(!town.rows().await.iter().any(|(table, _)| table == "proposal"));
}

pub(super) async fn whoever_has_become_somebody_is_asked_with_the_other(town: Town) {
    let (ann, proposal) = asked(&town, "bob").await;
    let bob = town.user(Telegram, "bob").await;
    let cem = town.user(Slack, "cem").await;
    let asked = town.redeem(Telegram, "bob", &town.offer(cem, now()).await, now()).await;
    assert_eq!(asked, Redeemed::Confirm { into: cem, from: bob });
    let message = from(Telegram, "bob");
    let bare = town.directory.accept(&message, None, now()).await.unwrap();
    assert_eq!(bare, None, "a bare yes is to that, of which more depends");
    assert_eq!(town.confirm(bob, now()).await, Confirmed::Waiting { other: cem });
    let named = town.directory.accept(&message, Some(&proposal.id), now()).await.unwrap();
    assert_eq!(named, Some(Redeemed::Refused), "while he is asked about Cem");
    assert_eq!(town.directory.decline(bob, now()).await.unwrap(), Some(cem));

    let dan = from(Telegram, "dan");
    let code = town.offer(ann, now()).await;
    town.directory.redeem(&dan, &code, now()).await.unwrap();
    let user = town.user(Telegram, "dan").await;
    let said = town.directory.accept(&dan, None, now()).await.unwrap();
    assert_eq!(said, Some(Redeemed::Confirm { into: ann, from: user }), "both have to want it");
    assert_eq!(town.holder(Telegram, "dan").await, Some(user));
}

pub(super) async fn a_yes_to_one_who_is_no_more_joins_nobody(town: Town) {
    let yes = async |who: &str| town.directory.accept(&from(Telegram, who), None, now()).await;
    let (ann, _) = asked(&town, "bob").await;
    town.directory.block(ann, Actor::Operator, now()).await.unwrap();
    assert_eq!(yes("bob").await.unwrap(), Some(Redeemed::Refused));
    town.directory.unblock(ann, Actor::Operator, now()).await.unwrap();
    let (ann, _) = asked(&town, "cem").await;
    town.directory.merge(town.user(Slack, "dan").await, ann, Actor::Operator, now()).await.unwrap();
    assert_eq!(yes("cem").await.unwrap(), None, "as with her codes");
    let eve = town.user(Slack, "eve").await;
    let code = town.offer(eve, now()).await;
    town.directory.redeem(&from(Telegram, "fay"), &code, now()).await.unwrap();
    town.directory.erase(eve, Actor::Operator, now()).await.unwrap();
    assert_eq!(yes("fay").await.unwrap(), None);
    assert!(!town.rows().await.iter().any(|(_, row)| row.contains("fay")));
}

pub(super) async fn of_two_who_use_a_code_one_is_asked(town: Town) {
    let (here, there) = (town.replica().await, town.replica().await);
    let ann = town.user(Slack, "ann").await;
    for round in 0..8 {
        let code = town.offer(ann, later(round * 2 * MINUTE)).await;
        let at = later(round * 2 * MINUTE);
        let (bob, cem) =
            (from(Telegram, &format!("b{round}")), from(Telegram, &format!("c{round}")));
        let (one, other) =
            tokio::join!(here.redeem(&bob, &code, at), there.redeem(&cem, &code, at));
        let said = [one.unwrap(), other.unwrap()];
        let asked = said.iter().filter(|said| **said == Redeemed::Asked { user: ann }).count();
        let refused = said.iter().filter(|said| **said == Redeemed::Refused).count();
        assert_eq!((asked, refused), (1, 1), "{said:?}");
    }
}

pub(super) async fn an_invitation_is_no_question(town: Town) {
    let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
    let made = town.directory.invite(new, Actor::Operator, now()).await.unwrap();
    let bob = from(Telegram, "bob");
    let invited = town.directory.redeem(&bob, &made.code, now()).await.unwrap();
    assert!(matches!(invited, Redeemed::Invited { .. }), "{invited:?}");
    assert_eq!(town.directory.proposal(&bob, now()).await.unwrap(), None);
    let ann = town.user(Slack, "ann").await;
    let code = town.offer(ann, now()).await;
    let user = town.holder(Telegram, "bob").await.unwrap();
    let followed = town.directory.redeem(&bob, &code, now()).await.unwrap();
    assert_eq!(followed, Redeemed::Confirm { into: ann, from: user }, "he is somebody");
}

pub(super) async fn what_is_a_code_is_known_before_it_is_used(town: Town) {
    let (ann, bob) = (town.user(Slack, "ann").await, town.user(Telegram, "bob").await);
    let code = town.offer(ann, now()).await;
    let is_code = async |typed: &str, at| {
        let typed = LinkCode::typed(typed);
        town.directory.is_code(&from(Telegram, "bob"), &typed, at).await.unwrap()
    };
    assert!(is_code(&code.shown(), now()).await);
    assert!(!is_code(&code.shown(), later(10 * MINUTE)).await, "it is too old then");
    assert!(!is_code("half-year", now()).await);
    assert!(!is_code("no code at all", now()).await);
    let asked = town.redeem(Telegram, "bob", &code, now()).await;
    assert_eq!(asked, Redeemed::Confirm { into: ann, from: bob }, "it was not used");
    assert!(!is_code(&code.shown(), now()).await, "now it is");

    // Asking is trying: whoever asks too often is told nothing, good code or not.
    let good = town.offer(ann, now()).await;
    let eve = from(Telegram, "eve");
    for _ in 0..5 {
        let wrong = LinkCode::typed("2345-6789");
        assert!(!town.directory.is_code(&eve, &wrong, now()).await.unwrap());
    }
    for typed in [LinkCode::typed("2345-6789"), good] {
        assert!(
            town.directory.is_code(&eve, &typed, now()).await.unwrap(),
            "to be on the safe side"
        );
    }
    let until = later(10 * MINUTE);
    let shut = town.redeem(Telegram, "eve", &LinkCode::typed("2345-6789"), now()).await;
    assert_eq!(shut, Redeemed::TooMany { until });
}
