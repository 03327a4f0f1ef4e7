//! The outbox against a model of it in a few lines, under any order of calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use proptest::prelude::*;
use zaki_ledger::testkit::{at, delivery, delivery_id};
use zaki_ledger::{DeliveryEnd, DeliveryFilter, DeliveryState, Fence, Ledger, SqliteLedger};

use DeliveryState::{Dead, Pending, Sending, Sent, Unknown};

/// Two replies of three parts: 0 to 2 and 3 to 5.
const PARTS: u32 = 3;
const ALL: u32 = 6;

#[derive(Clone, Debug)]
enum Call {
    Claim(u32),
    Settle(u32, DeliveryEnd),
    Recover,
}

fn call() -> impl Strategy<Value = Call> {
    let reason = || "why".to_owned();
    let end = prop_oneof![
        Just(DeliveryEnd::Sent { receipt: vec![] }),
        Just(DeliveryEnd::Retry { not_before: at(1), reason: reason() }),
        Just(DeliveryEnd::Unknown { reason: reason() }),
        Just(DeliveryEnd::Dead { reason: reason() }),
    ];
    prop_oneof![
        6 => (0..ALL).prop_map(Call::Claim),
        6 => (0..ALL, end).prop_map(|(n, end)| Call::Settle(n, end)),
        1 => Just(Call::Recover),
    ]
}

/// The states, by number.
struct Model(Vec<DeliveryState>);

impl Model {
    fn claim(&mut self, n: u32) -> bool {
        let first = n - n % PARTS;
        let is_next = (first..n).all(|earlier| self.0[earlier as usize] == Sent);
        let claimed = is_next && self.0[n as usize] == Pending;
        if claimed {
            self.0[n as usize] = Sending;
        }
        claimed
    }

    fn settle(&mut self, n: u32, to: DeliveryState) -> bool {
        let changes = match self.0[n as usize] {
            Sending | Unknown => true,
            Pending => to == Dead,
            Sent | Dead => false,
        };
        if changes {
            self.0[n as usize] = to;
            let last = n - n % PARTS + PARTS;
            for later in (n + 1..last).filter(|_| to == Dead) {
                let state = &mut self.0[later as usize];
                *state = if *state == Pending { Dead } else { *state };
            }
        }
        changes
    }

    fn recover(&mut self) -> usize {
        let sending = self.0.iter_mut().filter(|state| **state == Sending);
        sending.map(|state| *state = Unknown).count()
    }
}

async fn agree(calls: Vec<Call>) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path().join("ledger.db")).await.unwrap();
    for reply in [0..PARTS, PARTS..ALL] {
        let parts = reply.map(|n| delivery(n, None, n % PARTS)).collect();
        ledger.post(Fence::SINGLE, parts, at(0)).await.unwrap();
    }
    let mut model = Model(vec![Pending; ALL as usize]);
    for (step, call) in calls.into_iter().enumerate() {
        match call.clone() {
            Call::Claim(n) => {
                let claimed = ledger.claim_delivery(Fence::SINGLE, delivery_id(n), at(1)).await;
                assert_eq!(claimed.unwrap().is_some(), model.claim(n), "{step}: {call:?}");
            }
            Call::Settle(n, end) => {
                let to = end.state();
                let changed =
                    ledger.settle_delivery(Fence::SINGLE, delivery_id(n), end, at(1)).await;
                assert_eq!(changed.unwrap(), model.settle(n, to), "{step}: {call:?}");
            }
            Call::Recover => {
                let found = ledger.recover(Fence::SINGLE, at(1)).await.unwrap();
                assert_eq!(found.unknown.len(), model.recover(), "{step}: {call:?}");
            }
        }
        let filter = DeliveryFilter { limit: ALL, ..Default::default() };
        let mut rows = ledger.list_deliveries(filter).await.unwrap();
        rows.reverse();
        let states: Vec<_> = rows.iter().map(|row| row.state).collect();
        assert_eq!(states, model.0, "{step}: {call:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_outbox_is_its_model(calls in proptest::collection::vec(call(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agree(calls));
    }
}
