//! What is left of a sender that is nobody's any more: its block, by whichever of its ids it is named.

use zaki_envelope::ChannelKind::{Telegram, WhatsApp};
use zaki_envelope::{Inbound, SenderId};
use zaki_identity::{Actor, Refusal, Resolution};

use super::town::{Town, from, key, later, now};

const OPERATOR: Actor = Actor::Operator;

fn with_number(id: &str, number: &str) -> Inbound {
    let mut inbound = from(WhatsApp, id);
    inbound.sender.aliases = vec![SenderId::new(number)];
    inbound
}

/// However it came to be nobody's, and by whichever id it is named.
pub(super) async fn a_block_is_lifted_of_all_of_an_account(town: Town) {
    let directory = &town.directory;
    for (n, named) in (0_i64..).zip(["CC.1", "49123", "CC.1", "49123"]) {
        let (at, whole) = (later(n), with_number("CC.1", "49123"));
        let eve = directory.resolve(&whole, at).await.unwrap().user().unwrap();
        let other = directory.resolve(&from(WhatsApp, "CC.9"), at).await.unwrap().user().unwrap();
        for user in [eve, other] {
            directory.block(user, OPERATOR, at).await.unwrap();
        }
        directory.erase(other, OPERATOR, at).await.unwrap();
        if n < 2 {
            directory.unlink(eve, key(WhatsApp, "49123"), OPERATOR, at).await.unwrap();
        } else {
            directory.erase(eve, OPERATOR, at).await.unwrap();
        }
        let blocked = Resolution::Refused { reason: Refusal::Blocked, tell: false };
        assert_eq!(directory.resolve(&whole, at).await.unwrap(), blocked);
        assert!(directory.unbar(&key(WhatsApp, named), OPERATOR, at).await.unwrap());
        let left = town.rows().await.iter().filter(|(table, _)| table == "barred").count();
        assert_eq!(left, 1, "by {named}: of the account all, of the other nothing");
        let again = directory.resolve(&whole, at).await.unwrap().user();
        assert!(again.is_some_and(|user| user != eve), "by {named}: she may come again");
        for sender in ["CC.1", "49123", "CC.9"] {
            directory.unbar(&key(WhatsApp, sender), OPERATOR, at).await.unwrap();
        }
        directory.erase(again.unwrap(), OPERATOR, at).await.unwrap();
    }
}

pub(super) async fn who_is_nobody_any_more_waits_nowhere(town: Town) {
    let door = town.pairing().await;
    let elsewhere = |sender: &str| {
        let account = "other".parse().unwrap();
        Inbound { account, ..from(Telegram, sender) }
    };
    let (ann, now) = (town.user(Telegram, "ann").await, now());
    town.user(Telegram, "dan").await;
    for sender in ["ann", "dan"] {
        door.resolve(&elsewhere(sender), now).await.unwrap();
    }
    assert_eq!(door.pairings(now).await.unwrap().len(), 2);
    door.unlink(ann, key(Telegram, "ann"), OPERATOR, now).await.unwrap();
    let waiting = door.pairings(now).await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|request| request.sender.as_str()).collect();
    assert_eq!(waiting, ["dan"]);
}
