//! A file of release 0.1.0, where nothing had a holder, opened by this one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use zaki_envelope::DeliveryId;
use zaki_ledger::testkit::{at, delivery, delivery_id, elsewhere, in_lane, message, turn, turn_id};
use zaki_ledger::{
    Begin, Claimed, DeliveryEnd, DeliveryState, Finish, Ledger, NewDelivery, Next, SqliteLedger,
    TurnEnd,
};

/// What the first release made of an empty file.
const STORE: &str = "CREATE TABLE store_info (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    name       TEXT    NOT NULL,
    min_reader INTEGER NOT NULL,
    release    TEXT    NOT NULL
) STRICT;
INSERT INTO store_info VALUES (1, 'ledger', 1, '0.1.0');
PRAGMA user_version = 1;";
const STEP: &str = include_str!("../src/sqlite/step1.sql");

use DeliveryState::{Dead, Sending, Sent, Unknown};

struct Old(rusqlite::Connection);

impl Old {
    fn message(&self, n: u32, state: &str, turn: Option<u32>) {
        let envelope = json(&message(n));
        let sql = "INSERT INTO inbound (id, request, envelope, state, turn, place)
            VALUES (?1, NULL, ?2, ?3, ?4, iif(?4 IS NULL, NULL, 0))";
        let turn = turn.map(|n| turn_id(n).to_string());
        self.0.execute(sql, (message(n).id.to_string(), envelope, state, turn)).unwrap();
    }

    fn turn(&self, n: u32, lane: u32) {
        let new = in_lane(lane, turn(n, &[]));
        let sql =
            "INSERT INTO turn (id, user, session, sandbox, address, reply_to, state, started_at)
            VALUES (?1, ?2, ?3, ?4, ?5, '1', 'running', ?6)";
        let row = (
            new.id.to_string(),
            new.user.to_string(),
            json(&new.session),
            json(&new.sandbox),
            json(&new.reply.address),
            new.at.as_ms(),
        );
        self.0.execute(sql, row).unwrap();
    }

    fn delivery(&self, new: &NewDelivery, reply: DeliveryId, state: &str) {
        let sql =
            "INSERT INTO delivery (id, turn, reply, part, address, outbound, state, not_before,
            changed_at) VALUES (?1, NULL, ?2, ?3, ?4, ?5, ?6, 0, 0)";
        let (address, outbound) = (json(&new.address), json(&new.outbound));
        let row = (new.id.to_string(), reply.to_string(), new.part, address, outbound, state);
        self.0.execute(sql, row).unwrap();
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn claimed(next: &Next) -> DeliveryId {
    let Next::Claimed(Claimed { delivery, .. }) = next else { panic!("claimed, not {next:?}") };
    delivery.id
}

#[tokio::test]
async fn a_file_of_the_first_release_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let old = Old(rusqlite::Connection::open(&path).unwrap());
    old.0.execute_batch(STORE).unwrap();
    old.0.execute_batch(STEP).unwrap();
    old.turn(1, 1);
    old.turn(2, 1); // the same lane: never seen, and not to be lost
    old.turn(3, 2);
    old.message(1, "joined", Some(1));
    old.message(2, "joined", Some(2));
    old.message(3, "joined", Some(3));
    old.message(4, "accepted", None);
    // One place: a part under way, one behind it, a part behind an unknown one, a later reply.
    old.delivery(&delivery(10, None, 0), delivery_id(10), "sending");
    old.delivery(&delivery(11, None, 1), delivery_id(10), "pending");
    old.delivery(&delivery(12, None, 0), delivery_id(12), "unknown");
    old.delivery(&delivery(13, None, 1), delivery_id(12), "pending");
    old.delivery(&delivery(14, None, 0), delivery_id(14), "pending");
    old.delivery(&elsewhere(delivery(15, None, 0)), delivery_id(15), "pending");
    old.delivery(&elsewhere(delivery(16, None, 0)), delivery_id(16), "sent");
    drop(old);

    let ledger = SqliteLedger::open(&path).await.unwrap();
    let fence = ledger.enroll("hub").await.unwrap();
    assert!(ledger.pulse(fence).await.unwrap().orphans);
    let found = ledger.recover(fence).await.unwrap();
    assert_eq!(found.accepted, [message(2), message(4)]);
    let turns: Vec<_> = found.turns.iter().map(|open| open.turn.id).collect();
    assert_eq!(turns, [turn_id(1), turn_id(3)]);
    assert_eq!(found.turns[1].inbounds, [message(3)]);
    let [Next::Later { id, .. }] = found.deliveries.as_slice() else { panic!("for later") };
    assert_eq!(*id, delivery_id(15), "what waits behind 10 waits on");
    claimed(&ledger.claim_delivery(fence, *id, at(50)).await.unwrap());
    assert_eq!(found.unknown.len(), 1);
    assert_eq!(found.unknown[0].delivery.id, delivery_id(10));

    let settle = async |n, end| {
        ledger.settle_delivery(fence, delivery_id(n), end, at(60)).await.unwrap().next
    };
    let sent = || DeliveryEnd::Sent { receipt: vec![] };
    assert_eq!(claimed(&settle(10, sent()).await), delivery_id(11));
    assert_eq!(claimed(&settle(11, sent()).await), delivery_id(14), "13 went with 12");
    assert_eq!(ledger.counts().await.unwrap().dead, 1);

    let busy = ledger.begin_turn(fence, in_lane(1, turn(5, &[2]))).await.unwrap();
    assert_eq!(busy, Begin::Busy { turn: turn_id(1) });
    let end = ledger.finish_turn(fence, turn_id(1), TurnEnd::Finished, &[], vec![], at(70)).await;
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(2)] };
    assert_eq!(end.unwrap(), ended);
    let all = zaki_ledger::DeliveryFilter { limit: 10, ..Default::default() };
    let states: Vec<_> = ledger
        .list_deliveries(all)
        .await
        .unwrap()
        .rows
        .iter()
        .map(|delivery| delivery.state)
        .collect();
    assert_eq!(states, [Sent, Sending, Sending, Dead, Unknown, Sent, Sent]);
    ledger.close().await;
}
