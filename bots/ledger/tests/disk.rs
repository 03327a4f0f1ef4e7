//! A disk that is really full: refused as "later", nothing lost, and well again once there is room.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use zaki_ledger::testkit::{batch, said};
use zaki_ledger::{Error, Fence, Ledger, SqliteLedger};

/// A file system of 4 MiB, unmounted at the end.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None` where this process may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=4m", "tmpfs"];
        run("mount", &mount, folder.path()).then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &[], self.0.path());
    }
}

fn run(program: &str, args: &[&str], last: &Path) -> bool {
    let mut command = Command::new(program);
    let command = command.args(args).arg(last).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

async fn accept(ledger: &SqliteLedger, fence: Fence, n: u32) -> Result<usize, Error> {
    let mut request = batch(vec![said(n)]);
    request.raw = vec![0x55; 200_000];
    let accepted = ledger.accept(fence, request).await?;
    Ok(accepted.fresh.len())
}

#[tokio::test]
async fn a_full_disk_is_a_passing_thing() {
    let Some(disk) = Disk::mount() else {
        println!("SKIPPED: needs the right to mount a small file system");
        return;
    };
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 2_000_000]).unwrap();
    let ledger = SqliteLedger::open(disk.0.path().join("ledger.db")).await.unwrap();
    let fence = ledger.enroll("hub").await.unwrap();

    let mut stored = 0;
    let error = loop {
        match accept(&ledger, fence, stored).await {
            Ok(1) => stored += 1,
            other => break other.unwrap_err(),
        }
        assert!(stored < 100, "it never fills");
    };
    assert!(stored > 0 && error.is_transient(), "after {stored}: {error}");
    assert!(error.to_string().contains("no space"), "{error}");
    assert!(accept(&ledger, fence, stored).await.unwrap_err().is_transient(), "still full");
    assert_eq!(ledger.counts().await.unwrap().accepted, u64::from(stored), "reads go on");

    fs::remove_file(&ballast).unwrap();
    assert_eq!(accept(&ledger, fence, stored).await.unwrap(), 1, "what was refused is new");
    assert_eq!(ledger.counts().await.unwrap().accepted, u64::from(stored) + 1);
    ledger.close().await;
}
