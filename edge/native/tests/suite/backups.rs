//! The memory of a sandbox outlives it: backed up, destroyed, and there again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use base64::Engine;
use zaki_edge_native::{BackupConfig, BackupPlace, Edge, S3Config};
use zaki_envelope::wire::{Backup, BackupOutcome, SandboxReport};
use zaki_store::Keys;

use crate::client::*;
use crate::sandboxes::*;

async fn say(edge: &Edge, n: u128, text: &str) -> String {
    answer(&run(&edge.router(), user(1), &request(turn(n), text)).await).to_owned()
}

async fn ask(edge: &Edge, what: &str) -> BackupOutcome {
    let path = format!("/v1/users/{}/{what}", user(1));
    let (status, body) = call(&edge.router(), signed("POST", &path, vec![])).await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_slice(&body).unwrap()
}

async fn done(edge: &Edge, what: &str) -> Backup {
    match ask(edge, what).await {
        BackupOutcome::Done { backup, .. } => *backup,
        other => panic!("{what}: {other:?}"),
    }
}

async fn report(edge: &Edge) -> SandboxReport {
    let path = format!("/v1/users/{}/sandbox", user(1));
    let (status, body) = call(&edge.router(), signed("GET", &path, vec![])).await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_slice(&body).unwrap()
}

fn sandbox() -> String {
    format!("openclaw-{}", user(1))
}

/// All the sandbox had on this machine.
fn destroy(dir: &Path) {
    fs::remove_dir_all(dir.join("data/sandboxes").join(sandbox())).unwrap();
}

fn archive(dir: &Path, backup: &Backup) -> PathBuf {
    let home = dir.join(format!("data/backups/users/{}/{}", user(1), sandbox()));
    home.join(format!("{}/archive.tar.zst", backup.id))
}

/// One story, since every start of a gateway costs ten seconds: told, backed up, destroyed, and
/// told again by whichever backup is whole.
#[tokio::test]
async fn a_story_outlives_its_sandbox_and_broken_backups() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let start = async || {
        let mut config = config(dir.path(), runtime.clone());
        // Beside other starts one has taken three minutes.
        config.start_timeout = Duration::from_mins(4);
        Edge::start(config).await.unwrap()
    };

    let edge = start().await;
    assert_eq!(ask(&edge, "restore").await, BackupOutcome::Nothing, "there is none yet");
    say(&edge, 1, "my name is Layla").await;
    let began = Instant::now();
    let first = done(&edge, "backup").await;
    let Backup { size, summary, .. } = &first;
    println!("backup: {:?}, {size} bytes, {summary:?}", began.elapsed());
    assert!(summary.databases >= 2 && summary.bytes > 100_000, "{summary:?}");
    say(&edge, 2, "my name is Noor").await;
    assert!(report(&edge).await.backup.changed_since.is_some());
    // A stop backs up what is in no backup.
    edge.shutdown().await;

    destroy(dir.path());
    let edge = start().await;
    let stopped = report(&edge).await;
    let newest = stopped.backups.unwrap().remove(0);
    assert!(newest.id > first.id && stopped.backup.changed_since.is_none());
    assert!(say(&edge, 3, "What is my name?").await.contains("Noor"));
    assert_eq!(report(&edge).await.backup.restored, Some(newest.id), "it says which");
    let third = done(&edge, "backup").await;
    let all = listed(&edge).await;
    edge.shutdown().await;

    // Those after the first are cut off, flipped or empty; the first is whole.
    destroy(dir.path());
    for (n, backup) in all.iter().filter(|it| it.id > first.id).enumerate() {
        let file = archive(dir.path(), backup);
        let mut bytes = fs::read(&file).unwrap();
        match n % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes[1_000] ^= 1,
            _ => bytes.clear(),
        }
        fs::write(file, bytes).unwrap();
    }
    let edge = start().await;
    assert!(say(&edge, 4, "What is my name?").await.contains("Layla"));
    let told = report(&edge).await.backup;
    assert_eq!(told.restored, Some(first.id));
    let passed_over = told.restore_failure.unwrap();
    assert!(passed_over.contains(&third.id.to_string()), "{passed_over}");
    assert!(passed_over.contains(&newest.id.to_string()), "{passed_over}");

    // An operator takes it back while it is awake.
    say(&edge, 5, "my name is Zeynep").await;
    let path = format!("/v1/users/{}/restore", user(1));
    let wanted = serde_json::json!({ "id": first.id }).to_string().into_bytes();
    let (status, body) = call(&edge.router(), signed("POST", &path, wanted)).await;
    assert_eq!(status, StatusCode::OK);
    let outcome: BackupOutcome = serde_json::from_slice(&body).unwrap();
    assert!(matches!(outcome, BackupOutcome::Done { backup, .. } if *backup == first));
    assert!(say(&edge, 6, "What is my name?").await.contains("Layla"));

    // Nothing is left of whoever is erased.
    let path = format!("/v1/users/{}", user(1));
    while call(&edge.router(), signed("DELETE", &path, vec![])).await.0 != StatusCode::NO_CONTENT {}
    assert!(!archive(dir.path(), &first).exists());
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

async fn listed(edge: &Edge) -> Vec<Backup> {
    report(edge).await.backups.unwrap()
}

/// Somebody else's S3, as a program.
struct S3 {
    child: Child,
    base: String,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const BUCKET: &str = "zaki-backups";

impl S3 {
    /// `None`: it is not installed.
    async fn start() -> Option<Self> {
        let Some(clients) = std::env::var_os("ZAKI_CLIENTS").map(PathBuf::from) else {
            println!("SKIPPED: set ZAKI_CLIENTS (cargo xtask test does it)");
            return None;
        };
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = free.port().to_string();
        let child = Command::new(clients.join("venv/bin/python"))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let s3 = Self { child, base: format!("http://127.0.0.1:{port}") };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let bucket = format!("{}/{BUCKET}", s3.base);
        for _ in 0..600 {
            if client.put(&bucket).send().await.is_ok_and(|it| it.status().is_success()) {
                return Some(s3);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the S3 server does not come up");
    }

    fn backups(&self, keys: &[(&str, u8)]) -> BackupConfig {
        let key = |byte: u8| base64::engine::general_purpose::STANDARD.encode([byte; 32]).into();
        let keys: Vec<_> = keys.iter().map(|(id, byte)| (*id, key(*byte))).collect();
        BackupConfig {
            place: BackupPlace::S3(S3Config {
                endpoint: self.base.clone(),
                bucket: BUCKET.to_owned(),
                region: "us-east-1".to_owned(),
                access_key_id: "test".to_owned(),
                secret_access_key: "test".to_owned().into(),
            }),
            keys: Keys::new(keys.iter().map(|(id, key)| (*id, key))).unwrap(),
            ..BackupConfig::default()
        }
    }
}

/// Another machine at the same path, with the bucket and its keys: the sandbox has moved.
#[tokio::test]
async fn a_story_moves_through_a_bucket_encrypted() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let Some(s3) = S3::start().await else { return };
    let start = async |keys: &[(&str, u8)]| {
        let mut config = config(dir.path(), runtime.clone());
        config.backup = s3.backups(keys);
        Edge::start(config).await.unwrap()
    };
    let edge = start(&[("k1", 1)]).await;
    say(&edge, 1, "my name is Layla").await;
    let backup = done(&edge, "backup").await;
    assert_eq!(backup.key.as_deref(), Some("k1"));
    edge.shutdown().await;
    // The machine is gone, the edge's own database with it.
    fs::remove_dir_all(dir.path().join("data")).unwrap();
    let edge = start(&[("k2", 2), ("k1", 1)]).await;
    assert!(say(&edge, 2, "What is my name?").await.contains("Layla"));
    assert_eq!(report(&edge).await.backup.restored, Some(backup.id));
    assert_eq!(done(&edge, "backup").await.key.as_deref(), Some("k2"));
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}
