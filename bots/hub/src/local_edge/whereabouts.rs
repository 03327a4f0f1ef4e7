//! Where the edge inside a running `zaki up` is called, and by which key: a file for its owner alone,
//! beside the stores, good for one run. Without `edge.key` the key is a fresh one, and nobody but
//! that process would know it; one that is configured is written nowhere.

use std::{
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{config::Config, data_dir};

const NAME: &str = "edge.json";

/// There as long as this is not dropped.
pub(crate) struct Whereabouts(PathBuf);

#[derive(Serialize, Deserialize)]
struct Note {
    address: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Whereabouts {
    /// Writes it down. What an earlier run left is overwritten.
    pub(super) fn leave(config: &Config, address: SocketAddr, key: &SecretString) -> Result<Self> {
        let fresh = config.edge.key.expose_secret().is_empty().then_some(key);
        Self::at(data_dir::hub_dir(config)?.join(NAME), address, fresh)
    }

    fn at(path: PathBuf, address: SocketAddr, key: Option<&SecretString>) -> Result<Self> {
        let note = Note { address, key: key.map(|key| key.expose_secret().to_owned()) };
        keep(&path, &note).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where the edge of the run that goes on in this data directory is, and its key; `None`: it
    /// does not say, or not to us.
    pub(crate) fn find(config: &Config) -> Option<(SocketAddr, SecretString)> {
        let (address, fresh) = Self::read(&config.data_dir().join("hub").join(NAME))?;
        let key = fresh.unwrap_or_else(|| config.edge.key.clone());
        (!key.expose_secret().is_empty()).then_some((address, key))
    }

    fn read(path: &Path) -> Option<(SocketAddr, Option<SecretString>)> {
        let Note { address, key } = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        Some((reachable(address), key.map(SecretString::from)))
    }
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Beside it first: nobody reads half of it, and nobody but its owner ever.
fn keep(path: &Path, note: &Note) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file: File = File::options().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(&serde_json::to_vec(note)?)?;
    fs::rename(part, path)
}

/// One that listens everywhere is called on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_its_owner_reads_it_and_only_while_it_is_true() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        // What a run left that was killed, and that everybody could read.
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Whereabouts::read(&path).is_none());
        let address = "0.0.0.0:7".parse().unwrap();
        let fresh = SecretString::from("a key".to_owned());
        let left = Whereabouts::at(path.clone(), address, Some(&fresh)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (address, key) = Whereabouts::read(&path).unwrap();
        assert_eq!(address.to_string(), "127.0.0.1:7");
        assert_eq!(key.unwrap().expose_secret(), "a key");
        drop(left);
        assert!(!path.exists());
        let left = Whereabouts::at(path.clone(), address, None).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("key"));
        drop(left);
    }
}
