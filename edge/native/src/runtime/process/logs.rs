//! What is told of a sandbox outside of it: its program's own log, and what its gateway printed last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};

/// As much of the end of a log is looked at, in bytes.
const TAIL: u64 = 256 * 1024;

/// The last lines of each.
pub(super) fn read(log: &Path, state: &Path, lines: usize) -> BTreeMap<String, String> {
    let ours = open(log, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let theirs = beneath(state, "logs/gateway.out");
    let found = [("sandbox", ours.map(File::from)), ("gateway", theirs)];
    let told = found.into_iter().filter_map(|(name, file)| {
        let text = tail(file.ok()?, lines).ok()?;
        (!text.is_empty()).then(|| (name.to_owned(), text))
    });
    told.collect()
}

/// Whoever works in a sandbox may have put anything there, and leads nobody out of it, nor into
/// something that never ends.
fn beneath(state: &Path, name: &str) -> rustix::io::Result<File> {
    let directory = openat2(
        CWD,
        state,
        OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::empty(),
    )?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(directory, name, flags, Mode::empty(), inside).map(File::from)
}

fn tail(mut file: File, lines: usize) -> io::Result<String> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(String::new());
    }
    file.seek(SeekFrom::Start(about.len().saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let skipped = text.lines().count().saturating_sub(lines);
    Ok(text.lines().skip(skipped).flat_map(|line| [line, "\n"]).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_last_lines_are_told_and_no_link_is_followed_out() {
        let dir = tempfile::tempdir().unwrap();
        let (log, state) = (dir.path().join("x.log"), dir.path().join("state"));
        fs::create_dir_all(state.join("logs")).unwrap();
        let gateway = state.join("logs/gateway.out");
        let told = |lines| read(&log, &state, lines);
        assert_eq!(told(9), BTreeMap::new());
        fs::write(&log, "one\ntwo\n").unwrap();
        fs::write(&gateway, "three\nfour\n").unwrap();
        let lines = |of: [(&str, &str); 2]| of.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(told(1), lines([("gateway", "four\n"), ("sandbox", "two\n")]));
        let secret = dir.path().join("secret");
        fs::write(&secret, "a secret").unwrap();
        for target in [&secret, Path::new("../../secret"), Path::new("/proc/self/environ")] {
            fs::remove_file(&gateway).unwrap();
            symlink(target, &gateway).unwrap();
            assert!(!told(9).contains_key("gateway"), "{}", target.display());
        }
        fs::remove_dir_all(state.join("logs")).unwrap();
        fs::write(dir.path().join("gateway.out"), "a secret").unwrap();
        symlink(dir.path(), state.join("logs")).unwrap();
        assert!(!told(9).contains_key("gateway"));
    }

    /// A pipe nobody writes to holds nobody up.
    #[test]
    fn only_a_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir_all(state.join("logs")).unwrap();
        let fifo = state.join("logs/gateway.out");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(read(&dir.path().join("none"), &state, 9), BTreeMap::new());
    }
}
