//! People as an operator sees them.

use zaki_envelope::ChannelKind::{Slack, Telegram};
use zaki_envelope::{Sender, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{Actor, DirectoryError, How, Linked, PeopleFilter, Resolution, Role, SignUp};

use super::town::{Town, direct, now, sender};

async fn found(town: &Town, filter: PeopleFilter) -> Vec<ZakiUserId> {
    let people = town.directory.people(filter).await.unwrap();
    people.into_iter().map(|person| person.user).collect()
}

pub(super) async fn people_are_listed_in_pages_and_found(town: Town) {
    let mut users = Vec::new();
    for (id, handle) in [("1", "ann_a"), ("2", "annXb"), ("3", "Bob 50%"), ("4", "eve")] {
        let named = Sender { handle: Some(handle.into()), ..sender(id) };
        users.push(town.user(Telegram, &named).await);
    }
    let mut sorted = users.clone();
    sorted.sort_unstable();
    assert_eq!(found(&town, PeopleFilter::default()).await, sorted);
    let page = PeopleFilter { after: Some(sorted[1]), limit: 1, text: None };
    assert_eq!(found(&town, page).await, [sorted[2]]);

    let text = |text: &str| PeopleFilter { text: Some(text.into()), ..PeopleFilter::default() };
    let id = users[3].to_string();
    for (typed, expected) in [
        (id.as_str(), vec![users[3]]),
        ("3", vec![users[2]]),
        ("ann_", vec![users[0]]),
        ("ANNX", vec![users[1]]),
        ("50%", vec![users[2]]),
        ("5%", vec![]),
        ("nobody", vec![]),
    ] {
        assert_eq!(found(&town, text(typed)).await, expected, "{typed}");
    }
    let binding = &town.directory.person(users[0]).await.unwrap().unwrap().bindings[0];
    let shown = (binding.label.as_deref(), binding.how, binding.by);
    assert_eq!(shown, (Some("ann_a"), How::SignUp, Actor::System));
    let (scope, two) = (SenderScope::new(""), SenderId::new("2"));
    let find = async |channel| town.directory.find(channel, &scope, &two).await.unwrap();
    assert_eq!((find(Telegram).await, find(Slack).await), (Some(users[1]), None));
    assert_eq!(town.directory.person(ZakiUserId::from_parts(now(), 1)).await.unwrap(), None);
}

pub(super) async fn an_operator_makes_people(town: Town) {
    let (by, how) = (Actor::Operator, How::Operator);
    let enrol = async || town.directory.enrol(Telegram, &sender("1"), by, how, now()).await;
    let user = enrol().await.unwrap();
    assert_eq!(enrol().await.unwrap(), user, "once");
    assert_eq!(town.user(Telegram, &sender("1")).await, user, "and they are let in");
    assert_eq!(town.link(user, Slack, &sender("U1")).await, Linked::Bound);
    assert_eq!(town.user(Slack, &sender("U1")).await, user);
    let made = town.directory.enrol(Telegram, &sender("2"), Actor::Person(user), how, now()).await;
    assert!(matches!(made, Err(DirectoryError::NotAllowed)));
    let (ann, how) = (Actor::Person(user), How::Link);
    let linked = town.directory.link(user, Slack, &sender("U2"), ann, how, now()).await;
    assert!(matches!(linked, Err(DirectoryError::NotAllowed)), "people link by codes");
}

pub(super) async fn roles_and_tiers_are_for_owners_to_give(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    let (directory, as_ann) = (&town.directory, Actor::Person(ann));
    let refused = directory.set_role(ann, Role::Owner, as_ann, now()).await;
    assert!(matches!(refused, Err(DirectoryError::NotAllowed)));
    assert!(matches!(
        directory.set_tier(bob, Some("gold"), as_ann, now()).await,
        Err(DirectoryError::NotAllowed)
    ));
    assert!(matches!(directory.block(bob, as_ann, now()).await, Err(DirectoryError::NotAllowed)));

    directory.set_role(ann, Role::Owner, Actor::Operator, now()).await.unwrap();
    directory.set_tier(bob, Some("gold"), as_ann, now()).await.unwrap();
    assert!(directory.block(bob, as_ann, now()).await.unwrap());
    let person = directory.person(bob).await.unwrap().unwrap();
    assert_eq!((person.tier.as_deref(), person.role), (Some("gold"), Role::Member));
    directory.set_tier(bob, None, as_ann, now()).await.unwrap();
    assert_eq!(directory.person(bob).await.unwrap().unwrap().tier, None);
    let nobody = ZakiUserId::from_parts(now(), 1);
    let unknown = directory.block(nobody, Actor::Operator, now()).await;
    assert!(matches!(unknown, Err(DirectoryError::UnknownPerson(_))));
    assert_eq!(town.acts().await[2..], ["role_set", "tier_set", "blocked", "tier_set"]);
}

pub(super) async fn when_somebody_wrote_is_kept_to_the_hour(town: Town) {
    let ann = direct(Telegram, &sender("ann"));
    let minutes = |n: i64| now().plus_ms(n * 60_000);
    let user = town.user(Telegram, &sender("ann")).await;
    let seen = async || {
        town.directory.flush().await.unwrap();
        let person = town.directory.person(user).await.unwrap().unwrap();
        person.bindings[0].last_seen_at
    };
    assert_eq!(seen().await, Some(now()));
    let write = async |minute| town.directory.resolve(&ann, minutes(minute)).await.unwrap();
    write(59).await;
    assert_eq!(seen().await, Some(now()));
    write(60).await;
    assert_eq!(seen().await, Some(minutes(60)));

    // By another one, which has read it from the store; late news does not undo the newer.
    let other = town.open(SignUp::Open).await;
    let known = other.resolve(&ann, minutes(61)).await.unwrap();
    assert!(matches!(known, Resolution::Known { .. }));
    other.flush().await.unwrap();
    assert_eq!(seen().await, Some(minutes(60)));
    other.resolve(&ann, minutes(130)).await.unwrap();
    write(125).await;
    other.flush().await.unwrap();
    assert_eq!(seen().await, Some(minutes(130)));
}
