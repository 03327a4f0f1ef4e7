//! Layers as archives that say nothing of when, where and by whom they were made.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tar::{Builder, Header};

use crate::step::output;

/// The time of every file in every layer: 2026-01-01, in seconds.
const EPOCH: u64 = 1_767_225_600;
/// The one place that a sandbox may write to.
const VOLUME: &str = "data";
/// The user and group that sandboxes run as; `USER` in the Dockerfile says the same.
pub(super) const OWNER: u64 = 10_001;

/// An archive and the digest of its bytes.
#[derive(Clone)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    /// SHA-256, in hex.
    pub(super) digest: String,
}

impl Archive {
    /// The one made earlier, or one made now by `fill`, which puts the files into a directory. Kept
    /// at `path`, with its digest beside it, which is written last.
    pub(super) fn cached(path: PathBuf, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        if let Ok(digest) = fs::read_to_string(digest_file(&path))
            && path.is_file()
        {
            return Ok(Self { path, digest });
        }
        Self::make(path, fill)
    }

    /// Makes it anew.
    pub(super) fn make(path: PathBuf, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let parent = path.parent().context("an archive has a place")?;
        let stage = tempfile::Builder::new().prefix(".stage-").tempdir_in(parent)?;
        fill(stage.path())?;
        let _ = fs::remove_file(digest_file(&path));
        pack(stage.path(), &path)?;
        let digest = digest(&path)?;
        fs::write(digest_file(&path), &digest)?;
        Ok(Self { path, digest })
    }
}

/// Packs what is in `from`: sorted, of one time, nothing setuid, no devices; everything belongs to
/// root, but for what lies in or under [`VOLUME`], which belongs to [`OWNER`].
fn pack(from: &Path, to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut archive = Builder::new(BufWriter::with_capacity(1 << 20, file));
    add(&mut archive, from, Path::new(""))?;
    archive.into_inner()?.into_inner()?;
    Ok(())
}

fn add(archive: &mut Builder<impl Write>, root: &Path, below: &Path) -> Result<()> {
    let path = root.join(below);
    let metadata = path.symlink_metadata()?;
    let mut header = Header::new_gnu();
    header.set_metadata(&metadata);
    header.set_mtime(EPOCH);
    header.set_mode(metadata.mode() & 0o1777);
    let owner = if below.starts_with(VOLUME) { OWNER } else { 0 };
    header.set_uid(owner);
    header.set_gid(owner);
    let name = Path::new("./").join(below);
    if metadata.is_symlink() {
        header.set_size(0);
        archive.append_link(&mut header, name, fs::read_link(path)?)?;
    } else if metadata.is_dir() {
        header.set_size(0);
        archive.append_data(&mut header, name, io::empty())?;
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
        for entry in entries.collect::<io::Result<BTreeSet<_>>>()? {
            add(archive, root, &below.join(entry))?;
        }
    } else if metadata.is_file() {
        archive.append_data(&mut header, name, File::open(path)?)?;
    }
    Ok(())
}

/// SHA-256 of a file, in hex.
pub(super) fn digest(path: &Path) -> Result<String> {
    let said = output(Command::new("sha256sum").arg(path)).context("sha256sum does not run")?;
    let digest = said.split_whitespace().next().context("sha256sum says nothing")?;
    Ok(digest.to_owned())
}

fn digest_file(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn fill(reversed: bool) -> impl Fn(&Path) -> Result<()> {
        move |stage| {
            let mut names = ["b/deep", "a", "data"];
            if reversed {
                names.reverse();
            }
            for name in names {
                fs::create_dir_all(stage.join(name))?;
                fs::write(stage.join(name).join("file"), name)?;
            }
            fs::set_permissions(stage.join("a/file"), fs::Permissions::from_mode(0o4755))?;
            symlink("../a/file", stage.join("b/link"))?;
            Ok(())
        }
    }

    #[test]
    fn the_same_files_make_the_same_archive() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let one = Archive::make(dir.path().join("one.tar"), fill(false))?;
        let other = Archive::make(dir.path().join("other.tar"), fill(true))?;
        assert_eq!(one.digest, other.digest);
        let again = Archive::cached(one.path.clone(), |_| anyhow::bail!("made again"))?;
        assert_eq!(again.digest, one.digest);
        Ok(())
    }

    #[test]
    fn nothing_is_setuid_and_only_the_volume_is_the_sandboxes() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let made = Archive::make(dir.path().join("made.tar"), fill(false))?;
        let mut archive = tar::Archive::new(File::open(made.path)?);
        let mut owned = BTreeSet::new();
        for entry in archive.entries()? {
            let entry = entry?;
            assert_eq!(entry.header().mode()? & 0o6000, 0);
            if entry.header().uid()? == OWNER {
                owned.insert(entry.path()?.to_string_lossy().into_owned());
            }
        }
        assert_eq!(owned, ["data", "data/file"].map(str::to_owned).into());
        Ok(())
    }
}
