//! What every directory must do, as the hub meets it.

use std::collections::HashSet;

use zaki_envelope::{Sender, SenderScope, ZakiUserId};
use zaki_identity::{
    Actor, BindingKind, DirectoryError, How, Linked, PeopleFilter, Refusal, Resolution, Setting,
    SignUp,
};

use zaki_envelope::ChannelKind::{Slack, Telegram, WhatsApp};

use super::town::{Town, also, direct, now, sender};

fn known(user: ZakiUserId) -> Resolution {
    Resolution::Known { user, speaker: user, created: false }
}

fn new(resolution: &Resolution) -> Option<ZakiUserId> {
    if let Resolution::Known { user, created: true, .. } = resolution { Some(*user) } else { None }
}

fn closed(tell: bool) -> Resolution {
    Resolution::Refused { reason: Refusal::Closed, tell }
}

async fn people(town: &Town) -> Vec<zaki_identity::Person> {
    town.directory.people(PeopleFilter::default()).await.unwrap()
}

async fn bindings(town: &Town, user: ZakiUserId) -> Vec<zaki_identity::Binding> {
    town.directory.person(user).await.unwrap().unwrap().bindings
}

pub(super) async fn a_sender_is_one_person_for_good(town: Town) {
    let user = new(&town.resolve(Telegram, &sender("1")).await).expect("a stranger signs up");
    assert_eq!(town.resolve(Telegram, &sender("1")).await, known(user));
    let renamed = Sender {
        display_name: Some("Somebody Else".into()),
        handle: Some("else".into()),
        ..sender("1")
    };
    assert_eq!(town.user(Telegram, &renamed).await, user, "names are not identity");

    let reopened = town.open(SignUp::Open).await;
    let again = reopened.resolve(&direct(Telegram, &sender("1")), now()).await.unwrap();
    assert_eq!(again, known(user));

    // Same text, other spaces; and all in the same millisecond.
    let team = Sender { scope: SenderScope::new("T2"), ..sender("1") };
    let others = [
        town.user(Slack, &sender("1")).await,
        town.user(Slack, &team).await,
        town.user(Telegram, &sender("2")).await,
        user,
    ];
    assert_eq!(HashSet::from(others).len(), 4);
}

pub(super) async fn first_messages_at_once_make_one_person(town: Town) {
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let directory = town.directory.clone();
            let inbound = direct(Telegram, &sender("1"));
            tokio::spawn(async move { directory.resolve(&inbound, now()).await.unwrap() })
        })
        .collect();
    let (mut users, mut created) = (HashSet::new(), 0);
    for task in tasks {
        let resolution = task.await.unwrap();
        users.insert(resolution.user().unwrap());
        created += u32::from(new(&resolution).is_some());
    }
    assert_eq!((users.len(), created), (1, 1));
    assert_eq!(people(&town).await.len(), 1);
}

pub(super) async fn a_closed_house_lets_in_whom_it_knows(town: Town) {
    assert_eq!(town.resolve(WhatsApp, &also("CC.1", &["49123"])).await, closed(true));
    assert!(people(&town).await.is_empty(), "nothing is kept of a stranger");

    let user = {
        let open_door = town.open(SignUp::Open).await;
        let inbound = direct(WhatsApp, &sender("49123"));
        let resolved = open_door.resolve(&inbound, now()).await.unwrap();
        resolved.user().unwrap()
    };
    assert_eq!(town.resolve(WhatsApp, &also("CC.1", &["49123"])).await, known(user));
    assert_eq!(town.resolve(WhatsApp, &sender("CC.2")).await, closed(true));
    town.link(user, WhatsApp, &sender("CC.2")).await;
    assert_eq!(town.resolve(WhatsApp, &sender("CC.2")).await, known(user));
}

pub(super) async fn a_phone_number_gives_way_to_the_better_id(town: Town) {
    let user = town.user(WhatsApp, &sender("49123")).await;
    assert_eq!(town.user(WhatsApp, &also("CC.1", &["49123"])).await, user);
    assert_eq!(town.user(WhatsApp, &sender("CC.1")).await, user);
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, user, "a late, old payload");
    assert_eq!(town.acts().await, ["signed_up", "upgraded"]);
    let bindings = bindings(&town, user).await;
    let kinds: Vec<_> = bindings.iter().map(|b| (b.sender.as_str(), b.kind)).collect();
    assert_eq!(kinds, [("49123", BindingKind::Alias), ("CC.1", BindingKind::Primary)]);

    // The number has a new owner: they must not get the old one's sandbox, now or later.
    let resolution = town.resolve(WhatsApp, &also("CC.2", &["49123"])).await;
    let stranger = new(&resolution).expect("somebody else");
    assert_ne!(stranger, user);
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, stranger);
    assert_eq!(town.user(WhatsApp, &sender("CC.1")).await, user);
    assert_eq!(town.acts().await[2..], ["signed_up", "moved"]);
}

pub(super) async fn ids_shown_together_stay_together(town: Town) {
    let user = town.user(WhatsApp, &also("CC.1", &["CC.1", "49123"])).await;
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, user);

    // Linked by the older one, which an operator may know it by: it is the same account.
    let other = town.user(Telegram, &sender("other")).await;
    let linked = town.link(other, WhatsApp, &sender("49123")).await;
    assert_eq!(linked, Linked::Moved { from: user, left: 0 });
    assert_eq!(town.user(WhatsApp, &sender("CC.1")).await, other, "by the better one, too");

    // Met apart, shown together later: the better id decides, though it is in the cache.
    let (better, older) =
        (town.user(WhatsApp, &sender("CC.3")).await, town.user(WhatsApp, &sender("49333")).await);
    assert_ne!(better, older);
    assert_eq!(town.user(WhatsApp, &also("CC.3", &["49333"])).await, better);
    assert_eq!(town.user(WhatsApp, &sender("49333")).await, better);
    assert_eq!(bindings(&town, older).await, []);
}

pub(super) async fn linking_moves_one_binding_and_says_what_it_did(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    assert_eq!(town.link(bob, Slack, &sender("bob")).await, Linked::Bound);
    assert_eq!(town.link(bob, Slack, &sender("bob")).await, Linked::Already);
    assert_eq!(town.user(Slack, &sender("bob")).await, bob);

    assert_eq!(town.link(ann, Slack, &sender("bob")).await, Linked::Moved { from: bob, left: 1 });
    assert_eq!(town.user(Slack, &sender("bob")).await, ann, "the cache follows");
    assert_eq!(town.user(Telegram, &sender("bob")).await, bob, "the rest stays");
    assert_eq!(
        town.link(ann, Telegram, &sender("bob")).await,
        Linked::Moved { from: bob, left: 0 }
    );
    assert_eq!(town.acts().await[2..], ["bound", "moved", "moved"]);

    let nobody = ZakiUserId::from_parts(now(), 1);
    let (by, how) = (Actor::Operator, How::Operator);
    let linked = town.directory.link(nobody, Slack, &sender("new"), by, how, now()).await;
    let error = linked.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownPerson(id) if id == nobody), "{error}");
    assert!(new(&town.resolve(Slack, &sender("new")).await).is_some());
}

pub(super) async fn a_link_made_by_another_process_holds_at_the_next_claim(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    let inbound = direct(Telegram, &sender("bob"));
    let verify = async |user| town.directory.verify(user, &inbound).await.unwrap();
    assert!(verify(bob).await);
    assert!(!verify(ann).await);
    assert_eq!(town.user(Telegram, &sender("bob")).await, bob);

    let command_line = town.open(SignUp::Open).await;
    let (by, how) = (Actor::Operator, How::Operator);
    command_line.link(ann, Telegram, &sender("bob"), by, how, now()).await.unwrap();
    assert_eq!(town.user(Telegram, &sender("bob")).await, bob, "from the cache");
    assert!(!verify(bob).await, "from the store");
    assert_eq!(town.user(Telegram, &sender("bob")).await, ann, "and the cache has learnt");
    assert!(verify(ann).await);
}

pub(super) async fn what_is_asked_anew_is_not_from_memory(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    let inbound = direct(Telegram, &sender("bob"));
    let anew = async || town.directory.resolve_anew(&inbound, now()).await.unwrap();
    assert_eq!(anew().await, known(bob));

    let command_line = town.open(SignUp::Open).await;
    let (by, how) = (Actor::Operator, How::Operator);
    command_line.link(ann, Telegram, &sender("bob"), by, how, now()).await.unwrap();
    assert_eq!(town.user(Telegram, &sender("bob")).await, bob, "from the cache");
    assert_eq!(anew().await, known(ann), "from the store");
    assert_eq!(town.user(Telegram, &sender("bob")).await, ann, "and the cache has learnt");

    command_line.block(ann, by, now()).await.unwrap();
    let blocked = Resolution::Refused { reason: Refusal::Blocked, tell: false };
    assert_eq!(town.user(Telegram, &sender("bob")).await, ann, "from the cache");
    assert_eq!(anew().await, blocked);
    assert_eq!(town.resolve(Telegram, &sender("bob")).await, blocked);
}

pub(super) async fn a_person_chooses_how_they_are_listened_to(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    let mode = async |user| town.directory.person(user).await.unwrap().and_then(|p| p.mode);
    let set = async |user, mode: Option<&str>| {
        town.directory.set(user, Setting::Mode(mode.map(str::to_owned))).await
    };
    assert_eq!(mode(ann).await, None);
    set(ann, Some("steer")).await.unwrap();
    assert_eq!((mode(ann).await.as_deref(), mode(bob).await), (Some("steer"), None));
    set(ann, None).await.unwrap();
    assert_eq!(mode(ann).await, None);

    let nobody = ZakiUserId::from_parts(now(), 1);
    assert_eq!(mode(nobody).await, None);
    let error = set(nobody, Some("steer")).await.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownPerson(id) if id == nobody), "{error}");
}
