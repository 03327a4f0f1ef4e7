//! Prints what encryption costs a ledger on this disk:
//! `cargo run --release -p zaki-ledger --features testkit --example sealed`.
//!
//! First the values alone, then the road of a message with keys and without, by turns.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an example speaks by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use zaki_envelope::{ConversationId, Part};
use zaki_ledger::testkit::{at, batch, delivery, delivery_id, in_lane, said, turn, turn_id};
use zaki_ledger::{DeliveryEnd, Fence, Ledger, SqliteLedger, TurnEnd};
use zaki_store::{Cell, Keys};

const VALUES: u32 = 20_000;
const ALONE: u32 = 1_000;
const TOGETHER: u32 = 20_000;
const LANES: u32 = 64;

fn keys() -> Keys {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
    Keys::new([("k1", &key)]).unwrap()
}

fn each(times: u32, mut work: impl FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..times {
        work();
    }
    begun.elapsed() / times
}

fn values() {
    let keys = keys();
    let cell = Cell { column: "ledger.inbound.envelope", row: &"01K5M4VQZ8XJ3F2N7R9T6W1YBC" };
    for size in [200, 1_000, 10_000, 100_000] {
        let text = "x".repeat(size);
        let sealed = keys.seal_text(cell, text.clone()).unwrap();
        let seal = each(VALUES, || drop(black_box(keys.seal_text(cell, text.clone()))));
        let open = each(VALUES, || drop(black_box(keys.open_text(cell, sealed.clone()))));
        let bytes = sealed.len();
        println!("{size:>7} bytes   seal {seal:>9.2?}   open {open:>9.2?}   stored as {bytes}");
    }
}

#[derive(Clone)]
struct Subject {
    ledger: SqliteLedger,
    fence: Fence,
}

impl Subject {
    async fn accept(&self, n: u32) {
        let mut item = said(n);
        item.inbound.parts = vec![Part::text("what somebody wants to know ".repeat(8))];
        let mut request = batch(vec![item]);
        request.raw = vec![b'x'; 1_200];
        self.ledger.accept(self.fence, request).await.unwrap();
    }

    /// Webhook in to receipt, as far as the ledger is concerned.
    async fn whole(&self, n: u32) {
        self.accept(n).await;
        self.ledger.begin_turn(self.fence, in_lane(n, turn(n, &[n]))).await.unwrap();
        let mut answer = delivery(n, Some(n), 0);
        answer.address.conversation.id = ConversationId::new(n.to_string());
        let end = TurnEnd::Finished;
        let finish = self.ledger.finish_turn(self.fence, turn_id(n), end, &[], vec![answer], at(1));
        finish.await.unwrap();
        let sent = DeliveryEnd::Sent { receipt: vec![] };
        self.ledger.settle_delivery(self.fence, delivery_id(n), sent, at(2)).await.unwrap();
    }

    async fn round(&self, what: &str, from: u32) {
        let mut times = Vec::new();
        for n in from..from + ALONE {
            let begun = Instant::now();
            self.accept(n).await;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let median = times[times.len() / 2];
        let begun = Instant::now();
        let first = from + 1_000_000;
        let tasks: Vec<_> = (0..LANES)
            .map(|lane| {
                let subject = self.clone();
                tokio::spawn(async move {
                    let numbers = (first..first + TOGETHER).skip(lane as usize);
                    for n in numbers.step_by(LANES as usize) {
                        subject.whole(n).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let rate = f64::from(TOGETHER) / begun.elapsed().as_secs_f64();
        println!(
            "{what:<14} accept alone {median:>9.1?}   whole roads, {LANES} at a time: {rate:.0}/s"
        );
    }
}

#[tokio::main]
async fn main() {
    values();
    let folder = tempfile::tempdir_in(".").unwrap();
    let mut subjects = Vec::new();
    for (what, keys) in [("without keys", Keys::default()), ("with keys", keys())] {
        let path = folder.path().join(format!("{what}.db"));
        let ledger = SqliteLedger::open_sealed(path, keys).await.unwrap();
        let fence = ledger.enroll("example").await.unwrap();
        subjects.push((what, Subject { ledger, fence }));
    }
    for round in 0..3 {
        for (what, subject) in &subjects {
            subject.round(what, 1 + round * 10_000_000).await;
        }
    }
}
