//! Two people become one, and two again.

use zaki_envelope::ChannelKind::{Discord, Slack, Telegram, WhatsApp};
use zaki_envelope::{ConversationId, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{
    Actor, Confirmed, DirectoryError, GroupKey, Redeemed, Role, Setting, Unlinked, Unmerged,
};

use super::town::{DAY, MINUTE, Town, from, join, key, later, now};

/// Ann's code, typed by Bob.
async fn asked(town: &Town) -> (ZakiUserId, ZakiUserId) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let code = town.offer(ann, now()).await;
    let asked = town.redeem(Slack, "bob", &code, now()).await;
    assert_eq!(asked, Redeemed::Confirm { into: ann, from: bob });
    (ann, bob)
}

pub(super) async fn two_people_become_one_when_both_say_so(town: Town) {
    let (ann, bob) = asked(&town).await;
    let lang = |word: &str| Setting::Lang(Some(word.into()));
    let model = Setting::Model(Some("big".into()));
    town.directory.set(ann, lang("ar")).await.unwrap();
    town.directory.set(bob, lang("fr")).await.unwrap();
    town.directory.set(bob, model).await.unwrap();

    let eve = town.user(Discord, "eve").await;
    assert_eq!(town.confirm(eve, now()).await, Confirmed::Nothing);
    for _ in 0..2 {
        assert_eq!(town.confirm(bob, now()).await, Confirmed::Waiting { other: ann });
        assert_eq!(town.holder(Slack, "bob").await, Some(bob), "one is not enough");
    }
    let restorable_until = later(MINUTE + 30 * DAY);
    let merged = Confirmed::Merged { into: ann, from: bob, restorable_until };
    assert_eq!(town.confirm(ann, later(MINUTE)).await, merged);

    assert_eq!(town.user(Slack, "bob").await, ann, "and the cache has learnt");
    let (one, other) = (town.person(ann).await, town.person(bob).await);
    assert_eq!((one.bindings.len(), other.bindings.len()), (2, 0));
    assert_eq!((one.merged_into, other.merged_into), (None, Some(ann)));
    assert_eq!((one.lang.as_deref(), one.model.as_deref()), (Some("ar"), Some("big")));
    assert!(town.acts(ann).await.contains(&"merged".into()));
    assert!(town.acts(bob).await.contains(&"merged".into()));
    assert_eq!(town.confirm(ann, later(MINUTE)).await, Confirmed::Nothing, "it is done");
}

pub(super) async fn two_who_say_so_at_once_become_one_once(town: Town) {
    let (here, there) = (town.replica().await, town.replica().await);
    let ann = town.user(Telegram, "ann").await;
    for round in 0..5 {
        let (name, now) = (format!("bob.{round}"), later(round * 11 * MINUTE));
        let bob = town.user(Slack, &name).await;
        let code = town.offer(ann, now).await;
        town.redeem(Slack, &name, &code, now).await;
        let (one, other) = tokio::join!(here.confirm(ann, now), there.confirm(bob, now));
        let said = [one.unwrap(), other.unwrap()];
        let merged = said.iter().filter(|said| matches!(said, Confirmed::Merged { .. })).count();
        let waited = said.iter().filter(|said| matches!(said, Confirmed::Waiting { .. })).count();
        assert_eq!((merged, waited), (1, 1), "{said:?}");
        assert_eq!(town.holder(Slack, &name).await, Some(ann));
    }
}

/// A merge, a code and an erasure at the same moment: a sender is never left to somebody who has
/// become another, or is gone.
pub(super) async fn nobody_is_bound_to_who_is_no_more(town: Town) {
    let (here, there) = (town.replica().await, town.replica().await);
    for round in 0..8 {
        let now = later(round * 11 * MINUTE);
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name}.{round}"));
        let (ann, bob) = (town.user(Telegram, &a).await, town.user(Slack, &b).await);
        let code = town.offer(bob, now).await;
        let stranger = from(Discord, &c);
        let joined = join(&there, &stranger, &code, now);
        let gone = if round % 2 == 0 {
            let (merged, joined) = tokio::join!(here.merge(ann, bob, Actor::Operator, now), joined);
            merged.unwrap();
            joined
        } else {
            let (erased, joined) = tokio::join!(here.erase(bob, Actor::Operator, now), joined);
            erased.unwrap();
            joined
        };
        let expected = match gone {
            Redeemed::Refused => None,
            Redeemed::Joined { .. } => (round % 2 == 0).then_some(ann),
            other => panic!("{other:?}"),
        };
        assert_eq!(town.holder(Discord, &c).await, expected, "round {round}");
    }
}

pub(super) async fn who_links_may_write_where_they_typed_the_code(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let code = town.offer(ann, now()).await;
    let mut second = from(Slack, "bob");
    second.account = "second".parse().unwrap();
    let asked = town.directory.redeem(&second, &code, now()).await.unwrap();
    assert_eq!(asked, Redeemed::Confirm { into: ann, from: bob });
    let let_in = async |user| {
        let dossier = town.directory.dossier(user).await.unwrap();
        dossier["allowed"].as_array().unwrap().iter().any(|place| place["id"] == "second")
    };
    town.confirm(bob, now()).await;
    assert!(!let_in(bob).await && !let_in(ann).await, "not yet");
    town.confirm(ann, now()).await;
    assert!(let_in(ann).await);
}

pub(super) async fn one_no_is_enough(town: Town) {
    let (ann, bob) = asked(&town).await;
    town.confirm(ann, now()).await;
    assert_eq!(town.directory.decline(bob, now()).await.unwrap(), Some(ann));
    assert_eq!(town.directory.decline(bob, now()).await.unwrap(), None);
    assert_eq!(town.confirm(bob, now()).await, Confirmed::Nothing);
    assert_eq!(town.confirm(ann, now()).await, Confirmed::Nothing);

    let (ann, bob) = asked(&town).await;
    town.confirm(ann, now()).await;
    assert_eq!(town.confirm(bob, later(60 * MINUTE)).await, Confirmed::Nothing, "too late");
    assert_eq!(town.holder(Slack, "bob").await, Some(bob));

    let (ann, bob) = asked(&town).await;
    town.confirm(ann, now()).await;
    town.directory.block(ann, Actor::Operator, now()).await.unwrap();
    assert_eq!(town.confirm(bob, now()).await, Confirmed::Nothing, "not with somebody blocked");
}

pub(super) async fn a_yes_is_to_one_question_only(town: Town) {
    let (ann, bob) = asked(&town).await;
    let code = town.offer(ann, now()).await;
    town.user(Discord, "eve").await;
    let refused = town.redeem(Discord, "eve", &code, now()).await;
    assert_eq!(refused, Redeemed::Refused, "while she is asked about Bob");
    town.confirm(bob, now()).await;
    assert!(
        matches!(town.confirm(ann, now()).await, Confirmed::Merged { from, .. } if from == bob)
    );
    let eve = town.holder(Discord, "eve").await.unwrap();
    let asked = town.redeem(Discord, "eve", &code, now()).await;
    assert_eq!(asked, Redeemed::Confirm { into: ann, from: eve }, "the code was still good");
}

pub(super) async fn an_old_button_answers_no_new_question(town: Town) {
    let (ann, bob) = asked(&town).await;
    let question = async |user, at| town.directory.question(user, at).await.unwrap();
    let first = question(ann, now()).await.unwrap();
    assert_eq!((first.into, first.from), (ann, bob));
    assert_eq!(question(bob, now()).await.as_ref(), Some(&first), "both are asked the same");
    assert_eq!(question(ann, later(60 * MINUTE)).await, None);
    let yes = async |user, id: &str| {
        town.directory.confirm_question(user, id, later(MINUTE)).await.unwrap()
    };
    let no = async |user, id: &str| {
        town.directory.decline_question(user, id, later(MINUTE)).await.unwrap()
    };
    assert_eq!(no(bob, &first.id).await, Some(ann));

    let eve = town.user(Discord, "eve").await;
    let code = town.offer(eve, later(MINUTE)).await;
    let asked = town.redeem(Telegram, "ann", &code, later(MINUTE)).await;
    assert_eq!(asked, Redeemed::Confirm { into: eve, from: ann });
    let second = question(ann, later(MINUTE)).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(yes(eve, &second.id).await, Confirmed::Waiting { other: ann });
    assert_eq!(yes(ann, &first.id).await, Confirmed::Nothing, "it was about Bob");
    assert_eq!(no(ann, &first.id).await, None);
    assert_eq!(question(ann, later(MINUTE)).await, Some(second.clone()), "and stays open");
    let merged = yes(ann, &second.id).await;
    assert!(matches!(merged, Confirmed::Merged { into, from, .. } if (into, from) == (eve, ann)));
}

pub(super) async fn a_merge_is_undone_within_thirty_days(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let unmerge = async |at| town.directory.unmerge(bob, Actor::Operator, at).await.unwrap();
    assert_eq!(unmerge(now()).await, Unmerged::NotMerged);
    town.merge(ann, bob, now()).await;
    town.redeem(WhatsApp, "49123", &town.offer(ann, now()).await, now()).await;
    let again = town.directory.merge(ann, bob, Actor::Operator, now()).await;
    assert!(matches!(again, Err(DirectoryError::Merged(user)) if user == bob));

    assert_eq!(town.directory.lapsed(later(30 * DAY - 1), 10).await.unwrap(), []);
    let restored = Unmerged::Restored { into: ann, moved: 1, blocked: false };
    assert_eq!(unmerge(later(30 * DAY - 1)).await, restored);
    assert_eq!(town.user(Slack, "bob").await, bob);
    assert_eq!(town.user(WhatsApp, "49123").await, ann, "which did not come with it");
    assert_eq!(town.person(bob).await.merged_into, None);
    assert!(town.acts(bob).await.contains(&"unmerged".into()));

    town.merge(ann, bob, now()).await;
    assert_eq!(unmerge(later(30 * DAY)).await, Unmerged::TooLate);
    assert_eq!(town.directory.lapsed(later(30 * DAY), 10).await.unwrap(), [bob]);
}

pub(super) async fn a_better_id_goes_back_with_the_older_one(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(WhatsApp, "49123").await);
    town.merge(ann, bob, now()).await;
    let mut shown = from(WhatsApp, "DE.1");
    shown.sender.aliases.push(SenderId::new("49123"));
    let who = async || town.directory.resolve(&shown, now()).await.unwrap().user();
    assert_eq!(who().await, Some(ann));
    town.directory.unmerge(bob, Actor::Operator, now()).await.unwrap();
    assert_eq!(who().await, Some(bob));
}

pub(super) async fn merges_in_a_row_are_undone_in_any_order(town: Town) {
    for first in [0, 1] {
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name}{first}"));
        let ann = town.user(Telegram, &a).await;
        let (bob, cem) = (town.user(Slack, &b).await, town.user(Discord, &c).await);
        town.merge(bob, cem, now()).await;
        town.merge(ann, bob, now()).await;
        assert_eq!(town.user(Discord, &c).await, ann);
        let order = if first == 0 { [(bob, 2), (cem, 1)] } else { [(cem, 1), (bob, 1)] };
        for (who, count) in order {
            let undone = town.directory.unmerge(who, Actor::Operator, now()).await.unwrap();
            let Unmerged::Restored { moved, .. } = undone else { panic!("{undone:?}") };
            assert_eq!(moved, count);
        }
        let now_they_are = [
            town.user(Telegram, &a).await,
            town.user(Slack, &b).await,
            town.user(Discord, &c).await,
        ];
        assert_eq!(now_they_are, [ann, bob, cem]);
    }
}

pub(super) async fn what_has_gone_elsewhere_stays_there(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let code = town.offer(bob, now()).await;
    town.redeem(WhatsApp, "49123", &code, now()).await;
    town.merge(ann, bob, now()).await;
    let gone = town.directory.unlink(ann, key(WhatsApp, "49123"), Actor::Person(ann), now()).await;
    assert_eq!(gone.unwrap(), Unlinked::Done { left: 2 });
    let eve = town.user(WhatsApp, "49123").await;
    assert!(eve != ann && eve != bob, "a number with a new owner");
    let undone = town.directory.unmerge(bob, Actor::Operator, now()).await.unwrap();
    assert_eq!(undone, Unmerged::Restored { into: ann, moved: 1, blocked: false });
    assert_eq!(town.user(WhatsApp, "49123").await, eve);
}

pub(super) async fn what_both_were_allowed_both_keep(town: Town) {
    let group = |name: &str| GroupKey {
        channel: Slack,
        scope: SenderScope::new("T1"),
        conversation: ConversationId::new(name),
    };
    let (ann, bob) = (town.user(Slack, "ann").await, town.user(Slack, "bob").await);
    let allow = async |name, user| {
        town.directory.allow_in_group(&group(name), user, Actor::Operator, now()).await.unwrap()
    };
    assert!(allow("both", ann).await && allow("both", bob).await && allow("hers", bob).await);
    let members = async |name| {
        let mut members = town.directory.people_in_group(&group(name)).await.unwrap();
        members.retain(|user| *user == ann);
        !members.is_empty()
    };
    town.merge(ann, bob, now()).await;
    assert!(members("both").await && members("hers").await);
    town.directory.unmerge(bob, Actor::Operator, now()).await.unwrap();
    assert!(members("both").await);
    assert!(!members("hers").await, "what came with the merge has gone with it");
    let hers = town.directory.people_in_group(&group("hers")).await.unwrap();
    assert_eq!(hers, [bob]);
    let mut both = town.directory.people_in_group(&group("both")).await.unwrap();
    both.sort_unstable();
    let mut expected = [ann, bob];
    expected.sort_unstable();
    assert_eq!(both, expected);
}

pub(super) async fn only_those_who_may_merge_people(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let merge = async |into, from, by| town.directory.merge(into, from, by, now()).await;
    let refused = merge(ann, bob, Actor::Person(ann)).await;
    assert!(matches!(refused, Err(DirectoryError::NotAllowed)));
    let nobody = ZakiUserId::from_parts(now(), 1);
    let unknown = merge(ann, nobody, Actor::Operator).await;
    assert!(matches!(unknown, Err(DirectoryError::UnknownPerson(user)) if user == nobody));
    let same = merge(ann, ann, Actor::Operator).await;
    assert!(matches!(same, Err(DirectoryError::SamePerson(_))));
    assert_eq!(town.directory.resolve(&from(Slack, "bob"), now()).await.unwrap().user(), Some(bob));
    town.directory.set_role(ann, Role::Owner, Actor::Operator, now()).await.unwrap();
    assert_eq!(merge(ann, bob, Actor::Person(ann)).await.unwrap().moved, 1);
}

pub(super) async fn a_merge_lifts_no_block(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.directory.block(bob, Actor::Operator, now()).await.unwrap();
    for (into, from) in [(ann, bob), (bob, ann)] {
        let refused = town.directory.merge(into, from, Actor::Operator, now()).await;
        assert!(
            matches!(refused, Err(DirectoryError::Blocked(user)) if user == bob),
            "{refused:?}"
        );
    }
    town.directory.unblock(bob, Actor::Operator, now()).await.unwrap();
    town.directory.merge(ann, bob, Actor::Operator, now()).await.unwrap();
}
