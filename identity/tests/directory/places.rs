//! Where people are written to by their agents.

use std::sync::Arc;

use zaki_envelope::ChannelKind::{Slack, Telegram};
use zaki_envelope::{Address, ChannelKind, Inbound, PlaceId, Timestamp, ZakiUserId};
use zaki_identity::{Actor, BindingKey, Visit};

use super::town::{Town, direct, in_group, now, sender};

fn visit(user: ZakiUserId, inbound: &Inbound, at: i64) -> Visit {
    let id = PlaceId::derive(user, &Address::of(inbound));
    Visit { at: now().plus_ms(at), ..Visit::of(user, id, inbound) }
}

/// Channels of the places of `user`, the last one first.
async fn places(town: &Town, user: ZakiUserId) -> Vec<(ChannelKind, bool)> {
    let places = town.directory.places(user).await.unwrap();
    places.iter().map(|place| (place.home.channel, place.is_private())).collect()
}

pub(super) async fn the_place_somebody_wrote_in_last_is_the_first(town: Town) {
    let ada = town.user(Telegram, &sender("ada")).await;
    town.link(ada, Slack, &sender("ada")).await;
    let (telegram, slack) = (direct(Telegram, &sender("ada")), direct(Slack, &sender("ada")));
    let group = in_group(Slack, &sender("ada"), "g");
    let nobody = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
    let visits = [
        visit(ada, &telegram, 0),
        visit(ada, &slack, 1),
        visit(ada, &group, 2),
        visit(nobody, &telegram, 2),
    ];
    town.directory.visited(Arc::new(visits.clone())).await.unwrap();
    assert_eq!(places(&town, ada).await, [(Slack, false), (Slack, true), (Telegram, true)]);
    town.directory.visited(Arc::new([visit(ada, &telegram, 3)])).await.unwrap();
    assert_eq!(places(&town, ada).await, [(Telegram, true), (Slack, false), (Slack, true)]);
    assert_eq!(places(&town, nobody).await, []);
    let dossier = town.directory.dossier(ada).await.unwrap();
    assert_eq!(dossier["places"].as_array().map(Vec::len), Some(3));
}

pub(super) async fn a_place_goes_with_its_sender_and_with_its_person(town: Town) {
    let ada = town.user(Telegram, &sender("ada")).await;
    town.link(ada, Slack, &sender("ada")).await;
    let (telegram, slack) = (direct(Telegram, &sender("ada")), direct(Slack, &sender("ada")));
    let visits = [visit(ada, &telegram, 0), visit(ada, &slack, 1)];
    town.directory.visited(Arc::new(visits.clone())).await.unwrap();
    let traces = town.directory.traces(ada).await.unwrap();
    assert_eq!(traces.homes.len(), 2, "what was said there is found when they are erased");
    let key = BindingKey::of(Slack, &slack.sender);
    town.directory.unlink(ada, key, Actor::Operator, now()).await.unwrap();
    assert_eq!(places(&town, ada).await, [(Telegram, true)]);
    // What another replica had noted a moment before.
    town.directory.visited(Arc::new(visits.clone())).await.unwrap();
    assert_eq!(places(&town, ada).await, [(Telegram, true)], "it is not theirs");
    town.directory.erase(ada, Actor::Operator, now()).await.unwrap();
    town.directory.visited(Arc::new(visits.clone())).await.unwrap();
    assert_eq!(places(&town, ada).await, []);
}
