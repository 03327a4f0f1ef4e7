//! Prints what a ledger on a PostgreSQL beside us does, with one and with two replicas:
//! `cargo run --release -p zaki-ledger --features testkit --example accept_postgres`.

#![allow(clippy::unwrap_used, reason = "an example speaks by panicking")]

use std::time::{Duration, Instant};

use zaki_ledger::testkit::{at, batch, delivery, delivery_id, said_by, turn, turn_id};
use zaki_ledger::{DeliveryEnd, Fence, Ledger, PgLedger, TurnEnd};
use zaki_store::PgOptions;
use zaki_store::testkit::{Cluster, Database, Durability};

const MESSAGES: u32 = 20_000;
const ROADS: u32 = 1_000;

/// One replica.
#[derive(Clone)]
struct Replica {
    ledger: PgLedger,
    fence: Fence,
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

/// Webhook in to reply out, as far as the ledger is concerned.
async fn to_reply(Replica { ledger, fence }: &Replica, n: u32) {
    ledger.accept(*fence, batch(vec![said_by(n, n)])).await.unwrap();
    ledger.begin_turn(*fence, turn(n, &[n])).await.unwrap();
    let answer = vec![delivery(n, Some(n), 0)];
    ledger.finish_turn(*fence, turn_id(n), TurnEnd::Finished, &[], answer, at(1)).await.unwrap();
}

async fn alone(replica: &Replica, known: u32) {
    let mut roads = Vec::new();
    for n in 10_000_000 + known..10_000_000 + known + ROADS {
        roads.push(timed(to_reply(replica, n)).await);
        let sent = DeliveryEnd::Sent { receipt: vec![] };
        let settled = replica.ledger.settle_delivery(replica.fence, delivery_id(n), sent, at(2));
        settled.await.unwrap();
    }
    print(&format!("accept + begin + finish, {known} known"), roads);
}

async fn together(replicas: &[Replica], lanes: u32, round: u32) {
    let first = 1_000_000 * round;
    let commits = || replicas.iter().map(|r| r.ledger.stats().commits).sum::<u64>();
    let before = commits();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..lanes)
        .map(|lane| {
            let Replica { ledger, fence } = replicas[lane as usize % replicas.len()].clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for n in (first..first + MESSAGES).skip(lane as usize).step_by(lanes as usize) {
                    let accept = async {
                        ledger.accept(fence, batch(vec![said_by(n, n)])).await.unwrap();
                    };
                    times.push(timed(accept).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = f64::from(MESSAGES) / begun.elapsed().as_secs_f64();
    let share = f64::from(u32::try_from(commits() - before).unwrap()) / f64::from(MESSAGES);
    print(&format!("accept, {lanes} at a time, {} replicas", replicas.len()), times);
    println!("{:<42} {share:.3} commits per accept, {rate:.0} accepts per second", "");
}

#[tokio::main]
async fn main() {
    let cluster = Cluster::start(Durability::Full).unwrap();
    let database = Database::on(cluster.url()).await;
    let mut replicas = Vec::new();
    for name in ["one", "two"] {
        let (url, options) = (database.url(), PgOptions::default());
        let long = Duration::from_hours(1);
        let ledger = PgLedger::connect(&url, &options, long).await.unwrap();
        let fence = ledger.enroll(name).await.unwrap();
        replicas.push(Replica { ledger, fence });
    }
    alone(&replicas[0], 0).await;
    for (round, lanes) in (1..).zip([64, 256]) {
        together(&replicas[..1], lanes, 2 * round).await;
        together(&replicas, lanes, 2 * round + 1).await;
    }
    alone(&replicas[0], 4 * MESSAGES).await;
    // What is not found by a key grows with the number of people.
    let scans = "SELECT relname || ': ' || seq_scan || ' scans of ' || seq_tup_read || ' rows'
        FROM pg_stat_user_tables WHERE seq_tup_read > 0 ORDER BY seq_tup_read DESC";
    for line in database.text(scans).await {
        println!("{line}");
    }
}
