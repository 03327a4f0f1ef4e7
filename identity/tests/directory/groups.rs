//! Groups: whom they are there for, whose sandbox answers, and who may change that.

use zaki_envelope::ChannelKind::{Discord, Telegram};
use zaki_envelope::{Inbound, ZakiUserId};
use zaki_identity::{
    Actor, Changers, DirectoryError, GroupChange, GroupKey, GroupMode, PeopleFilter, Refusal,
    Resolution, Role, SignUp, Who,
};

use super::town::{Town, direct, in_group, now, sender};

const NONE: GroupChange = GroupChange { mode: None, who: None, owner: None, changers: None };

async fn set(town: &Town, inbound: &Inbound, change: GroupChange) {
    let key = GroupKey::of(inbound);
    town.directory.set_group(&key, change, Actor::Operator, now()).await.unwrap();
}

fn refused(reason: Refusal, tell: bool) -> Resolution {
    Resolution::Refused { reason, tell }
}

fn served(user: ZakiUserId, speaker: ZakiUserId) -> Resolution {
    Resolution::Known { user, speaker, created: false }
}

pub(super) async fn a_group_grants_nothing_in_direct_messages(town: Town) {
    let ann = sender("ann");
    let (here, there) = (in_group(Telegram, &ann, "-1"), in_group(Telegram, &ann, "-2"));
    set(&town, &here, GroupChange { who: Some(Who::Everyone), ..NONE }).await;
    set(&town, &there, GroupChange { who: Some(Who::Known), ..NONE }).await;
    let Resolution::Known { user, created: true, .. } = town.hear(&here).await else {
        panic!("a stranger signs up, for groups alone")
    };
    assert_eq!(town.hear(&here).await, served(user, user));
    assert!(town.directory.verify(user, &here).await.unwrap());

    let alone = direct(Telegram, &ann);
    assert_eq!(town.hear(&alone).await, refused(Refusal::Closed, true));
    assert!(!town.directory.verify(user, &alone).await.unwrap());
    assert_eq!(town.hear(&there).await, refused(Refusal::NotInGroup, false), "told already");
    assert!(!town.directory.verify(user, &there).await.unwrap());
    assert_eq!(town.directory.person(user).await.unwrap().unwrap().bindings.len(), 1);
}

pub(super) async fn direct_messages_grant_nothing_in_groups(town: Town) {
    let ann = sender("ann");
    let user = town.user(Telegram, &ann).await;
    let (here, there) = (in_group(Telegram, &ann, "-1"), in_group(Telegram, &ann, "-2"));
    for group in [&here, &there] {
        set(&town, group, GroupChange { who: Some(Who::Listed), ..NONE }).await;
    }
    assert_eq!(town.hear(&here).await, refused(Refusal::NotInGroup, true));

    let key = GroupKey::of(&here);
    let allow = async || town.directory.allow_in_group(&key, user, Actor::Operator, now()).await;
    assert!(allow().await.unwrap());
    assert!(!allow().await.unwrap(), "already");
    assert_eq!(town.hear(&here).await, served(user, user));
    assert_eq!(town.hear(&there).await, refused(Refusal::NotInGroup, false), "this one alone");
    assert_eq!(town.directory.people_in_group(&key).await.unwrap(), [user]);

    let out = town.directory.disallow_in_group(&key, user, Actor::Operator, now()).await;
    assert!(out.unwrap());
    assert_eq!(town.hear(&here).await, refused(Refusal::NotInGroup, false));
    assert_eq!(town.user(Telegram, &ann).await, user, "alone with the bot as ever");
}

pub(super) async fn a_group_hears_what_it_is_set_to(town: Town) {
    let said = in_group(Discord, &sender("ann"), "1");
    let overheard = Inbound { addressed: false, ..said.clone() };
    assert_eq!(town.hear(&overheard).await, refused(Refusal::NotAddressed, false));
    assert!(town.directory.people(PeopleFilter::default()).await.unwrap().is_empty());
    let user = town.hear(&said).await.user().unwrap();
    assert_eq!(town.hear(&overheard).await, refused(Refusal::NotAddressed, false));

    set(&town, &said, GroupChange { mode: Some(GroupMode::Always), ..NONE }).await;
    assert_eq!(town.hear(&overheard).await, served(user, user));
    set(&town, &said, GroupChange { mode: Some(GroupMode::Off), ..NONE }).await;
    assert_eq!(town.hear(&said).await, refused(Refusal::GroupOff, false));
    assert_eq!(town.hear(&overheard).await, refused(Refusal::GroupOff, false));

    let elsewhere = in_group(Discord, &sender("ann"), "2");
    assert_eq!(town.hear(&elsewhere).await, served(user, user), "another group");
    let key = GroupKey::of(&said);
    let group = town.directory.group(&key).await.unwrap();
    assert_eq!((group.mode, group.who), (GroupMode::Off, Who::Everyone));
    assert_eq!(town.directory.groups().await.unwrap(), [group]);
    assert_eq!(town.directory.group(&GroupKey::of(&elsewhere)).await.unwrap().changed_at, None);
}

pub(super) async fn a_group_that_has_guests_is_listed(town: Town) {
    let user = town.user(Telegram, &sender("ann")).await;
    let groups = ["-2", "-1", "-3"].map(|id| GroupKey::of(&in_group(Telegram, &sender("ann"), id)));
    let [changed, guests, both] = &groups;
    for key in [changed, both] {
        let change = GroupChange { mode: Some(GroupMode::Always), ..NONE };
        town.directory.set_group(key, change, Actor::Operator, now()).await.unwrap();
    }
    for key in [guests, both] {
        town.directory.allow_in_group(key, user, Actor::Operator, now()).await.unwrap();
    }
    let listed = town.directory.groups().await.unwrap();
    let keys: Vec<_> = listed.iter().map(|group| group.key.clone()).collect();
    assert_eq!(keys, [guests.clone(), changed.clone(), both.clone()], "each once, in order");
    assert_eq!((listed[0].mode, listed[0].changed_at), (GroupMode::Mention, None));
    town.directory.disallow_in_group(guests, user, Actor::Operator, now()).await.unwrap();
    assert_eq!(town.directory.groups().await.unwrap().len(), 2);
}

pub(super) async fn an_owner_may_serve_all(town: Town) {
    let (ann, bob) = (sender("ann"), sender("bob"));
    let (owner, guest) = (town.user(Telegram, &ann).await, town.user(Telegram, &bob).await);
    let by_bob = in_group(Telegram, &bob, "-1");
    set(&town, &by_bob, GroupChange { owner: Some(Some(owner)), ..NONE }).await;
    assert_eq!(town.hear(&by_bob).await, served(owner, guest));
    assert_eq!(town.hear(&by_bob).await, served(owner, guest), "from the cache");
    assert!(town.directory.verify(owner, &by_bob).await.unwrap());
    let host = async |speaker| town.directory.host(owner, Some(speaker), &by_bob).await.unwrap();
    assert_eq!(host(guest).await.map(|person| person.user), Some(owner));
    assert_eq!(host(owner).await, None, "it is the guest who speaks");
    assert!(!town.directory.verify(guest, &by_bob).await.unwrap(), "not by their own");
    assert_eq!(town.user(Telegram, &bob).await, guest, "alone, by their own");

    // For nobody else there, and still for the owner.
    set(&town, &by_bob, GroupChange { who: Some(Who::Listed), ..NONE }).await;
    assert_eq!(town.hear(&by_bob).await, refused(Refusal::NotInGroup, true));
    assert_eq!(town.hear(&in_group(Telegram, &ann, "-1")).await, served(owner, owner));

    town.directory.block(owner, Actor::Operator, now()).await.unwrap();
    assert_eq!(town.hear(&by_bob).await, refused(Refusal::GroupOff, false), "nobody is there");
    let nobody = ZakiUserId::from_parts(now(), 1);
    let change = GroupChange { owner: Some(Some(nobody)), ..NONE };
    let key = GroupKey::of(&by_bob);
    let unknown = town.directory.set_group(&key, change, Actor::Operator, now()).await;
    assert!(matches!(unknown, Err(DirectoryError::UnknownPerson(_))));
}

pub(super) async fn a_change_holds_at_the_next_claim(town: Town) {
    let said = in_group(Telegram, &sender("ann"), "-1");
    let user = town.hear(&said).await.user().unwrap();
    let console = town.open(SignUp::Open).await;
    let off = GroupChange { mode: Some(GroupMode::Off), ..NONE };
    console.set_group(&GroupKey::of(&said), off, Actor::Operator, now()).await.unwrap();
    assert_eq!(town.hear(&said).await, served(user, user), "from the cache");
    assert!(!town.directory.verify(user, &said).await.unwrap(), "from the store");
    assert_eq!(town.hear(&said).await, refused(Refusal::GroupOff, false));
}

pub(super) async fn groups_are_changed_by_those_who_may(town: Town) {
    let (ann, bob) = (sender("ann"), sender("bob"));
    let (owner, guest) = (town.user(Telegram, &ann).await, town.user(Telegram, &bob).await);
    town.directory.set_role(owner, Role::Owner, Actor::Operator, now()).await.unwrap();
    let key = GroupKey::of(&in_group(Telegram, &ann, "-1"));
    let try_as = async |user, change| {
        let done = town.directory.set_group(&key, change, Actor::Person(user), now()).await;
        match done {
            Ok(_) => true,
            Err(DirectoryError::NotAllowed) => false,
            Err(other) => panic!("{other}"),
        }
    };
    let always = GroupChange { mode: Some(GroupMode::Always), ..NONE };
    assert!(!try_as(guest, always).await);
    assert_eq!(town.directory.groups().await.unwrap(), [], "nothing was kept of it");
    assert!(try_as(owner, GroupChange { changers: Some(Changers::Anyone), ..always }).await);
    assert!(try_as(guest, always).await);
    assert!(!try_as(guest, GroupChange { owner: Some(Some(owner)), ..NONE }).await);
    assert!(try_as(guest, GroupChange { owner: Some(Some(guest)), ..NONE }).await);

    set(
        &town,
        &in_group(Telegram, &ann, "-1"),
        GroupChange { changers: Some(Changers::Operators), ..NONE },
    )
    .await;
    assert!(!try_as(owner, always).await);
    let group = town.directory.group(&key).await.unwrap();
    assert_eq!((group.owner, group.changed_by), (Some(guest), Actor::Operator));
    let changes = town.acts().await.iter().filter(|act| *act == "group_changed").count();
    assert_eq!(changes, 4);

    let allowed = town.directory.allow_in_group(&key, guest, Actor::Person(owner), now()).await;
    assert!(matches!(allowed, Err(DirectoryError::NotAllowed)));
}
