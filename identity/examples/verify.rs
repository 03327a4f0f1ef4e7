//! Prints what it costs to know who somebody is, among ten times as many people each time:
//! `cargo run --release -p zaki-identity --example verify [people]`.

#![allow(clippy::unwrap_used, reason = "an example speaks by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use zaki_envelope::{Inbound, Timestamp, ZakiUserId};
use zaki_identity::{Access, Directory, GroupRules, Options, SignUp};
use zaki_store::Keys;

const ASKED: usize = 20_000;
/// Senders that are remembered, whoever comes.
const REMEMBERED: usize = 50_000;
const NOW: Timestamp = Timestamp::from_ms(1);

fn message(n: usize) -> Inbound {
    let json = format!(
        r#"{{"v": 1, "id": "00000000010000000000000000", "channel": "telegram", "account": "main",
            "dedupe": "1", "received_at": 1, "conversation": {{"id": "{n}", "kind": "direct"}},
            "sender": {{"scope": "", "id": "{n}"}}, "kind": {{"type": "message"}},
            "addressed": true}}"#
    );
    Inbound::from_json(&json).unwrap()
}

async fn open(path: &Path, cache: usize) -> Directory {
    let (access, group) = (Access::new(SignUp::Open), GroupRules::default());
    let options = Options { access, group, code_key: None, keys: Keys::default(), cache };
    Directory::sqlite(path, options).await.unwrap()
}

/// Those from `users.len()` to `people` write for the first time.
async fn sign_up(directory: &Directory, users: &mut Vec<ZakiUserId>, people: usize) {
    while users.len() < people {
        let first = users.len();
        let chunk = (first..people.min(first + 512))
            .map(async |n| directory.resolve(&message(n), NOW).await.unwrap().user().unwrap());
        users.extend(futures::future::join_all(chunk).await);
    }
}

fn print(people: usize, what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("{people:>9} people  {what:<22} p50 {:>9.1?}  p99 {:>9.1?}", at(50), at(99));
}

/// In kilobytes; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let most = std::env::args().nth(1).map_or(100_000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("identity.db");
    let (directory, cached) = (open(&path, 0).await, open(&path, REMEMBERED).await);
    let mut users = Vec::new();
    let sizes = (3..).map(|power| 10_usize.pow(power)).take_while(|size| *size < most);
    for people in sizes.chain([most]) {
        let begun = Instant::now();
        let before = users.len();
        sign_up(&directory, &mut users, people).await;
        let rate = (people - before) as u128 * 1_000 / begun.elapsed().as_millis().max(1);
        println!("{people:>9} people  {rate} sign up in a second");
        let (mut verified, mut found) = (Vec::new(), Vec::new());
        for n in (0..people).cycle().step_by(7919).take(ASKED) {
            let message = message(n);
            let begun = Instant::now();
            assert!(directory.verify(users[n], &message).await.unwrap());
            verified.push(begun.elapsed());
            let begun = Instant::now();
            let resolved = directory.resolve(&message, NOW).await.unwrap();
            found.push(begun.elapsed());
            assert_eq!(resolved.user(), Some(users[n]));
        }
        print(people, "verify, from the store", verified);
        print(people, "resolve, from the store", found);
    }
    // Everybody comes by once: what is remembered of them grows no further than it may.
    for n in 0..most {
        cached.resolve(&message(n), NOW).await.unwrap();
        if (n + 1) % (most / 4).max(1) == 0 {
            println!(
                "{:>9} senders seen, {} remembered at most: {} kB",
                n + 1,
                REMEMBERED,
                resident()
            );
        }
    }
}
