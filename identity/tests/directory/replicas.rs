//! Several replicas, one directory.

use std::collections::HashSet;

use zaki_envelope::ChannelKind::WhatsApp;
use zaki_identity::{
    Actor, BindingKey, Offered, Options, PeopleFilter, Redeemed, Resolution, SignUp,
};

use super::town::{Town, also, direct, now, options};

/// Three replicas meet the same strangers at the same moment, each stranger under two ids in
/// either order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_met_at_once_are_one_person_each() {
    let Some(town) = Town::postgres(SignUp::Open).await else { return };
    let mut tasks = Vec::new();
    let replicas = [
        town.open(SignUp::Open).await,
        town.open(SignUp::Open).await,
        town.open(SignUp::Open).await,
    ];
    for stranger in 0..8 {
        let (number, better) = (format!("49{stranger}"), format!("CC.{stranger}"));
        for replica in &replicas {
            for ids in [[&*number, &*better], [&*better, &*number]] {
                let (replica, inbound) =
                    (replica.clone(), direct(WhatsApp, &also(ids[0], &ids[1..])));
                tasks.push(tokio::spawn(async move {
                    (stranger, replica.resolve(&inbound, now()).await.unwrap())
                }));
            }
        }
    }
    let (mut people, mut created) = (HashSet::new(), 0);
    for task in tasks {
        let (stranger, resolution) = task.await.unwrap();
        created += usize::from(matches!(resolution, Resolution::Known { created: true, .. }));
        people.insert((stranger, resolution.user().unwrap()));
    }
    assert_eq!((people.len(), created), (8, 8));
    let everybody = town.directory.people(PeopleFilter::default()).await.unwrap();
    assert_eq!(everybody.len(), 8);
    let audited = town.directory.verify_audit().await.unwrap();
    assert_eq!((audited.entries, audited.broken_at), (16, None), "one chain");
}

/// While two people become one, nobody signs an id up for the one who is leaving.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_leaves_nothing_behind() {
    let Some(town) = Town::postgres(SignUp::Open).await else { return };
    let other = town.open(SignUp::Open).await;
    for round in 0..10 {
        let (number, into) = (format!("49{round}"), format!("into.{round}"));
        let from = town.user(WhatsApp, &also(&number, &[])).await;
        let into = town.user(WhatsApp, &also(&into, &[])).await;
        let better = format!("CC.{round}");
        let upgrade = direct(WhatsApp, &also(&better, &[&number]));
        let (merged, _) = tokio::join!(
            town.directory.merge(into, from, Actor::Operator, now()),
            other.resolve(&upgrade, now())
        );
        assert!(merged.unwrap().moved >= 1);
        let left = town.directory.person(from).await.unwrap().unwrap();
        assert_eq!(left.bindings, [], "round {round}");
    }
}

/// What is unlinked on one replica is seen by the other when it claims a lane, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlink_holds_on_the_other_replica_at_once() {
    let Some(town) = Town::postgres(SignUp::Open).await else { return };
    let other = town.open(SignUp::Open).await;
    let user = town.user(WhatsApp, &also("1", &[])).await;
    for round in 0..10 {
        let extra = also(&format!("extra.{round}"), &[]);
        town.link(user, WhatsApp, &extra).await;
        let inbound = direct(WhatsApp, &extra);
        let served = other.resolve(&inbound, now()).await.unwrap().user();
        assert_eq!(served, Some(user));
        assert!(other.verify(user, &inbound).await.unwrap());

        let key = BindingKey::of(WhatsApp, &extra);
        town.directory.unlink(user, key, Actor::Person(user), now()).await.unwrap();
        assert!(!other.verify(user, &inbound).await.unwrap(), "round {round}");
        let stranger = other.resolve(&inbound, now()).await.unwrap().user();
        assert_ne!(stranger, Some(user), "round {round}");
    }
}

/// Without a key of their own, all replicas take the one that the first has made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_one_replica_is_good_on_the_other() {
    let Some(town) = Town::postgres(SignUp::Open).await else { return };
    let keyless = async || town.open_as(Options { code_key: None, ..options(SignUp::Open) }).await;
    let (one, two) = tokio::join!(keyless(), keyless());
    let user = town.user(WhatsApp, &also("1", &[])).await;
    let Offered::Code { code, .. } = one.offer(user, now()).await.unwrap() else { panic!() };
    let inbound = direct(WhatsApp, &also("2", &[]));
    let redeemed = two.redeem(&inbound, &code, now()).await.unwrap();
    assert_eq!(redeemed, Redeemed::Asked { user });
    two.accept(&inbound, None, now()).await.unwrap();
    assert_eq!(keyless().await.resolve(&inbound, now()).await.unwrap().user(), Some(user));
}
