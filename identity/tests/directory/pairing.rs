//! Strangers who wait to be let in.

use zaki_envelope::ChannelKind::{Telegram, WhatsApp};
use zaki_envelope::{ConversationId, Inbound, Timestamp};
use zaki_identity::{
    Actor, Directory, DirectoryError, How, LinkCode, PeopleFilter, Refusal, Resolution, Role,
    SignUp,
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
    assert!(!town.directory.deny(&code, Actor::Operator, now()).await.unwrap());
}

pub(super) async fn a_request_is_denied_or_grows_old(town: Town) {
    let stranger = direct(Telegram, &sender("bob"));
    let (code, _) = ask(&town.directory, &stranger, now()).await.unwrap();
    assert!(town.directory.deny(&code, Actor::Operator, now()).await.unwrap());
    assert!(town.directory.approve(&code, Actor::Operator, now()).await.unwrap().is_none());
    let (code, tell) = ask(&town.directory, &stranger, now()).await.unwrap();
    assert!(tell, "asked again, by another code");

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
    assert!(matches!(refused, Resolution::Refused { reason: Refusal::Closed, .. }), "{refused:?}");
    let elsewhere = Inbound { account: "other".parse().unwrap(), ..late.clone() };
    assert!(ask(&town.directory, &elsewhere, now()).await.is_some(), "each account by itself");
    let first = direct(Telegram, &sender("0"));
    assert!(ask(&town.directory, &first, now()).await.is_some(), "whoever waits, waits on");
    assert!(ask(&town.directory, &late, now().plus_ms(DAY_MS)).await.is_some());
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
