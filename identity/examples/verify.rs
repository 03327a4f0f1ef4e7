//! Prints what it costs to ask who somebody is:
//! `cargo run --release -p zaki-identity --example verify [people]`.

#![allow(clippy::unwrap_used, reason = "an example speaks by panicking")]

use std::time::{Duration, Instant};

use zaki_envelope::{Inbound, Timestamp, ZakiUserId};
use zaki_identity::{Access, Directory, GroupRules, Options, SignUp};
use zaki_store::Keys;

const ASKED: usize = 20_000;

fn message(n: usize) -> Inbound {
    let json = format!(
        r#"{{"v": 1, "id": "00000000010000000000000000", "channel": "telegram", "account": "main",
            "dedupe": "1", "received_at": 1, "conversation": {{"id": "{n}", "kind": "direct"}},
            "sender": {{"scope": "", "id": "{n}"}}, "kind": {{"type": "message"}},
            "addressed": true}}"#
    );
    Inbound::from_json(&json).unwrap()
}

async fn sign_up(directory: &Directory, people: usize) -> Vec<ZakiUserId> {
    let mut users = Vec::with_capacity(people);
    for first in (0..people).step_by(512) {
        let chunk = (first..people.min(first + 512)).map(async |n| {
            let now = Timestamp::from_ms(1);
            directory.resolve(&message(n), now).await.unwrap().user().unwrap()
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
    let (access, group) = (Access::new(SignUp::Open), GroupRules::default());
    let options = Options { access, group, code_key: None, keys: Keys::default(), cache: 0 };
    let directory = Directory::sqlite(path, options).await.unwrap();
    let users = sign_up(&directory, people).await;
    let mut times = Vec::new();
    for n in (0..people).cycle().step_by(7919).take(ASKED) {
        let message = message(n);
        let begun = Instant::now();
        assert!(directory.verify(users[n], &message).await.unwrap());
        times.push(begun.elapsed());
    }
    print(&format!("verify, of {people}"), times);
}
