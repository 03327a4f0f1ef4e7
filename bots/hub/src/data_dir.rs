//! The data directory: taken by one process, private where it must be.

use std::{
    fs::{self, File, Permissions, TryLockError},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use nix::unistd::{AccessFlags, access};

use crate::config::Config;

/// A program that keeps something in a data directory, by the lock it holds there.
#[derive(Clone, Copy)]
pub(crate) enum Tenant {
    Hub,
    Edge,
}

impl Tenant {
    const fn lock_file(self) -> &'static str {
        match self {
            Self::Hub => "zaki.lock",
            Self::Edge => "edge.lock",
        }
    }
}

/// Makes the data directory where there is none. The mode of one that exists is somebody's choice.
pub(crate) fn make(dir: &Path) -> Result<()> {
    let made = || {
        if let Some(above) = dir.parent() {
            fs::create_dir_all(above)?;
        }
        match fs::create_dir(dir) {
            // Sandboxes pass through to their own directories, and see nothing on the way.
            Ok(()) => fs::set_permissions(dir, Permissions::from_mode(0o711)),
            Err(_) if dir.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    };
    made().with_context(|| unusable(dir))
}

/// Takes the data directory for this process: no other hub, or no other edge, may use it.
pub(crate) fn lock(dir: &Path, tenant: Tenant) -> Result<File> {
    let unusable = || unusable(dir);
    make(dir)?;
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

/// Whether somebody holds it now. Changes nothing.
pub(crate) fn is_locked(dir: &Path, tenant: Tenant) -> bool {
    let file = File::open(dir.join(tenant.lock_file()));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether anything has ever been kept in it. Changes nothing.
pub(crate) fn is_used(dir: &Path) -> bool {
    let locks = [Tenant::Hub, Tenant::Edge].map(Tenant::lock_file);
    locks.into_iter().chain(["hub", "private"]).any(|name| dir.join(name).exists())
}

/// What to say to whoever looks for something in it, where nothing is.
pub(crate) fn nothing(dir: &Path) -> String {
    let dir = dir.display();
    format!("there is no Zaki data in {dir}; give --config or --data as for `zaki up`")
}

/// Whether it can be used, or made, by this process; whether it is there. Changes nothing.
pub(crate) fn look(dir: &Path) -> Result<bool> {
    let found = dir.ancestors().find(|above| above.exists()).unwrap_or(dir);
    let usable = || {
        if !found.is_dir() {
            return Err(std::io::Error::from(std::io::ErrorKind::NotADirectory));
        }
        Ok(access(found, AccessFlags::W_OK | AccessFlags::X_OK)?)
    };
    usable().with_context(|| unusable(dir))?;
    Ok(found == dir)
}

fn unusable(dir: &Path) -> String {
    format!("cannot use the data directory {}; make it writable or set hub.data_dir", dir.display())
}

fn private_dir(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Where the hub's own files are, for nobody else to read.
pub(crate) fn hub_dir(config: &Config) -> Result<PathBuf> {
    let dir = config.data_dir().join("hub");
    private_dir(&dir).with_context(|| unusable(&dir))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dir: &Path) -> u32 {
        fs::metadata(dir).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_what_is_made_gets_a_mode() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("above/made");
        let lock_there = || lock(&made, Tenant::Hub).unwrap();
        drop(lock_there());
        assert_eq!(mode(&made), 0o711);
        // Empty, and used before: neither is a reason to change what somebody has chosen.
        fs::set_permissions(&made, Permissions::from_mode(0o755)).unwrap();
        drop(lock_there());
        assert_eq!(mode(&made), 0o755);
        let theirs = dir.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, Permissions::from_mode(0o750)).unwrap();
        drop(lock(&theirs, Tenant::Edge).unwrap());
        assert_eq!(mode(&theirs), 0o750);
    }

    #[test]
    fn a_look_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("above/data");
        assert!(!look(&missing).unwrap());
        assert!(!is_locked(&missing, Tenant::Hub));
        assert!(!dir.path().join("above").exists());
        let held = lock(&missing, Tenant::Hub).unwrap();
        assert!(look(&missing).unwrap() && is_locked(&missing, Tenant::Hub));
        assert!(!is_locked(&missing, Tenant::Edge));
        drop(held);
        assert!(!is_locked(&missing, Tenant::Hub));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(look(&dir.path().join("file/data")).is_err());
    }
}
