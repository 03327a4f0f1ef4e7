//! Several replicas, one directory.

use std::collections::HashSet;

use zaki_envelope::ChannelKind::WhatsApp;
use zaki_envelope::{Sender, SenderId, SenderScope};
use zaki_identity::Policy;
use zaki_identity::Resolution::Created;

use super::town::{Town, now};

fn sender(ids: [&str; 2]) -> Sender {
    let aliases = vec![SenderId::new(ids[1])];
    Sender { aliases, ..Sender::new(SenderScope::new(""), SenderId::new(ids[0])) }
}

/// Three replicas meet the same strangers at the same moment, each stranger under two ids in
/// either order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_met_at_once_are_one_person_each() {
    let Some(town) = Town::postgres(Policy::Open).await else { return };
    let mut tasks = Vec::new();
    let replicas = [
        town.open(Policy::Open).await,
        town.open(Policy::Open).await,
        town.open(Policy::Open).await,
    ];
    for stranger in 0..8 {
        let (number, better) = (format!("49{stranger}"), format!("CC.{stranger}"));
        for replica in &replicas {
            for ids in [[&*number, &*better], [&*better, &*number]] {
                let (replica, sender) = (replica.clone(), sender(ids));
                tasks.push(tokio::spawn(async move {
                    (stranger, replica.resolve(WhatsApp, &sender, now()).await.unwrap())
                }));
            }
        }
    }
    let (mut people, mut created) = (HashSet::new(), 0);
    for task in tasks {
        let (stranger, resolution) = task.await.unwrap();
        created += usize::from(matches!(resolution, Created { .. }));
        people.insert((stranger, resolution.user().unwrap()));
    }
    assert_eq!((people.len(), created), (8, 8));
    assert_eq!(town.directory.list().await.unwrap().len(), 8);
}

/// While whole people are linked, nobody signs an id up for the one who is leaving.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linking_people_leaves_nothing_behind() {
    let Some(town) = Town::postgres(Policy::Open).await else { return };
    let other = town.open(Policy::Open).await;
    for round in 0..10 {
        let (number, into) = (format!("49{round}"), format!("into.{round}"));
        let from = town.user(WhatsApp, &sender([&number, &number])).await;
        let into = town.user(WhatsApp, &sender([&into, &into])).await;
        let better = format!("CC.{round}");
        let upgrade = sender([&better, &number]);
        let (linked, _) = tokio::join!(
            town.directory.link_people(into, from, now()),
            other.resolve(WhatsApp, &upgrade, now())
        );
        assert!(linked.unwrap() >= 1);
        assert_eq!(town.directory.bindings(from).await.unwrap(), [], "round {round}");
    }
}
