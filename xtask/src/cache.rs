//! Where the installed tools live: outside the tree, shared by all clones, safe to delete.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache directory. Its parts are made as they are asked for.
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// `ZAKI_CACHE`, or `/var/cache/zaki` for root (sandboxes run as other users and must be able
    /// to walk into it), or `zaki` under `XDG_CACHE_HOME` or `~/.cache`.
    pub(crate) fn open() -> Result<Self> {
        let path = match env::var_os("ZAKI_CACHE") {
            Some(path) => std::path::absolute(path)?,
            None if is_root() => PathBuf::from("/var/cache/zaki"),
            None => user_cache()?.join("zaki"),
        };
        let cache = Self(path);
        cache.dir("")?;
        Ok(cache)
    }

    /// A directory of the cache, made readable for all if it was not there.
    pub(crate) fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if !path.is_dir() {
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(path)
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Whether we may install Debian packages and become other users.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn user_cache() -> Result<PathBuf> {
    let xdg = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"));
    xdg.or_else(home).context("neither ZAKI_CACHE nor HOME is set: set ZAKI_CACHE")
}
