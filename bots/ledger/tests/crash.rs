//! Killed at any moment, the ledger knows every message it has said yes to, and what was being
//! sent is unknown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use zaki_envelope::ConversationId;
use zaki_ledger::testkit::{at, batch, delivery, in_lane, message, said, turn, turn_id};
use zaki_ledger::{Fence, Ledger, Recovery, SqliteLedger, TurnEnd};

const FILE: &str = "ZAKI_TEST_CRASH_FILE";
const FROM: &str = "ZAKI_TEST_CRASH_FROM";
const ROUNDS: u32 = 3;
/// Answered messages after which the program is killed.
const ENOUGH: usize = 150;
/// Numbers a round may use.
const SPAN: u32 = 100_000;

/// Not a test: the hub that is killed, run by the test below. Takes messages as fast as it can on
/// eight tasks, answers every other one, and says on standard output what has been promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below"]
async fn works_until_killed() {
    let (Ok(path), Ok(from)) = (std::env::var(FILE), std::env::var(FROM)) else {
        return;
    };
    let first: u32 = from.parse().unwrap();
    let ledger = Arc::new(SqliteLedger::open(path).await.unwrap());
    let fence = ledger.enroll("killed").await.unwrap();
    ledger.recover(fence).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|lane| {
            tokio::spawn(work(ledger.clone(), fence, (first..first + SPAN).skip(lane).step_by(8)))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn work(ledger: Arc<SqliteLedger>, fence: Fence, numbers: impl Iterator<Item = u32>) {
    for n in numbers {
        ledger.accept(fence, batch(vec![said(n)])).await.unwrap();
        println!("accepted {n}");
        if n % 16 < 8 {
            continue;
        }
        ledger.begin_turn(fence, in_lane(n, turn(n, &[n]))).await.unwrap();
        let mut answer = delivery(n, Some(n), 0);
        answer.address.conversation.id = ConversationId::new(n.to_string());
        let end = TurnEnd::Finished;
        let finish = ledger.finish_turn(fence, turn_id(n), end, &[], vec![answer], at(1));
        finish.await.unwrap();
        println!("answered {n}");
    }
}

fn start(path: &Path, from: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "works_until_killed", "--ignored", "--nocapture"])
        .env(FILE, path)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills it after [`ENOUGH`]; the numbers it had promised by then, by word.
fn kill_midway(mut child: Child) -> (HashSet<u32>, HashSet<u32>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen: Vec<String> = lines.by_ref().take(ENOUGH).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What was still in the pipe had been promised, too; the last line may be cut.
    seen.extend(lines);
    let number = |word: &str| {
        let numbers = seen.iter().filter_map(|line| line.strip_prefix(word)?.parse().ok());
        numbers.collect::<HashSet<u32>>()
    };
    (number("accepted "), number("answered "))
}

/// What belonged to nobody, call by call.
async fn everything(ledger: &SqliteLedger, fence: Fence) -> Recovery {
    let mut all = Recovery::default();
    loop {
        let found = ledger.recover(fence).await.unwrap();
        if found == Recovery::default() {
            return all;
        }
        all.accepted.extend(found.accepted);
        all.turns.extend(found.turns);
        all.deliveries.extend(found.deliveries);
        all.unknown.extend(found.unknown);
    }
}

#[tokio::test]
async fn nothing_promised_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (mut accepted, mut answered) = (HashSet::new(), HashSet::new());
    for round in 0..ROUNDS {
        let (more, done) = kill_midway(start(&path, round * SPAN));
        assert!(more.len() >= ENOUGH / 2, "it had begun to work");
        accepted.extend(more);
        answered.extend(done);

        let ledger = SqliteLedger::open(&path).await.unwrap();
        let fence = ledger.enroll("after").await.unwrap();
        let found = everything(&ledger, fence).await;
        let waiting: HashSet<_> = found.accepted.iter().map(|inbound| inbound.id).collect();
        let running: HashSet<_> = found.turns.iter().map(|open| open.inbounds[0].id).collect();
        for n in answered.iter().filter(|n| **n >= round * SPAN) {
            let sending =
                found.unknown.iter().any(|claimed| claimed.delivery.turn == Some(turn_id(*n)));
            assert!(sending, "answer {n} was claimed");
        }
        for n in &accepted {
            let again = ledger.accept(fence, batch(vec![said(*n)])).await.unwrap();
            assert_eq!(again.duplicates, 1, "message {n}");
            let id = message(*n).id;
            let open = waiting.contains(&id) || running.contains(&id);
            // Claimed in the same commit that ended the turn, and that commit may be the last.
            let ended = n % 16 >= 8;
            assert!(open || ended, "message {n} waits");
            assert!(!(waiting.contains(&id) && answered.contains(n)), "message {n} is answered");
        }
        ledger.close().await;
    }
}
