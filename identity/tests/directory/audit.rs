//! The record: one chain, in which whatever is done to it shows.

use serde_json::json;
use zaki_envelope::ChannelKind::{Telegram, WhatsApp};
use zaki_identity::{Actor, SignUp};

use super::town::{Town, also, direct, now, sender};

pub(super) async fn there_is_one_chain_however_many_write(town: Town) {
    let other = town.open(SignUp::Open).await;
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let directory = if n % 2 == 0 { &town.directory } else { &other }.clone();
            tokio::spawn(async move {
                if n % 4 < 2 {
                    let inbound = direct(Telegram, &sender(&n.to_string()));
                    directory.resolve(&inbound, now()).await.unwrap();
                } else {
                    let detail = json!({ "n": n });
                    directory.record("tried", Actor::System, None, detail, now()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let audited = town.directory.verify_audit().await.unwrap();
    assert_eq!((audited.entries, audited.broken_at), (40, None));
    let entries = town.entries().await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert_eq!(entries.last().unwrap().hash, audited.head);
}

/// Each change by whoever holds the database, and where the record breaks.
pub(super) async fn whatever_is_done_to_the_record_shows(town: Town) {
    for n in 0..6 {
        let detail = json!({ "n": n });
        town.directory.record("tried", Actor::System, None, detail, now()).await.unwrap();
    }
    let broken = async || town.directory.verify_audit().await.unwrap().broken_at;
    assert_eq!(broken().await, None);
    let keep = "CREATE TABLE kept AS SELECT * FROM audit_entry;
        CREATE TABLE kept_head AS SELECT * FROM audit_head;";
    town.run(keep).await;
    let restore = "DELETE FROM audit_entry; INSERT INTO audit_entry SELECT * FROM kept;
        DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM kept_head;";
    for (done, at) in [
        ("UPDATE audit_entry SET at = at + 1 WHERE seq = 3", 3),
        ("UPDATE audit_entry SET act = 'x' WHERE seq = 3", 3),
        ("UPDATE audit_entry SET by_whom = 'operator' WHERE seq = 3", 3),
        ("UPDATE audit_entry SET by_whom = 'nonsense' WHERE seq = 3", 3),
        ("UPDATE audit_entry SET about = '00000000010000000000000000' WHERE seq = 3", 3),
        ("UPDATE audit_entry SET detail = '{}' WHERE seq = 3", 3),
        ("DELETE FROM audit_entry WHERE seq = 1", 1),
        ("DELETE FROM audit_entry WHERE seq = 3", 3),
        ("DELETE FROM audit_entry WHERE seq = 6", 6),
        ("DELETE FROM audit_entry", 1),
        ("DELETE FROM audit_head", 7),
        (
            "DELETE FROM audit_entry WHERE seq = 6;
            UPDATE audit_head SET seq = 5",
            6,
        ),
        (
            "UPDATE audit_entry SET seq = 9 WHERE seq = 3;
            UPDATE audit_entry SET seq = 3 WHERE seq = 4;
            UPDATE audit_entry SET seq = 4 WHERE seq = 9",
            3,
        ),
        (
            "INSERT INTO audit_entry SELECT 7, at, act, by_whom, about, detail, hash FROM kept
            WHERE seq = 6",
            7,
        ),
    ] {
        town.run(done).await;
        assert_eq!(broken().await, Some(at), "{done}");
        town.run(restore).await;
        assert_eq!(broken().await, None, "{done}");
    }
    town.directory.record("tried", Actor::System, None, json!({}), now()).await.unwrap();
    assert_eq!(town.directory.verify_audit().await.unwrap().entries, 7, "and it goes on");
}

pub(super) async fn no_platform_id_is_in_it(town: Town) {
    let user = town.user(WhatsApp, &sender("4917700000001")).await;
    town.user(WhatsApp, &also("CC.777", &["4917700000001"])).await;
    let other = town.user(Telegram, &sender("99887766")).await;
    town.link(user, Telegram, &sender("99887766")).await;
    let entries = town.entries().await;
    let text = serde_json::to_string(&entries).unwrap();
    for id in ["4917700000001", "CC.777", "99887766"] {
        assert!(!text.contains(id), "{id} in {text}");
    }
    let (signed_up, moved) = (&entries[0], entries.last().unwrap());
    assert_eq!((signed_up.act.as_str(), signed_up.about), ("signed_up", Some(user)));
    assert_eq!((moved.act.as_str(), moved.about), ("moved", Some(user)));
    assert!(moved.detail.contains(&other.to_string()), "whose it was: {}", moved.detail);
}

pub(super) async fn it_is_read_in_pages(town: Town) {
    for n in 0..5 {
        town.directory.record("tried", Actor::System, None, json!(n), now()).await.unwrap();
    }
    let page = async |after, limit| {
        let entries = town.directory.audit(after, limit).await.unwrap();
        entries.into_iter().map(|entry| entry.detail).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, ["0", "1"]);
    assert_eq!(page(2, 10).await, ["2", "3", "4"]);
    assert!(page(5, 10).await.is_empty());
}
