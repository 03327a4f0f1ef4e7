//! Putting a backup in the place of the state: unpacked and verified beside it, then exchanged so
//! that a crash leaves the old or, from the next start on, the new.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zaki_envelope::wire::BackupSummary;

use crate::{
    backup::{Broken, KEPT, read},
    layout::Layout,
};

/// What is unpacked lies here until all of it is.
const PART: &str = "restore.part";
/// Its presence says: what lies in [`PART`] is whole, and is to take the place of the state.
const DECIDED: &str = "restore.json";
/// What was there before, until it is removed.
const REPLACED: &str = "replaced";

/// The decision, with what it needs.
#[derive(Serialize, Deserialize)]
struct Decision {
    /// What of the state directory the backup brings; all else that a backup holds is removed.
    names: Vec<String>,
}

/// Unpacks and verifies, and returns what it is; touches nothing of the state.
pub(crate) fn stage(layout: &Layout, archive: impl io::Read) -> Result<BackupSummary, Broken> {
    let part = layout.root().join(PART);
    remove(&part)?;
    fs::create_dir(&part)?;
    let read = read(archive, &part).and_then(|manifest| {
        let here = layout.root().to_string_lossy();
        if manifest.root == here {
            return Ok(manifest.summary());
        }
        let why = format!("it is of {}, and an agent's state cannot move to {here}", manifest.root);
        Err(Broken::Wrong(why))
    });
    if read.is_err() {
        remove(&part)?;
    }
    read
}

/// Makes what was staged the state. Nothing may run on it meanwhile.
pub(crate) fn commit(layout: &Layout) -> io::Result<()> {
    let part = layout.root().join(PART);
    let here = |name: &&str| fs::symlink_metadata(part.join(name)).is_ok();
    let names = KEPT.iter().filter(|name| here(name)).map(|&name| name.to_owned()).collect();
    sync_all(&part)?;
    let decided = layout.root().join(DECIDED);
    let draft = layout.root().join("restore.draft");
    fs::write(&draft, serde_json::to_vec(&Decision { names })?)?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(draft, &decided)?;
    sync(layout.root())?;
    finish(layout).map(drop)
}

/// Does what was decided, as far as it is not done; `false`: nothing was. To be called before
/// anything else looks at the state.
pub(crate) fn finish(layout: &Layout) -> io::Result<bool> {
    let root = layout.root();
    let (part, replaced, decided) = (root.join(PART), root.join(REPLACED), root.join(DECIDED));
    let Some(decision) = decision(&decided)? else {
        remove(&part)?;
        remove(&replaced)?;
        return Ok(false);
    };
    fs::create_dir_all(&replaced)?;
    for name in KEPT {
        let (new, here) = (part.join(name), root.join(name));
        let brought = decision.names.iter().any(|it| it == name);
        // One that was brought and is not there any more has been put in place.
        if brought && fs::symlink_metadata(&new).is_err() {
            continue;
        }
        set_aside(&here, &replaced)?;
        if brought {
            fs::rename(new, here)?;
        }
    }
    for changed in [root, part.as_path(), replaced.as_path()] {
        // A crash may have removed one already.
        if fs::symlink_metadata(changed).is_ok() {
            sync(changed)?;
        }
    }
    fs::remove_file(decided)?;
    sync(root)?;
    remove(&part)?;
    remove(&replaced)?;
    // What the backup had none of.
    Layout::create(root).map(|_| true)
}

fn decision(path: &Path) -> io::Result<Option<Decision>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn set_aside(path: &Path, replaced: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let mut to: PathBuf = replaced.join(path.file_name().unwrap_or_default());
    // A crash may have left one there already.
    while fs::symlink_metadata(&to).is_ok() {
        to.as_mut_os_string().push("~");
    }
    fs::rename(path, to)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Everything written below `path` is on the disk when this returns, and with it whatever else was
/// written to that file system: once is enough.
fn sync_all(path: &Path) -> io::Result<()> {
    let dir = fs::File::open(path)?;
    nix::unistd::syncfs(&dir)?;
    Ok(())
}

/// What was renamed in or out of the directory `path` is on the disk when this returns.
fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::tests::archive_of;

    fn layout(dir: &Path) -> Layout {
        let layout = Layout::create(&dir.join("state")).unwrap();
        fs::write(layout.root().join("workspace/story"), "the old one").unwrap();
        fs::write(layout.choices(), "{}").unwrap();
        fs::write(layout.journal().join("turn"), "stays").unwrap();
        layout
    }

    fn story(layout: &Layout) -> String {
        fs::read_to_string(layout.root().join("workspace/story")).unwrap()
    }

    fn names(layout: &Layout) -> Vec<String> {
        let names = fs::read_dir(layout.root()).unwrap();
        let mut names: Vec<_> =
            names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_whole_archive_takes_the_place_of_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let archive = archive_of(&layout, "the new one");
        assert_eq!(story(&layout), "the old one");
        let staged = stage(&layout, archive.as_slice()).unwrap();
        assert_eq!((staged.databases, story(&layout).as_str()), (1, "the old one"));
        commit(&layout).unwrap();
        assert_eq!(story(&layout), "the new one");
        assert!(!layout.choices().exists(), "what the backup does not have is gone");
        assert!(layout.journal().join("turn").exists(), "what no backup has stays");
        let left = names(&layout);
        assert!(!left.iter().any(|it| it.starts_with("re")), "{left:?}");
    }

    #[test]
    fn a_broken_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let archive = archive_of(&layout, "the new one");
        let before = names(&layout);
        let mut flipped = archive.clone();
        let at = archive.len() / 2;
        flipped[at] ^= 1;
        for broken in [&archive[..at], &archive[..archive.len() - 1], &flipped, &[]] {
            assert!(stage(&layout, broken).is_err());
            assert!(!finish(&layout).unwrap());
            assert_eq!((story(&layout).as_str(), names(&layout)), ("the old one", before.clone()));
        }
    }

    /// Killed after any step of the exchange: the next start finishes it, and has all of the new.
    #[test]
    fn a_crash_in_between_is_finished_by_the_next_start() {
        for steps in 0..=KEPT.len() * 2 {
            let dir = tempfile::tempdir().unwrap();
            let layout = layout(dir.path());
            let archive = archive_of(&layout, "the new one");
            stage(&layout, archive.as_slice()).unwrap();
            let (root, part) = (layout.root(), layout.root().join(PART));
            let brought = |name: &str| part.join(name).exists();
            let names = KEPT.iter().filter(|name| brought(name)).map(|&it| it.to_owned());
            let decision = Decision { names: names.collect() };
            fs::write(root.join(DECIDED), serde_json::to_vec(&decision).unwrap()).unwrap();
            // The first so many renames of `finish`, by hand.
            let mut left = i32::try_from(steps).unwrap();
            let mut go = || {
                left -= i32::from(left >= 0);
                left >= 0
            };
            fs::create_dir_all(root.join(REPLACED)).unwrap();
            for name in KEPT {
                if root.join(name).exists() && go() {
                    fs::rename(root.join(name), root.join(REPLACED).join(name)).unwrap();
                }
                if brought(name) && !root.join(name).exists() && go() {
                    fs::rename(part.join(name), root.join(name)).unwrap();
                }
            }
            assert!(finish(&layout).unwrap(), "after {steps} steps");
            assert_eq!(story(&layout), "the new one", "after {steps} steps");
            assert!(!layout.choices().exists() && !root.join(REPLACED).exists());
        }
    }

    #[test]
    fn a_state_cannot_move() {
        let dir = tempfile::tempdir().unwrap();
        let archive = archive_of(&layout(dir.path()), "elsewhere");
        let other = tempfile::tempdir().unwrap();
        let why = stage(&layout(other.path()), archive.as_slice()).unwrap_err().to_string();
        assert!(why.contains("cannot move"), "{why}");
    }
}
