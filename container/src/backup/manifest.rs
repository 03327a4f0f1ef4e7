//! What an archive says of itself: every file with its checksum.

use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zaki_envelope::wire::{AgentInfo, BackupSummary};

/// The only format there is.
pub(crate) const FORMAT: u32 = 1;
/// The first entry of an archive.
pub(crate) const NAME: &str = "manifest.json";
/// Before the path of every file in an archive.
pub(crate) const DATA: &str = "data";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) lineage: String,
    pub(crate) root: String,
    pub(crate) agent: Option<AgentInfo>,
    pub(crate) directories: Vec<Directory>,
    /// In the order of the archive.
    pub(crate) files: Vec<File>,
    pub(crate) links: Vec<Link>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) modified: i64,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    #[serde(default)]
    pub(crate) database: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) path: PathBuf,
    pub(crate) target: PathBuf,
}

impl Manifest {
    pub(crate) fn summary(&self) -> BackupSummary {
        BackupSummary {
            lineage: self.lineage.clone(),
            root: self.root.clone(),
            agent: self.agent.clone(),
            files: self.files.len() as u64,
            bytes: self.files.iter().map(|file| file.size).sum(),
            databases: self.files.iter().filter(|file| file.database).count() as u64,
        }
    }

    /// The first path that would lead out of the state directory, or to what no backup holds.
    pub(crate) fn stray(&self) -> Option<&Path> {
        let directories = self.directories.iter().map(|it| it.path.as_path());
        let files = self.files.iter().map(|it| it.path.as_path());
        let links = self.links.iter().map(|it| it.path.as_path());
        directories.chain(files).chain(links).find(|path| !is_inside(path))
    }
}

fn is_inside(path: &Path) -> bool {
    let mut pieces = path.components();
    let kept =
        |piece| super::files::KEPT.iter().any(|kept| Component::Normal(kept.as_ref()) == piece);
    pieces.next().is_some_and(kept) && pieces.all(|piece| matches!(piece, Component::Normal(_)))
}

/// Copies all of `from`, and returns how much that was and its checksum.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl io::Write) -> io::Result<(u64, String)> {
    let (mut digest, mut size) = (Sha256::new(), 0);
    let mut chunk = vec![0; 128 * 1024];
    loop {
        let read = from.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        digest.update(bytes);
        to.write_all(bytes)?;
        size += read as u64;
    }
    Ok((size, hex::encode(digest.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        for path in ["openclaw/x", "workspace", "home/a/b", "models.json"] {
            assert!(is_inside(Path::new(path)), "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "openclaw/../../x", "journal/t", "lock", "."] {
            assert!(!is_inside(Path::new(path)), "{path}");
        }
    }
}
