//! What somebody's agent had written when they were retired is in a backup, also what a turn that ran
//! then had.

use std::fs;
use std::path::Path;

use axum::http::StatusCode;
use zaki_edge_native::Edge;
use zaki_envelope::wire::{Backup, BackupOutcome, ErrorCode};

use crate::client::*;
use crate::people::{HOUR, code, reinstate, retire};
use crate::sandboxes::*;
use crate::scripted::gateway::ENDLESSLY;
use crate::upgrade::{report, say, start, transcript, version};

/// One whose only turn so far is in a backup.
async fn backed_up(dir: &Path) -> (Edge, Backup) {
    let edge = start(dir, version(dir, "1", "1", ""), false).await;
    say(&edge, 1).await;
    let path = format!("/v1/users/{}/backup", user(1));
    let (status, body) = call(&edge.router(), signed("POST", &path, vec![])).await;
    assert_eq!(status, StatusCode::OK);
    match serde_json::from_slice(&body).unwrap() {
        BackupOutcome::Done { backup, .. } => (edge, *backup),
        other => panic!("{other:?}"),
    }
}

/// Those there are after the retirement, the newest first.
async fn retired(edge: &Edge, dir: &Path) -> Vec<Backup> {
    let status = retire(&edge.router(), user(1), now().plus_ms(HOUR)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(containers(dir), []);
    let report = report(edge).await;
    assert_eq!((report.backup.changed_since, report.backup.failure), (None, None));
    report.backups.unwrap()
}

#[tokio::test]
async fn what_a_running_turn_had_written_is_in_a_backup() {
    let dir = directory();
    let path = dir.path();
    let (edge, first) = backed_up(path).await;
    let router = edge.router();
    let running = tokio::spawn({
        let (router, asked) = (router.clone(), request(turn(2), ENDLESSLY));
        async move { run(&router, user(1), &asked).await }
    });
    until("a turn", || transcript(path).contains(ENDLESSLY).then_some(())).await;
    let backups = retired(&edge, path).await;
    assert_eq!(code(&running.await.unwrap()), ErrorCode::Retired);
    assert!(backups.len() == 2 && backups[0].id > first.id, "{backups:?}");

    // It is what they come back to, should the machine lose all else.
    fs::remove_dir_all(path.join(format!("data/sandboxes/openclaw-{}", user(1)))).unwrap();
    assert_eq!(reinstate(&router, user(1)).await, StatusCode::NO_CONTENT);
    say(&edge, 3).await;
    let transcript = transcript(path);
    for said in [&format!("<answer to t{}>", 1), ENDLESSLY, "<part of the answer to"] {
        assert!(transcript.contains(said), "{said}: {transcript}");
    }
    edge.shutdown().await;
    nothing_is_left(path).await;
}

#[tokio::test]
async fn what_is_in_a_backup_is_not_backed_up_again() {
    let dir = directory();
    let (edge, first) = backed_up(dir.path()).await;
    assert_eq!(retired(&edge, dir.path()).await, [first]);
    edge.shutdown().await;
}
