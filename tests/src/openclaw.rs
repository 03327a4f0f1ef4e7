//! A real OpenClaw for the suites that need one: found, and shared out to two tests at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::processes::{self, Process};

/// So many tests on this machine have gateways at the same time: each takes 800 MB and some seconds
/// of all cores to start, and then mostly waits. `.config/nextest.toml` says the same.
const AT_ONCE: usize = 2;
const LOOK: Duration = Duration::from_millis(50);

/// Where Node and OpenClaw are, and the right to start gateways.
pub struct OpenClaw {
    dir: PathBuf,
    _turn: File,
}

impl OpenClaw {
    /// Waits for its turn. `None` where `ZAKI_RUNTIME` is not set; says so.
    pub async fn find() -> Result<Option<Self>> {
        let Some(dir) = std::env::var_os("ZAKI_RUNTIME").map(PathBuf::from) else {
            println!("SKIPPED: set ZAKI_RUNTIME (cargo xtask test does it)");
            return Ok(None);
        };
        let turn = tokio::task::spawn_blocking(take_turn).await??;
        Ok(Some(Self { dir, _turn: turn }))
    }

    /// The directory with `bin/node` and `node_modules/openclaw`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version that must answer.
    pub fn version(&self) -> Result<String> {
        let manifest = self.dir.join("node_modules/openclaw/package.json");
        let text = std::fs::read_to_string(&manifest);
        let text = text.with_context(|| format!("cannot read {}", manifest.display()))?;
        let manifest: serde_json::Value = serde_json::from_str(&text)?;
        Ok(manifest["version"].as_str().context("OpenClaw has no version")?.to_owned())
    }
}

/// The gateways of the sandboxes under `dir`, by the names they give themselves; while one starts,
/// by its command.
pub fn gateways(dir: &Path) -> Vec<Process> {
    let mut found = processes::of(dir);
    found.retain(|process| {
        let command = &process.command;
        command.starts_with("openclaw") || command.contains("openclaw.mjs gateway run")
    });
    found
}

/// One of some locks, which ends with the process that holds it.
fn take_turn() -> Result<File> {
    let open = |n| {
        let path = std::env::temp_dir().join(format!("zaki-tests-openclaw-{n}.lock"));
        File::options().create(true).truncate(false).write(true).open(path)
    };
    let seats = (0..AT_ONCE).map(open).collect::<Result<Vec<_>, _>>()?;
    loop {
        for seat in &seats {
            match seat.try_lock() {
                Ok(()) => return Ok(seat.try_clone()?),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        std::thread::sleep(LOOK);
    }
}
