//! An archive: a tar in zstd whose first entry, `manifest.json`, says what the others must be.
//! `tar --zstd -xf` opens it by hand; links and empty folders are in the manifest alone.

use std::{
    fs,
    io::{self, BufReader, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use super::manifest::{self, DATA, FORMAT, Manifest, NAME};

/// Three times as fast as the next better one, and within a tenth of its size.
const LEVEL: i32 = 3;
/// A manifest beyond this is none, in bytes: about 300,000 files.
const LONGEST: u64 = 64 << 20;

/// Why an archive cannot be used. Names no file: those are the person's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It ends too early, or is not what was written.
    #[error("the archive cannot be read to its end: {0}")]
    Unreadable(io::Error),
    /// It reads well and is not what it says.
    #[error("{0}")]
    Wrong(String),
    /// The disk here.
    #[error("the archive cannot be unpacked: {0}")]
    Disk(#[from] io::Error),
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::Wrong(why.into()))
}

/// Writes the files of `manifest`, which lie under `from`.
pub(crate) fn write(manifest: &Manifest, from: &Path, to: impl Write) -> io::Result<()> {
    let mut zstd = zstd::Encoder::new(to, LEVEL)?;
    zstd.include_checksum(true)?;
    let mut tar = tar::Builder::new(zstd);
    let text = serde_json::to_vec(manifest)?;
    tar.append_data(&mut head(text.len() as u64, 0o600, 0), NAME, text.as_slice())?;
    for file in &manifest.files {
        let data = fs::File::open(from.join(&file.path))?;
        let modified = u64::try_from(file.modified).unwrap_or_default();
        let mut head = head(file.size, file.mode, modified);
        tar.append_data(&mut head, Path::new(DATA).join(&file.path), data)?;
    }
    tar.into_inner()?.finish()?.flush()
}

fn head(size: u64, mode: u32, modified: u64) -> tar::Header {
    let mut head = tar::Header::new_gnu();
    head.set_size(size);
    head.set_mode(mode);
    head.set_mtime(modified);
    head
}

/// Unpacks into `to`, which must be empty, and returns what it holds: all of it, verified, or an
/// error. Whatever an archive says, nothing is written outside `to`.
pub(crate) fn read(from: impl Read, to: &Path) -> Result<Manifest, Broken> {
    let zstd = zstd::Decoder::new(from).map_err(Broken::Unreadable)?;
    let mut tar = tar::Archive::new(BufReader::new(zstd));
    let manifest = {
        let mut entries = tar.entries().map_err(Broken::Unreadable)?;
        let manifest = read_manifest(entries.next())?;
        for directory in &manifest.directories {
            make(&to.join(&directory.path))?;
        }
        for (n, file) in manifest.files.iter().enumerate() {
            let n = n + 1;
            let Some(entry) = entries.next() else {
                return wrong(format!("it ends before file {n} of {}", manifest.files.len()));
            };
            unpack(entry.map_err(Broken::Unreadable)?, file, to, n)?;
        }
        if entries.next().is_some() {
            return wrong("it holds more than its manifest says");
        }
        manifest
    };
    // To the checksum at its very end.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(Broken::Unreadable)?;
    // Last: nothing is written through them.
    for link in &manifest.links {
        make_parent(&to.join(&link.path))?;
        symlink(&link.target, to.join(&link.path))?;
    }
    for directory in manifest.directories.iter().rev() {
        let mode = fs::Permissions::from_mode(directory.mode & 0o777 | 0o700);
        fs::set_permissions(to.join(&directory.path), mode)?;
    }
    Ok(manifest)
}

type Entry<'a, R> = tar::Entry<'a, R>;

/// What the manifest of any release says.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

fn read_manifest<R: Read>(first: Option<io::Result<Entry<'_, R>>>) -> Result<Manifest, Broken> {
    let Some(first) = first else { return wrong("it is empty") };
    let first = first.map_err(Broken::Unreadable)?;
    if first.path_bytes() != NAME.as_bytes() || first.size() > LONGEST {
        return wrong("it does not begin with a manifest");
    }
    let mut text = Vec::new();
    first.take(LONGEST).read_to_end(&mut text).map_err(Broken::Unreadable)?;
    // First of all: of another format nobody here knows the rest.
    match serde_json::from_slice(&text) {
        Ok(Form { format: FORMAT }) => {}
        Ok(Form { format }) => {
            let why = format!("it has format {format}, and this release reads {FORMAT}");
            return wrong(format!("{why}: the release that wrote it has to run"));
        }
        Err(_) => return wrong("its manifest says no format"),
    }
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
        return wrong("its manifest cannot be read");
    };
    if manifest.stray().is_some() {
        return wrong("its manifest names what is no part of a sandbox's memory");
    }
    Ok(manifest)
}

fn unpack<R: Read>(
    mut entry: Entry<'_, R>,
    file: &manifest::File,
    to: &Path,
    n: usize,
) -> Result<(), Broken> {
    let expected = Path::new(DATA).join(&file.path);
    let is_it = entry.path().is_ok_and(|path| path == expected);
    if !is_it || !entry.header().entry_type().is_file() {
        return wrong(format!("file {n} is not the one its manifest names"));
    }
    let path = to.join(&file.path);
    make_parent(&path)?;
    let made = fs::File::options().write(true).create_new(true).mode(0o600).open(&path);
    let mut made = made?;
    let (size, sha256) = manifest::copy(&mut entry, &mut made).map_err(Broken::Unreadable)?;
    if size != file.size || sha256 != file.sha256 {
        return wrong(format!("file {n} is not what its manifest says"));
    }
    made.set_permissions(fs::Permissions::from_mode(file.mode & 0o777))?;
    let modified = Duration::from_secs(u64::try_from(file.modified).unwrap_or_default());
    made.set_modified(SystemTime::UNIX_EPOCH + modified)?;
    Ok(())
}

fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn make_parent(path: &Path) -> io::Result<()> {
    make(path.parent().map_or(PathBuf::new(), Path::to_owned).as_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some files, as an archive.
    fn archive(dir: &Path) -> (Manifest, Vec<u8>) {
        let files = [("openclaw/db", vec![7_u8; 20_000]), ("workspace/a b/é.txt", b"x".to_vec())];
        let files = files.map(|(path, bytes)| {
            let path = PathBuf::from(path);
            make_parent(&dir.join(&path)).unwrap();
            fs::write(dir.join(&path), &bytes).unwrap();
            let (size, sha256) = manifest::copy(&mut bytes.as_slice(), &mut io::sink()).unwrap();
            manifest::File {
                path,
                mode: 0o640,
                modified: 1_795_000_000,
                size,
                sha256,
                database: false,
            }
        });
        let manifest = Manifest {
            format: FORMAT,
            lineage: "l".into(),
            root: "/data".into(),
            agent: None,
            directories: vec![manifest::Directory { path: "workspace/empty".into(), mode: 0o750 }],
            files: files.into(),
            links: vec![manifest::Link { path: "home/out".into(), target: "/etc".into() }],
        };
        let mut bytes = Vec::new();
        write(&manifest, dir, &mut bytes).unwrap();
        (manifest, bytes)
    }

    fn unpacked(bytes: &[u8]) -> Result<Manifest, Broken> {
        let to = tempfile::tempdir().unwrap();
        read(bytes, to.path())
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (manifest, bytes) = archive(dir.path());
        assert_eq!(read(bytes.as_slice(), to.path()).unwrap(), manifest);
        let there = to.path().join("workspace/a b/é.txt");
        assert_eq!(fs::read(&there).unwrap(), b"x");
        let about = fs::metadata(&there).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o640);
        let since = about.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 1_795_000_000);
        assert_eq!(fs::read_link(to.path().join("home/out")).unwrap(), Path::new("/etc"));
        assert!(to.path().join("workspace/empty").is_dir());
    }

    #[test]
    fn no_part_and_no_flipped_bit_of_an_archive_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (_, bytes) = archive(dir.path());
        for end in 0..bytes.len() {
            assert!(unpacked(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            if let Ok(manifest) = unpacked(&flipped) {
                // A bit of the frame's head that means nothing.
                assert_eq!(manifest, archive(dir.path()).0, "byte {at}");
            }
        }
        assert!(unpacked(&[]).is_err());
    }

    #[test]
    fn an_archive_that_is_not_what_it_says_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (good, _) = archive(dir.path());
        let said = |change: fn(&mut Manifest)| {
            let mut manifest = good.clone();
            change(&mut manifest);
            let (mut bytes, from) = (Vec::new(), dir.path());
            // The files are the same, the manifest is another.
            let mut zstd = zstd::Encoder::new(&mut bytes, LEVEL).unwrap();
            {
                let mut tar = tar::Builder::new(&mut zstd);
                let text = serde_json::to_vec(&manifest).unwrap();
                let mut about = head(text.len() as u64, 0o600, 0);
                tar.append_data(&mut about, NAME, text.as_slice()).unwrap();
                for file in &good.files {
                    let name = Path::new(DATA).join(&file.path);
                    tar.append_path_with_name(from.join(&file.path), name).unwrap();
                }
                tar.finish().unwrap();
            }
            zstd.finish().unwrap();
            unpacked(&bytes).map_err(|error| error.to_string())
        };
        assert!(said(|_| {}).is_ok());
        let refused = |change| said(change).unwrap_err();
        assert!(refused(|it| it.format = 2).contains("format 2"));
        let mut newer = tar::Builder::new(zstd::Encoder::new(Vec::new(), LEVEL).unwrap());
        let text = br#"{"format":2,"parts":{}}"#;
        newer.append_data(&mut head(text.len() as u64, 0o600, 0), NAME, &text[..]).unwrap();
        let newer = newer.into_inner().unwrap().finish().unwrap();
        assert!(unpacked(&newer).unwrap_err().to_string().contains("format 2"), "of another shape");
        assert!(refused(|it| it.files[1].sha256.replace_range(..1, "x")).contains("file 2"));
        assert!(refused(|it| it.files.truncate(1)).contains("more than"));
        assert!(refused(|it| it.files.reverse()).contains("not the one"));
        assert!(refused(|it| it.links[0].path = "../out".into()).contains("no part"));
        assert!(refused(|it| it.files.push(it.files[0].clone())).contains("ends before"));
    }
}
