//! What of a sandbox's directory is its memory, and what is not worth keeping.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::layout::Layout;

/// What a backup holds of the state directory. All else belongs to this start, or can be made anew;
/// the journal stays out, since the edge knows how turns ended, and must not learn otherwise.
pub(crate) const KEPT: [&str; 7] = [
    "openclaw",
    "workspace",
    "workspace-group",
    "home",
    "models.json",
    "reminders.json",
    "lineage",
];

/// Names that are never kept, as OpenClaw's own backup leaves them out: what runs, not what is.
const NEVER: [&str; 3] = ["sock", "pid", "tmp"];

/// Folders that are made anew, from the state directory.
const REMADE: [&str; 7] = [
    "openclaw/tmp",
    "openclaw/logs",
    "openclaw/npm",
    "openclaw/tools",
    "openclaw/plugin-skills",
    "home/.cache",
    "home/.npm",
];

/// The first bytes of every SQLite database (sqlite.org/fileformat2).
const DATABASE: &[u8] = b"SQLite format 3\0";

/// One thing to keep; `path` from the state directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    /// Seconds since the epoch.
    pub(crate) modified: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    /// A database, which is never copied as a file while somebody has it open.
    Database,
    Link(PathBuf),
}

/// Everything to keep, folders before what is in them.
pub(crate) fn find(layout: &Layout) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for name in KEPT {
        visit(layout.root(), Path::new(name), &mut found)?;
    }
    Ok(found)
}

fn visit(root: &Path, path: &Path, found: &mut Vec<Found>) -> io::Result<()> {
    let whole = root.join(path);
    let about = match fs::symlink_metadata(&whole) {
        // It may go while we look.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        about => about?,
    };
    if is_left_out(path) {
        return Ok(());
    }
    if path.to_str().is_none() {
        // The manifest is text.
        tracing::warn!(path = %path.display(), "a name that is no text is not backed up");
        return Ok(());
    }
    let kind = if about.is_dir() {
        Kind::Directory
    } else if about.is_symlink() {
        Kind::Link(fs::read_link(&whole)?)
    } else if !about.is_file() || is_beside_database(&whole) {
        return Ok(());
    } else if is_database(&whole)? {
        Kind::Database
    } else {
        Kind::File
    };
    let is_dir = kind == Kind::Directory;
    let mode = about.permissions().mode() & 0o777;
    found.push(Found { path: path.to_owned(), kind, mode, modified: about.mtime() });
    if is_dir {
        let mut names = fs::read_dir(&whole)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            visit(root, &path.join(name), found)?;
        }
    }
    Ok(())
}

fn is_left_out(path: &Path) -> bool {
    let ends = path.extension().and_then(OsStr::to_str);
    REMADE.iter().any(|remade| path == Path::new(remade))
        || ends.is_some_and(|end| NEVER.contains(&end))
}

/// The log and the index of a database belong to it, and are in its copy.
fn is_beside_database(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
    let of = ["-wal", "-shm", "-journal"].iter().find_map(|end| name.strip_suffix(end));
    of.is_some_and(|name| is_database(&path.with_file_name(name)).unwrap_or(false))
}

/// Whether a file is an SQLite database.
pub(crate) fn is_database(path: &Path) -> io::Result<bool> {
    let mut head = Vec::with_capacity(DATABASE.len());
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    io::Read::read_to_end(&mut io::Read::take(file, DATABASE.len() as u64), &mut head)?;
    Ok(head == DATABASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_and_what_belongs_to_a_start_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        let put = |path: &str, text: &[u8]| {
            let path = layout.root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("openclaw/state/openclaw.sqlite", b"SQLite format 3\0...");
        put("openclaw/state/openclaw.sqlite-wal", b"log");
        put("openclaw/notes-wal", b"no database's");
        for not in ["openclaw/tmp/gateway.lock", "openclaw/logs/x.log", "home/.cache/x", "lock"] {
            put(not, b"x");
        }
        put("workspace/a.sock", b"x");
        put("workspace/.hidden/story.txt", b"x");
        put("journal/t.jsonl", b"x");
        std::os::unix::fs::symlink("/etc/passwd", layout.root().join("workspace/link")).unwrap();
        let found = find(&layout).unwrap();
        let files: Vec<_> = found.iter().filter(|it| it.kind != Kind::Directory).collect();
        let paths: Vec<_> = files.iter().map(|it| it.path.to_str().unwrap()).collect();
        let kept = [
            "openclaw/notes-wal",
            "openclaw/state/openclaw.sqlite",
            "workspace/.hidden/story.txt",
            "workspace/link",
        ];
        assert_eq!(paths, kept);
        assert_eq!(files[1].kind, Kind::Database);
        assert_eq!(files[3].kind, Kind::Link("/etc/passwd".into()));
    }
}
