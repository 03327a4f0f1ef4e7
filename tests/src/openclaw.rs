//! A real OpenClaw for the suites that need one: found, and shared out to one test at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where Node and OpenClaw are, and the right to start gateways: each takes 800 MB and some
/// seconds of all cores, so only one test on this machine has it at a time.
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

/// A lock that ends with the process that holds it.
fn take_turn() -> Result<File> {
    let path = std::env::temp_dir().join("zaki-tests-openclaw.lock");
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}
