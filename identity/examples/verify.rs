//! Prints what it costs to ask who somebody is:
//! `cargo run --release -p zaki-identity --example verify [people]`.

#![allow(clippy::unwrap_used, reason = "an example speaks by panicking")]

use std::time::{Duration, Instant};

use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, Timestamp, ZakiUserId};
use zaki_identity::{Directory, Policy, SqliteDirectory};

const ASKED: usize = 20_000;

fn sender(n: usize) -> Sender {
    Sender::new(SenderScope::new(""), SenderId::new(n.to_string()))
}

async fn sign_up(directory: &SqliteDirectory, people: usize) -> Vec<ZakiUserId> {
    let mut users = Vec::with_capacity(people);
    for first in (0..people).step_by(512) {
        let chunk = (first..people.min(first + 512)).map(async |n| {
            let now = Timestamp::from_ms(1);
            directory.resolve(ChannelKind::Telegram, &sender(n), now).await.unwrap().user().unwrap()
        });
        users.extend(futures::future::join_all(chunk).await);
    }
    users
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("{what:<24} median {:>9.1?}   p99 {:>9.1?}", at(50), at(99));
}

#[tokio::main]
async fn main() {
    let people = std::env::args().nth(1).map_or(10_000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("identity.db");
    let directory = SqliteDirectory::open(path, Policy::Open, 0).await.unwrap();
    let users = sign_up(&directory, people).await;
    let mut times = Vec::new();
    for n in (0..people).cycle().step_by(7919).take(ASKED) {
        let begun = Instant::now();
        assert!(directory.verify(users[n], ChannelKind::Telegram, &sender(n)).await.unwrap());
        times.push(begun.elapsed());
    }
    print(&format!("verify, of {people}"), times);
}
