//! Whether what is installed is what was asked for, and works.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::{InstallError, NATIVE_VERSION, NODE_VERSION, OPENCLAW_VERSION, npm};
use crate::RuntimePaths;

/// Made last: without it an installation is not whole.
const SEAL: &str = "zaki-runtime.json";
/// The first run makes up for OpenClaw's own install script; seconds on a slow disk.
const PATIENCE: Duration = Duration::from_mins(2);

/// The probe OpenClaw's own install script uses: it loads the native package, or fails.
const NATIVE_PROBE: &str = include_str!("native.mjs");

/// Whether `dir` holds a whole installation of the pinned versions whose Node runs here. One that
/// somebody else made is tried in full.
pub(crate) async fn is_installed(dir: &Path) -> bool {
    if fs::read_to_string(dir.join(SEAL)).is_ok_and(|found| found == seal()) {
        return check(dir).await.is_ok();
    }
    if attempt(dir).await.is_err() {
        return false;
    }
    // Where we may not write it is tried again the next time.
    let _ = fs::write(dir.join(SEAL), seal());
    true
}

/// Tries a fresh installation in `dir`, and seals it.
pub(crate) async fn settle(dir: &Path) -> Result<(), InstallError> {
    attempt(dir).await?;
    fs::write(dir.join(SEAL), seal()).map_err(|error| InstallError::of(dir, error))
}

async fn check(dir: &Path) -> Result<(), InstallError> {
    versions(dir)?;
    node_runs(dir).await
}

async fn attempt(dir: &Path) -> Result<(), InstallError> {
    check(dir).await?;
    let paths = RuntimePaths::in_dir(dir);
    let script = paths.openclaw.join("openclaw.mjs");
    let version = run(dir, &[script.as_os_str(), "--version".as_ref()]).await;
    if !version.is_some_and(|words| words.contains(OPENCLAW_VERSION)) {
        return Err(broken(dir, "OpenClaw does not run"));
    }
    let probe = ["--input-type=module".as_ref(), "-e".as_ref(), NATIVE_PROBE.as_ref()];
    let probed = run(dir, &[&probe[..], &[paths.openclaw.as_os_str()]].concat()).await;
    if !probed.is_some_and(|words| words.contains("native ok")) {
        return Err(broken(dir, "native package of OpenClaw does not load"));
    }
    let _ = fs::remove_dir_all(home(dir));
    Ok(())
}

fn seal() -> String {
    format!(
        "{{\"node\":\"{NODE_VERSION}\",\"openclaw\":\"{OPENCLAW_VERSION}\",\"native\":\"{NATIVE_VERSION}\"}}\n"
    )
}

/// The packages are there in the pinned versions.
fn versions(dir: &Path) -> Result<(), InstallError> {
    let (node, native) = npm::platform()?;
    let pinned = [(node, NODE_VERSION), ("openclaw", OPENCLAW_VERSION), (native, NATIVE_VERSION)];
    for (package, version) in pinned {
        let manifest = dir.join("node_modules").join(package).join("package.json");
        let manifest = fs::read(manifest).unwrap_or_default();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap_or_default();
        if manifest.get("version").and_then(Value::as_str) != Some(version) {
            return Err(broken(dir, &format!("package {package} is not version {version}")));
        }
    }
    Ok(())
}

async fn node_runs(dir: &Path) -> Result<(), InstallError> {
    let version = run(dir, &["--version".as_ref()]).await;
    if version.is_some_and(|words| words.trim() == format!("v{NODE_VERSION}")) {
        return Ok(());
    }
    Err(broken(dir, &format!("Node is not version {NODE_VERSION} or does not run here")))
}

/// What Node prints, when it ends well. It gets a home of its own to write to.
async fn run(dir: &Path, arguments: &[&std::ffi::OsStr]) -> Option<String> {
    let mut command = Command::new(RuntimePaths::in_dir(dir).node);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home(dir))
        .env("OPENCLAW_HOME", home(dir))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(words)
}

fn home(dir: &Path) -> std::path::PathBuf {
    dir.join(".home")
}

fn broken(dir: &Path, what: &str) -> InstallError {
    InstallError::Broken { what: what.to_owned(), dir: dir.to_owned() }
}
