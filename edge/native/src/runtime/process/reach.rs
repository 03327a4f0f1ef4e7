//! Whether another user of the machine can reach a file, and what to do when not.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::EdgeError;

/// The first folder on the way to `path` that others cannot pass, itself included when it is one.
pub(crate) fn closed_above(path: &Path) -> io::Result<Option<PathBuf>> {
    let path = fs::canonicalize(path)?;
    for folder in path.ancestors() {
        let found = fs::metadata(folder)?;
        if found.is_dir() && found.permissions().mode() & 0o001 == 0 {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

/// Fails with the mend when others cannot pass on the way to `path`.
pub(crate) fn require(path: &Path) -> Result<(), EdgeError> {
    let data = |source| EdgeError::Data { path: path.to_owned(), source };
    match closed_above(path).map_err(data)? {
        None => Ok(()),
        Some(closed) => Err(EdgeError::Unreachable { path: path.to_owned(), closed }),
    }
}

/// The program as others can run it: where it is, or a copy in `bin`.
pub(crate) fn program(path: &Path, bin: &Path) -> Result<PathBuf, EdgeError> {
    let fail = |source| EdgeError::Data { path: path.to_owned(), source };
    let open = fs::metadata(path).map_err(fail)?.permissions().mode() & 0o005 == 0o005;
    if open && closed_above(path).map_err(fail)?.is_none() {
        return fs::canonicalize(path).map_err(fail);
    }
    copy(path, bin).map_err(fail)
}

/// Copies beside and renames: a program that runs from the old copy keeps it.
fn copy(path: &Path, bin: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let (target, beside) = (bin.join(name), bin.join(format!(".new-{}", std::process::id())));
    fs::copy(path, &beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(0o755))?;
    fs::rename(&beside, &target)?;
    fs::canonicalize(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder others can pass, wherever temporary ones are made.
    fn open_dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        dir
    }

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let dir = open_dir();
        let (closed, deep) = (dir.path().join("closed"), dir.path().join("closed/deep"));
        fs::create_dir_all(&deep).unwrap();
        require(&deep).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let error = require(&deep).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod o+x {}", closed.display())), "{error}");
    }

    #[test]
    fn a_program_out_of_reach_is_copied() {
        let (dir, data) = (open_dir(), open_dir());
        let program_path = dir.path().join("prog");
        fs::write(&program_path, "one").unwrap();
        fs::set_permissions(&program_path, Permissions::from_mode(0o755)).unwrap();
        let here = fs::canonicalize(&program_path).unwrap();
        assert_eq!(program(&program_path, data.path()).unwrap(), here);

        fs::set_permissions(&program_path, Permissions::from_mode(0o700)).unwrap();
        let copied = program(&program_path, data.path()).unwrap();
        assert_eq!(copied, fs::canonicalize(data.path().join("prog")).unwrap());
        assert_eq!(fs::metadata(&copied).unwrap().permissions().mode() & 0o777, 0o755);
        fs::write(&program_path, "two").unwrap();
        program(&program_path, data.path()).unwrap();
        assert_eq!(fs::read_to_string(copied).unwrap(), "two");
    }
}
