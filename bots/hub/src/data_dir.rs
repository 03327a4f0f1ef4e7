//! The data directory: taken by one process, private where it must be.

use std::{
    fs::{self, File, Permissions, TryLockError},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::config::Config;

/// A program that keeps something in a data directory, by the lock it holds there.
#[derive(Clone, Copy)]
pub(crate) enum Tenant {
    Hub,
    Edge,
}

impl Tenant {
    const ALL: [Self; 2] = [Self::Hub, Self::Edge];

    const fn lock_file(self) -> &'static str {
        match self {
            Self::Hub => "zaki.lock",
            Self::Edge => "edge.lock",
        }
    }
}

/// Takes the data directory for this process: no other hub, or no other edge, may use it.
pub(crate) fn lock(dir: &Path, tenant: Tenant) -> Result<File> {
    let unusable = || {
        format!(
            "cannot use the data directory {}; make it writable or set hub.data_dir",
            dir.display()
        )
    };
    fs::create_dir_all(dir).with_context(unusable)?;
    if is_ours(dir).with_context(unusable)? {
        // Sandboxes pass through to their own directories, and see nothing on the way.
        fs::set_permissions(dir, Permissions::from_mode(0o711)).with_context(unusable)?;
    }
    // Private: whoever can open it could hold the lock.
    let mut private = File::options();
    private.create(true).truncate(true).write(true).mode(0o600);
    let file = private.open(dir.join(tenant.lock_file())).with_context(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another zaki uses {}; stop it or set another hub.data_dir", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(unusable),
    }
}

/// Whether nobody else keeps anything there, so that its mode is ours to set: it is empty, or an
/// earlier zaki has used it.
fn is_ours(dir: &Path) -> std::io::Result<bool> {
    let known = Tenant::ALL.iter().any(|tenant| dir.join(tenant.lock_file()).exists());
    Ok(known || fs::read_dir(dir)?.next().is_none())
}

fn private_dir(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Where the hub's own files are, for nobody else to read.
pub(crate) fn hub_dir(config: &Config) -> Result<PathBuf> {
    let dir = config.data_dir().join("hub");
    private_dir(&dir).with_context(|| {
        format!(
            "cannot use the data directory {}; make it writable or set hub.data_dir",
            dir.display()
        )
    })?;
    Ok(dir)
}
