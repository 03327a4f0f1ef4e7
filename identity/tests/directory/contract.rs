//! What every directory must do, as the hub meets it.

use std::collections::HashSet;

use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{BindingKind, DirectoryError, Linked, Policy, Refusal, Resolution};

use ChannelKind::{Slack, Telegram, WhatsApp};

use super::town::{Town, now};

fn sender(id: &str) -> Sender {
    Sender::new(SenderScope::new(""), SenderId::new(id))
}

fn also(id: &str, aliases: &[&str]) -> Sender {
    Sender { aliases: aliases.iter().map(|id| SenderId::new(*id)).collect(), ..sender(id) }
}

pub(super) async fn a_sender_is_one_person_for_good(town: Town) {
    let Resolution::Created { user } = town.resolve(Telegram, &sender("1")).await else {
        panic!("a stranger signs up")
    };
    assert_eq!(town.resolve(Telegram, &sender("1")).await, Resolution::Known { user });
    let renamed = Sender {
        display_name: Some("Somebody Else".into()),
        handle: Some("else".into()),
        ..sender("1")
    };
    assert_eq!(town.user(Telegram, &renamed).await, user, "names are not identity");

    let reopened = town.open(Policy::Open).await;
    let known = reopened.resolve(Telegram, &sender("1"), now()).await.unwrap();
    assert_eq!(known, Resolution::Known { user });

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
            tokio::spawn(
                async move { directory.resolve(Telegram, &sender("1"), now()).await.unwrap() },
            )
        })
        .collect();
    let (mut users, mut created) = (HashSet::new(), 0);
    for task in tasks {
        let resolution = task.await.unwrap();
        users.insert(resolution.user().unwrap());
        created += u32::from(matches!(resolution, Resolution::Created { .. }));
    }
    assert_eq!((users.len(), created), (1, 1));
    assert_eq!(town.directory.list().await.unwrap().len(), 1);
}

pub(super) async fn a_closed_house_lets_in_whom_it_knows(town: Town) {
    let refused = Resolution::Refused { reason: Refusal::Closed };
    assert_eq!(town.resolve(WhatsApp, &also("CC.1", &["49123"])).await, refused);
    assert!(town.directory.list().await.unwrap().is_empty(), "nothing is kept of a stranger");

    let user = {
        let open_door = town.open(Policy::Open).await;
        let resolved = open_door.resolve(WhatsApp, &sender("49123"), now()).await.unwrap();
        resolved.user().unwrap()
    };
    let known = Resolution::Known { user };
    assert_eq!(town.resolve(WhatsApp, &also("CC.1", &["49123"])).await, known);
    assert_eq!(town.resolve(WhatsApp, &sender("CC.2")).await, refused);
    town.link(user, WhatsApp, &sender("CC.2")).await;
    assert_eq!(town.resolve(WhatsApp, &sender("CC.2")).await, known);
}

pub(super) async fn a_phone_number_gives_way_to_the_better_id(town: Town) {
    let user = town.user(WhatsApp, &sender("49123")).await;
    assert_eq!(town.user(WhatsApp, &also("CC.1", &["49123"])).await, user);
    assert_eq!(town.user(WhatsApp, &sender("CC.1")).await, user);
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, user, "a late, old payload");
    assert_eq!(town.audit().await, ["bound 49123", "upgraded CC.1"]);
    let bindings = town.directory.bindings(user).await.unwrap();
    let kinds: Vec<_> = bindings.iter().map(|b| (b.sender.as_str(), b.kind)).collect();
    assert_eq!(kinds, [("49123", BindingKind::Alias), ("CC.1", BindingKind::Primary)]);

    // The number has a new owner: they must not get the old one's sandbox, now or later.
    let Resolution::Created { user: stranger } =
        town.resolve(WhatsApp, &also("CC.2", &["49123"])).await
    else {
        panic!("somebody else")
    };
    assert_ne!(stranger, user);
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, stranger);
    assert_eq!(town.user(WhatsApp, &sender("CC.1")).await, user);
    assert_eq!(town.audit().await[2..], ["bound CC.2", "moved 49123"]);
}

pub(super) async fn ids_shown_together_stay_together(town: Town) {
    let user = town.user(WhatsApp, &also("CC.1", &["CC.1", "49123"])).await;
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, user);

    // Met apart, shown together later: the better id decides, though it is in the cache.
    let (better, older) =
        (town.user(WhatsApp, &sender("CC.3")).await, town.user(WhatsApp, &sender("49333")).await);
    assert_ne!(better, older);
    assert_eq!(town.user(WhatsApp, &also("CC.3", &["49333"])).await, better);
    assert_eq!(town.user(WhatsApp, &sender("49333")).await, better);
    assert_eq!(town.directory.bindings(older).await.unwrap(), []);
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
    assert_eq!(town.audit().await[2..], ["bound bob", "moved bob", "moved bob"]);

    let nobody = ZakiUserId::from_parts(now(), 1);
    let error = town.directory.link(nobody, Slack, &sender("new"), now()).await.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownPerson(id) if id == nobody), "{error}");
    assert!(matches!(town.resolve(Slack, &sender("new")).await, Resolution::Created { .. }));
}

pub(super) async fn people_are_joined_whole(town: Town) {
    let ann = town.user(Telegram, &sender("1")).await;
    let bob = town.user(WhatsApp, &also("CC.1", &["49123"])).await;
    let join = async |into, from| town.directory.link_people(into, from, now()).await;
    assert!(matches!(join(ann, ann).await, Err(DirectoryError::SamePerson(_))));
    let nobody = ZakiUserId::from_parts(now(), 1);
    assert!(matches!(join(ann, nobody).await, Err(DirectoryError::UnknownPerson(_))));
    assert!(matches!(join(nobody, ann).await, Err(DirectoryError::UnknownPerson(_))));
    assert_eq!(join(ann, bob).await.unwrap(), 2);
    assert_eq!(town.user(WhatsApp, &sender("CC.1")).await, ann);
    assert_eq!(town.user(WhatsApp, &sender("49123")).await, ann);
    let people = town.directory.list().await.unwrap();
    let shape: HashSet<_> = people.iter().map(|p| (p.user, p.bindings.len())).collect();
    assert_eq!(shape, HashSet::from([(ann, 3), (bob, 0)]));
    assert_eq!(town.audit().await.iter().filter(|entry| entry.starts_with("moved")).count(), 2);
}

pub(super) async fn a_link_made_by_another_process_holds_at_the_next_claim(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    let verify = async |user| town.directory.verify(user, Telegram, &sender("bob")).await.unwrap();
    assert!(verify(bob).await);
    assert!(!verify(ann).await);
    assert_eq!(town.user(Telegram, &sender("bob")).await, bob);

    let command_line = town.open(Policy::Open).await;
    command_line.link(ann, Telegram, &sender("bob"), now()).await.unwrap();
    assert_eq!(town.user(Telegram, &sender("bob")).await, bob, "from the cache");
    assert!(!verify(bob).await, "from the store");
    assert_eq!(town.user(Telegram, &sender("bob")).await, ann, "and the cache has learnt");
    assert!(verify(ann).await);
}

pub(super) async fn a_person_chooses_how_they_are_listened_to(town: Town) {
    let ann = town.user(Telegram, &sender("ann")).await;
    let bob = town.user(Telegram, &sender("bob")).await;
    let mode = async |user| town.directory.mode(user).await.unwrap();
    assert_eq!(mode(ann).await, None);
    town.directory.set_mode(ann, Some("steer")).await.unwrap();
    assert_eq!((mode(ann).await.as_deref(), mode(bob).await), (Some("steer"), None));
    town.directory.set_mode(ann, None).await.unwrap();
    assert_eq!(mode(ann).await, None);

    let nobody = ZakiUserId::from_parts(now(), 1);
    assert_eq!(mode(nobody).await, None);
    let error = town.directory.set_mode(nobody, Some("steer")).await.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownPerson(id) if id == nobody), "{error}");
}
