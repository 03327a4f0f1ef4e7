//! Installs Node and OpenClaw from the npm registry, pinned, checked and whole or not at all.
//!
//! One `npm install` without any package's scripts: the platform's Node package holds the binary
//! itself, and OpenClaw makes up for its own script at its first run, which is done here, before a
//! sandbox that cannot write there starts it. The registry is whatever npm is configured for.

mod error;
mod npm;
mod progress;
mod verify;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub use error::InstallError;
pub use progress::{Progress, Stage, Terminal};

use crate::RuntimePaths;

/// The pinned version of Node; OpenClaw 2026.9 needs 24.16 or newer.
pub const NODE_VERSION: &str = "24.21.0";
/// The pinned version of OpenClaw.
pub const OPENCLAW_VERSION: &str = "2026.9.6";
/// The pinned version of OpenClaw's native package, without which no answer can carry a file.
pub const NATIVE_VERSION: &str = "0.18.1";

/// What an installation takes, in bytes, with room for what npm unpacks beside it.
const NEEDED_SPACE: u64 = 1_500_000_000;

/// Makes sure that `dir` holds the pinned Node and OpenClaw, installing them when it does not.
/// Several callers at once, in any number of programs, install once. Needs `npm` on the `PATH` and
/// about 840 MB; takes about half a minute and 290 MB of download.
pub async fn ensure_runtime(
    dir: &Path,
    progress: &dyn Progress,
) -> Result<RuntimePaths, InstallError> {
    let install = Install { dir: dir.to_owned(), npm: "npm".into(), needed: NEEDED_SPACE };
    install.ensure(progress).await
}

struct Install {
    dir: PathBuf,
    npm: PathBuf,
    needed: u64,
}

impl Install {
    async fn ensure(&self, progress: &dyn Progress) -> Result<RuntimePaths, InstallError> {
        progress.stage(Stage::Looking);
        if verify::is_installed(&self.dir).await {
            progress.stage(Stage::Present);
            return Ok(RuntimePaths::in_dir(&self.dir));
        }
        let _lock = self.lock(progress).await?;
        // Whoever held the lock may have done it.
        if !verify::is_installed(&self.dir).await {
            self.install(progress).await?;
        }
        progress.stage(Stage::Present);
        Ok(RuntimePaths::in_dir(&self.dir))
    }

    async fn install(&self, progress: &dyn Progress) -> Result<(), InstallError> {
        self.check_space()?;
        let staging = self.beside("new");
        self.remove(&staging)?;
        let done = self.fill(&staging, progress).await;
        if done.is_err() {
            // What went wrong is worth more than why cleaning up did.
            let _ = fs::remove_dir_all(&staging);
        }
        done?;
        self.replace(&staging)
    }

    async fn fill(&self, staging: &Path, progress: &dyn Progress) -> Result<(), InstallError> {
        npm::install(&self.npm, staging, &self.beside("log"), progress).await?;
        progress.stage(Stage::Verifying);
        verify::settle(staging).await
    }

    fn replace(&self, staging: &Path) -> Result<(), InstallError> {
        let old = self.beside("old");
        self.remove(&old)?;
        if self.dir.exists() {
            fs::rename(&self.dir, &old).map_err(|error| self.fail(error))?;
        }
        fs::rename(staging, &self.dir).map_err(|error| self.fail(error))?;
        self.remove(&old)
    }

    /// One installation at a time; the lock goes with the program that holds it.
    async fn lock(&self, progress: &dyn Progress) -> Result<File, InstallError> {
        if let Some(parent) = self.dir.parent() {
            fs::create_dir_all(parent).map_err(|error| self.fail(error))?;
        }
        let file = File::create(self.beside("lock")).map_err(|error| self.fail(error))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => progress.stage(Stage::Waiting),
            Err(TryLockError::Error(error)) => return Err(self.fail(error)),
        }
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
        let locked = locked.await.map_err(|error| self.fail(io::Error::other(error)))?;
        locked.map_err(|error| self.fail(error))
    }

    fn check_space(&self) -> Result<(), InstallError> {
        let Some(parent) = self.dir.parent() else {
            return Ok(());
        };
        // A file system that does not say is tried.
        let free = rustix::fs::statvfs(parent).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        match free {
            Ok(free) if free < self.needed => Err(InstallError::NoSpace {
                dir: self.dir.clone(),
                needed_mb: self.needed / 1_000_000,
            }),
            _ => Ok(()),
        }
    }

    /// `<dir>.<what>`, on the same file system, so that a rename is whole or nothing.
    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.dir.clone().into_os_string();
        name.push(".");
        name.push(what);
        name.into()
    }

    fn remove(&self, path: &Path) -> Result<(), InstallError> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.fail(error)),
            _ => Ok(()),
        }
    }

    fn fail(&self, source: io::Error) -> InstallError {
        InstallError::of(&self.dir, source)
    }
}

#[cfg(test)]
mod tests;
