//! Strangers who wait to be let in.

use zaki_envelope::ChannelKind::{Telegram, WhatsApp};
use zaki_envelope::{ConversationId, Inbound, Timestamp};
use zaki_identity::{
    ANNOUNCE_MS, Actor, Announcement, Directory, DirectoryError, How, Keep, LinkCode, NewInvite,
    News, PeopleFilter, Redeemed, Refusal, Resolution, Role, SignUp,
};

use super::town::{Town, also, direct, now, options, sender};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn ask(directory: &Directory, inbound: &Inbound, now: Timestamp) -> Option<(LinkCode, bool)> {
    match directory.resolve(inbound, now).await.unwrap() {
        Resolution::Refused { reason: Refusal::PairingWanted { code }, tell } => Some((code, tell)),
        _ => None,
    }
}

pub(super) async fn a_stranger_waits_for_somebody_to_let_them_in(town: Town) {
    let stranger = direct(WhatsApp, &also("CC.1", &["49123"]));
    let (code, tell) = ask(&town.directory, &stranger, now()).await.unwrap();
    assert!(tell && code.is_well_formed());
    let (again, tell) = ask(&town.directory, &stranger, now()).await.unwrap();
    assert_eq!((again.shown(), tell), (code.shown(), false));
    assert!(town.directory.people(PeopleFilter::default()).await.unwrap().is_empty());

    let waiting = town.directory.pairings(now()).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].code.clone(), waiting[0].sender.as_str()), (code.shown(), "CC.1"));

    // Typed as people type, on another process.
    let typed = LinkCode::typed(&code.shown().to_lowercase().replace('-', " "));
    let console = town.open(SignUp::Pairing).await;
    let approved = console.approve(&typed, Actor::Operator, now()).await.unwrap().unwrap();
    assert!(approved.created);
    let place = (approved.channel, approved.conversation.clone());
    assert_eq!(place, (WhatsApp, ConversationId::new("chat of CC.1")));
    assert_eq!(town.hear(&stranger).await.user(), Some(approved.user));
    let number = direct(WhatsApp, &sender("49123"));
    assert_eq!(town.hear(&number).await.user(), Some(approved.user), "by either id");
    let person = town.directory.person(approved.user).await.unwrap().unwrap();
    assert_eq!(person.bindings.iter().filter(|b| b.how == How::Pairing).count(), 1);
    assert!(town.directory.pairings(now()).await.unwrap().is_empty());
    assert_eq!(town.acts().await, ["signed_up", "bound", "approved"]);
}

pub(super) async fn only_owners_and_operators_let_in(town: Town) {
    let by = (Actor::Operator, How::Operator);
    let ann = town.directory.enrol(Telegram, &sender("ann"), by.0, by.1, now()).await.unwrap();
    let stranger = direct(Telegram, &sender("bob"));
    let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
    let as_ann = async || town.directory.approve(&code, Actor::Person(ann), now()).await;
    assert!(matches!(as_ann().await, Err(DirectoryError::NotAllowed)));
    let denied = town.directory.deny(&code, Actor::Person(ann), now()).await;
    assert!(matches!(denied, Err(DirectoryError::NotAllowed)));
    assert!(ask(&town.directory, &stranger, now()).await.is_some(), "still waiting");

    town.directory.set_role(ann, Role::Owner, Actor::Operator, now()).await.unwrap();
    town.directory.block(ann, Actor::Operator, now()).await.unwrap();
    assert!(matches!(as_ann().await, Err(DirectoryError::NotAllowed)), "an owner who is blocked");
    town.directory.unblock(ann, Actor::Operator, now()).await.unwrap();
    let approved = as_ann().await.unwrap().unwrap();
    assert_eq!(town.hear(&stranger).await.user(), Some(approved.user));
    let last = town.entries().await.pop().unwrap();
    assert_eq!((last.act.as_str(), last.by), ("approved", Actor::Person(ann)));
}

pub(super) async fn a_code_lets_in_once(town: Town) {
    let stranger = direct(Telegram, &sender("bob"));
    let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
    let other = town.open(SignUp::Pairing).await;
    let approve = async |directory: &Directory| {
        directory.approve(&code, Actor::Operator, now()).await.unwrap()
    };
    let (one, two) = tokio::join!(approve(&town.directory), approve(&other));
    assert_eq!([&one, &two].into_iter().flatten().count(), 1, "{one:?} {two:?}");
    let nonsense = LinkCode::typed("2222-2222");
    assert!(town.directory.approve(&nonsense, Actor::Operator, now()).await.unwrap().is_none());
    assert!(town.directory.deny(&code, Actor::Operator, now()).await.unwrap().is_none());
}

pub(super) async fn a_request_is_denied_or_grows_old(town: Town) {
    let stranger = direct(Telegram, &sender("bob"));
    let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
    let denied = town.directory.deny(&code, Actor::Operator, now()).await.unwrap().unwrap();
    assert_eq!((denied.channel, denied.who.as_str()), (Telegram, "bob"));
    assert!(town.directory.approve(&code, Actor::Operator, now()).await.unwrap().is_none());
    assert!(town.directory.deny(&code, Actor::Operator, now()).await.unwrap().is_none());
    assert!(town.directory.pairings(now()).await.unwrap().is_empty());
    for at in [now(), now().plus_ms(DAY_MS - 1)] {
        let silence = Resolution::Refused { reason: Refusal::Denied, tell: false };
        assert_eq!(town.directory.resolve(&stranger, at).await.unwrap(), silence);
    }
    assert_eq!(town.acts().await, ["denied"], "and nobody is asked once more");

    let stranger = direct(Telegram, &sender("cem"));
    let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
    let late = now().plus_ms(DAY_MS);
    assert!(town.directory.pairings(late).await.unwrap().is_empty());
    assert!(town.directory.approve(&code, Actor::Operator, late).await.unwrap().is_none());
    let (fresh, tell) = ask(&town.directory, &stranger, late).await.unwrap();
    assert!(tell && fresh.shown() != code.shown());
}

pub(super) async fn so_many_wait_and_no_more(town: Town) {
    for n in 0..100 {
        let stranger = direct(Telegram, &sender(&n.to_string()));
        assert!(ask(&town.directory, &stranger, now()).await.is_some(), "{n}");
    }
    let late = direct(Telegram, &sender("late"));
    let refused = town.hear(&late).await;
    let crowded = |tell| Resolution::Refused { reason: Refusal::Crowded, tell };
    assert_eq!((refused, town.hear(&late).await), (crowded(true), crowded(false)));
    let elsewhere = Inbound { account: "other".parse().unwrap(), ..late.clone() };
    assert!(ask(&town.directory, &elsewhere, now()).await.is_some(), "each account by itself");
    let first = direct(Telegram, &sender("0"));
    assert!(ask(&town.directory, &first, now()).await.is_some(), "whoever waits, waits on");
    // All have asked at the same time, and the one at the other account may be listed first.
    let waiting = town.directory.pairings(now()).await.unwrap();
    let here = waiting.iter().find(|pairing| pairing.account == late.account).unwrap();
    let code = LinkCode::typed(&here.code);
    assert!(town.directory.deny(&code, Actor::Operator, now()).await.unwrap().is_some());
    assert!(ask(&town.directory, &late, now()).await.is_some(), "there is room for one more");
    let later = direct(Telegram, &sender("later"));
    assert!(ask(&town.directory, &later, now()).await.is_none());
    assert!(ask(&town.directory, &later, now().plus_ms(DAY_MS)).await.is_some());
}

pub(super) async fn a_code_is_told_whatever_was_told_before(town: Town) {
    for n in 0..100 {
        ask(&town.directory, &direct(Telegram, &sender(&n.to_string())), now()).await.unwrap();
    }
    let late = direct(Telegram, &sender("late"));
    let refused = town.hear(&late).await;
    assert!(matches!(refused, Resolution::Refused { reason: Refusal::Crowded, tell: true }));
    let code = LinkCode::typed(&town.directory.pairings(now()).await.unwrap()[0].code);
    town.directory.deny(&code, Actor::Operator, now()).await.unwrap().unwrap();
    let (code, tell) = ask(&town.directory, &late, now().plus_ms(1)).await.unwrap();
    assert!(tell, "the other line of that day does not count");
    let (again, tell) = ask(&town.directory, &late, now().plus_ms(DAY_MS)).await.unwrap();
    assert_eq!((again.shown(), tell), (code.shown(), false), "once");
}

pub(super) async fn who_was_turned_away_is_forgotten_in_time(town: Town) {
    for n in 0..3 {
        let stranger = direct(Telegram, &sender(&n.to_string()));
        let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
        town.directory.deny(&code, Actor::Operator, now()).await.unwrap().unwrap();
    }
    let keep = Keep { usage: 400, feedback: 400, sessions: 400 };
    let swept = async |at| town.directory.sweep(at, keep).await.unwrap().expired;
    assert_eq!(swept(now().plus_ms(DAY_MS - 1)).await, 0);
    assert_eq!(swept(now().plus_ms(DAY_MS)).await, 6, "three requests, and three who were told");
}

/// Strangers of these names knock.
async fn knock(town: &Town, names: &[&str], at: Timestamp) {
    for name in names {
        assert!(ask(&town.directory, &direct(Telegram, &sender(name)), at).await.is_some());
    }
}

fn names(announcement: Option<&Announcement>) -> Vec<String> {
    let mut names: Vec<String> = announcement
        .map(|it| it.waiting.iter().map(|pairing| pairing.who().to_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

pub(super) async fn each_stranger_is_announced_once_and_those_of_a_minute_together(town: Town) {
    let (here, there) = (town.directory.clone(), town.open(SignUp::Pairing).await);
    let at = |ms| now().plus_ms(ms);
    assert_eq!(here.news(now()).await.unwrap(), News::default());
    knock(&town, &["ann"], now()).await;
    assert!(there.news(now()).await.unwrap().requests);
    let (one, other) = tokio::join!(here.announce(now()), there.announce(now()));
    let told: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(told.len(), 1, "one of two replicas tells it");
    assert_eq!(names(told.first()), ["ann"]);
    here.announced(told[0].at).await.unwrap();
    assert!(!here.news(at(DAY_MS - 1)).await.unwrap().requests, "once");

    knock(&town, &["bob", "cem"], at(1_000)).await;
    assert!(here.announce(at(ANNOUNCE_MS - 1)).await.unwrap().is_none(), "not that soon");
    knock(&town, &["dan"], at(2_000)).await;
    let several = here.announce(at(ANNOUNCE_MS)).await.unwrap();
    assert_eq!(names(several.as_ref()), ["bob", "cem", "dan"]);
}

pub(super) async fn an_announcement_that_was_begun_is_given_out_once_more(town: Town) {
    let (here, there) = (town.directory.clone(), town.open(SignUp::Pairing).await);
    let at = |ms| now().plus_ms(ms);
    knock(&town, &["ann", "bob"], now()).await;
    let first = here.announce(now()).await.unwrap().unwrap();
    knock(&town, &["cem"], at(1_000)).await;
    assert!(there.announce(at(29_999)).await.unwrap().is_none(), "somebody is at it");
    let code = LinkCode::typed(&first.waiting[0].code);
    here.approve(&code, Actor::Operator, at(2_000)).await.unwrap().unwrap();
    let again = there.announce(at(30_000)).await.unwrap().unwrap();
    assert_eq!(again.at, first.at, "it is the same");
    assert_eq!(again.waiting.len(), 1, "but for whom it is too late: {again:?}");
    there.announced(again.at).await.unwrap();
    assert!(there.announce(at(ANNOUNCE_MS - 1)).await.unwrap().is_none());
    let next = there.announce(at(ANNOUNCE_MS)).await.unwrap();
    assert_eq!(names(next.as_ref()), ["cem"]);

    let code = LinkCode::typed(&next.unwrap().waiting[0].code);
    here.deny(&code, Actor::Operator, at(ANNOUNCE_MS)).await.unwrap().unwrap();
    assert!(!there.news(at(2 * ANNOUNCE_MS)).await.unwrap().requests, "nobody waits any more");
}

pub(super) async fn whoever_is_let_in_is_to_hear_of_it_once(town: Town) {
    let (here, there) = (town.directory.clone(), town.open(SignUp::Pairing).await);
    let at = |ms| now().plus_ms(ms);
    let mut stranger = direct(WhatsApp, &sender("49123"));
    stranger.sender.locale = Some("ar".into());
    let (code, _) = ask(&here, &stranger, now()).await.unwrap();
    assert!(here.admissions(now()).await.unwrap().is_empty());
    let approved = there.approve(&code, Actor::Operator, at(1)).await.unwrap().unwrap();
    assert!(here.news(at(1)).await.unwrap().admissions);
    let kept = async || here.dossier(approved.user).await.unwrap()["let_in"].clone();
    assert_eq!(kept().await[0]["conversation"], stranger.conversation.id.as_str());
    let (one, other) = tokio::join!(here.admissions(at(1)), there.admissions(at(1)));
    let taken: Vec<_> = one.unwrap().into_iter().chain(other.unwrap()).collect();
    let [admission] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((admission.user, admission.channel), (approved.user, WhatsApp));
    assert_eq!(admission.conversation, stranger.conversation.id);
    assert_eq!((admission.locale.as_deref(), admission.asked_at), (Some("ar"), now()));
    let again = there.admissions(at(30_001)).await.unwrap();
    assert_eq!(again.as_slice(), taken.as_slice(), "whoever was at it has died");
    there.welcomed(&admission.id).await.unwrap();
    assert_eq!(kept().await, serde_json::json!([]));
    assert!(!here.news(at(DAY_MS)).await.unwrap().admissions);
}

pub(super) async fn who_comes_in_by_another_way_waits_no_more(town: Town) {
    let stranger = direct(Telegram, &sender("bob"));
    let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
    let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
    let invited = town.directory.invite(new, Actor::Operator, now()).await.unwrap();
    let redeemed = town.directory.redeem(&stranger, &invited.code, now()).await.unwrap();
    assert!(matches!(redeemed, Redeemed::Invited { .. }), "{redeemed:?}");
    assert!(town.directory.pairings(now()).await.unwrap().is_empty());
    assert!(town.directory.approve(&code, Actor::Operator, now()).await.unwrap().is_none());
}

pub(super) async fn owners_are_those_who_decide_now(town: Town) {
    let (by, how) = (Actor::Operator, How::Operator);
    let mut owners = Vec::new();
    for name in ["ann", "bob", "cem", "dan"] {
        let user = town.directory.enrol(Telegram, &sender(name), by, how, now()).await.unwrap();
        if name != "dan" {
            town.directory.set_role(user, Role::Owner, by, now()).await.unwrap();
        }
        owners.push(user);
    }
    town.directory.block(owners[1], by, now()).await.unwrap();
    town.directory.merge(owners[0], owners[2], by, now()).await.unwrap();
    let found = town.directory.owners().await.unwrap();
    let users: Vec<_> = found.iter().map(|person| (person.user, person.bindings.len())).collect();
    assert_eq!(users, [(owners[0], 2)]);
}

pub(super) async fn somebody_known_may_be_let_in_on_another_account(town: Town) {
    let open = town.open_as(options(SignUp::Open)).await;
    let ann = direct(Telegram, &sender("ann"));
    let user = open.resolve(&ann, now()).await.unwrap().user().unwrap();
    let elsewhere = Inbound { account: "other".parse().unwrap(), ..ann.clone() };
    let (code, _) = ask(&town.directory, &elsewhere, now()).await.unwrap();
    let approved = town.directory.approve(&code, Actor::Operator, now()).await.unwrap().unwrap();
    assert_eq!((approved.user, approved.created), (user, false));
    assert_eq!(town.hear(&elsewhere).await.user(), Some(user));
    let third = Inbound { account: "third".parse().unwrap(), ..ann };
    assert!(ask(&town.directory, &third, now()).await.is_some(), "that one alone");
}
