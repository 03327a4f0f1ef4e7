//! Prints what a ledger on this disk costs: `cargo run --release -p zaki-ledger --example accept`.
//!
//! One writer alone (accept; then the whole road of one message), then many at once, where the
//! figure to look at is commits per accept.

#![allow(clippy::unwrap_used, reason = "an example speaks by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use zaki_ledger::testkit::{at, batch, delivery, delivery_id, said, turn, turn_id};
use zaki_ledger::{DeliveryEnd, Fence, Ledger, SqliteLedger, TurnEnd};

const ALONE: u32 = 2_000;
const TOGETHER: u32 = 10_000;

async fn accept(ledger: &SqliteLedger, n: u32) {
    let accepted = ledger.accept(Fence::SINGLE, batch(vec![said(n)])).await.unwrap();
    assert_eq!(accepted.fresh.len(), 1);
}

/// Webhook in to reply out, as far as the ledger is concerned.
async fn to_reply(ledger: &SqliteLedger, n: u32) {
    accept(ledger, n).await;
    ledger.begin_turn(Fence::SINGLE, turn(n, &[n])).await.unwrap();
    let answer = vec![delivery(n, Some(n), 0)];
    let end = TurnEnd::Finished;
    let finish = ledger.finish_turn(Fence::SINGLE, turn_id(n), end, answer, at(1), true);
    finish.await.unwrap();
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    work.await;
    begun.elapsed()
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("{what:<42} median {:>9.1?}   p99 {:>9.1?}", at(50), at(99));
}

async fn alone(ledger: &SqliteLedger) {
    let (mut accepts, mut roads) = (Vec::new(), Vec::new());
    for n in 0..ALONE {
        accepts.push(timed(accept(ledger, n)).await);
    }
    for n in ALONE..2 * ALONE {
        roads.push(timed(to_reply(ledger, n)).await);
        let sent = DeliveryEnd::Sent { receipt: vec![] };
        ledger.settle_delivery(Fence::SINGLE, delivery_id(n), sent, at(2)).await.unwrap();
    }
    print("accept, one at a time", accepts);
    print("accept + begin + finish with first claim", roads);
}

async fn together(ledger: &Arc<SqliteLedger>, lanes: u32) {
    let first = 1_000_000 * lanes;
    let before = ledger.stats();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..lanes)
        .map(|lane| {
            let ledger = Arc::clone(ledger);
            tokio::spawn(async move {
                let mut times = Vec::new();
                for n in (first..first + TOGETHER).skip(lane as usize).step_by(lanes as usize) {
                    times.push(timed(accept(&ledger, n)).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = f64::from(TOGETHER) / begun.elapsed().as_secs_f64();
    let after = ledger.stats();
    let commits = u32::try_from(after.commits - before.commits).unwrap();
    print(&format!("accept, {lanes} at a time"), times);
    let share = f64::from(commits) / f64::from(TOGETHER);
    println!("{:<42} {share:.3} commits per accept, {rate:.0} accepts per second", "");
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Arc::new(SqliteLedger::open(path).await.unwrap());
    alone(&ledger).await;
    for lanes in [8, 64, 256] {
        together(&ledger, lanes).await;
    }
    ledger.close().await;
}
