//! Prints what a ledger on this disk costs: `cargo run --release -p zaki-ledger --example accept`.
//!
//! One writer alone (accept; then the whole road of one message), then many at once, where the
//! figure to look at is commits per accept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an example speaks by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use zaki_envelope::ConversationId;
use zaki_ledger::testkit::{at, batch, delivery, delivery_id, in_lane, said, turn, turn_id};
use zaki_ledger::{DeliveryEnd, Fence, Finish, Ledger, Next, SqliteLedger, TurnEnd};

const ALONE: u32 = 2_000;
const TOGETHER: u32 = 20_000;

#[derive(Clone)]
struct Subject {
    ledger: Arc<SqliteLedger>,
    fence: Fence,
}

impl Subject {
    async fn accept(&self, n: u32) {
        let accepted = self.ledger.accept(self.fence, batch(vec![said(n)])).await.unwrap();
        assert_eq!(accepted.fresh.len(), 1);
    }

    /// Webhook in to reply out, as far as the ledger is concerned.
    async fn to_reply(&self, n: u32) {
        self.accept(n).await;
        self.ledger.begin_turn(self.fence, in_lane(n, turn(n, &[n]))).await.unwrap();
        let mut answer = delivery(n, Some(n), 0);
        answer.address.conversation.id = ConversationId::new(n.to_string());
        let end = TurnEnd::Finished;
        let finish = self.ledger.finish_turn(self.fence, turn_id(n), end, &[], vec![answer], at(1));
        let Finish::Ended { first: Next::Claimed(_), .. } = finish.await.unwrap() else {
            panic!("claimed")
        };
    }

    async fn whole(&self, n: u32) {
        self.to_reply(n).await;
        let sent = DeliveryEnd::Sent { receipt: vec![] };
        self.ledger.settle_delivery(self.fence, delivery_id(n), sent, at(2)).await.unwrap();
    }
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

async fn alone(subject: &Subject) {
    let (mut accepts, mut roads) = (Vec::new(), Vec::new());
    for n in 0..ALONE {
        accepts.push(timed(subject.accept(n)).await);
    }
    for n in ALONE..2 * ALONE {
        roads.push(timed(subject.to_reply(n)).await);
    }
    print("accept, one at a time", accepts);
    print("accept + begin + finish with first claim", roads);
}

/// `work` by so many at a time.
async fn together<F>(
    subject: &Subject,
    what: &str,
    lanes: u32,
    first: u32,
    work: fn(Subject, u32) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let before = subject.ledger.stats();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..lanes)
        .map(|lane| {
            let subject = subject.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for n in (first..first + TOGETHER).skip(lane as usize).step_by(lanes as usize) {
                    times.push(timed(work(subject.clone(), n)).await);
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
    let commits = u32::try_from(subject.ledger.stats().commits - before.commits).unwrap();
    print(&format!("{what}, {lanes} at a time"), times);
    let share = f64::from(commits) / f64::from(TOGETHER);
    println!("{:<42} {share:.3} commits each, {rate:.0} per second", "");
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Arc::new(SqliteLedger::open(path).await.unwrap());
    let fence = ledger.enroll("example").await.unwrap();
    let subject = Subject { ledger, fence };
    alone(&subject).await;
    for lanes in [8, 64, 256] {
        let first = 1_000_000 * lanes;
        together(&subject, "accept", lanes, first, |s, n| async move { s.accept(n).await }).await;
        together(&subject, "turn", lanes, first + 500_000, |s, n| async move { s.whole(n).await })
            .await;
    }
    subject.ledger.close().await;
}
