//! The Unix sockets between the edge and the sandboxes of this machine, in `<data>/run`: one per
//! sandbox, which it inherits and which nobody but the edge can reach, and one for all of them, where
//! they call the model.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use zaki_envelope::SandboxName;

use crate::{EdgeError, edge::make_dir};

/// The name of the model proxy's socket in its folder.
pub(crate) const MODEL: &str = "model.sock";

/// Where they are.
pub(crate) struct Sockets {
    run: PathBuf,
    own: PathBuf,
    /// Open as long as the edge runs. A socket's address has 107 bytes (unix(7)), fewer than some
    /// data directory's path: it is told by what is open instead.
    own_open: File,
    model_open: File,
}

impl Sockets {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, EdgeError> {
        let run = std::path::absolute(data_dir.join("run"));
        let run = run.map_err(|source| EdgeError::Data { path: data_dir.to_owned(), source })?;
        let (own, model) = (run.join("sandboxes"), run.join("model"));
        for (path, mode) in [(&run, 0o711), (&own, 0o700), (&model, 0o755)] {
            make_dir(path, mode)?;
        }
        let open = |path: &Path| {
            File::open(path).map_err(|source| EdgeError::Data { path: path.to_owned(), source })
        };
        Ok(Self { own_open: open(&own)?, model_open: open(&model)?, run, own })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.run
    }

    /// Where the sandboxes' own ones are.
    pub(crate) fn own(&self) -> &Path {
        &self.own
    }

    /// How to call this sandbox, whoever gave it its socket.
    pub(crate) fn of(&self, name: &SandboxName) -> PathBuf {
        opened(&self.own_open, &file_name(name))
    }

    /// A new one for a sandbox that is to start. Who was called by it before hears nothing more.
    pub(crate) fn listen(&self, name: &SandboxName) -> io::Result<UnixListener> {
        listen(&self.of(name), 0o600)
    }

    /// The one for model calls; whoever listened there before is gone.
    pub(crate) fn listen_for_models(&self) -> io::Result<UnixListener> {
        // Whoever gets here has still to show a sandbox's token.
        listen(&opened(&self.model_open, MODEL), 0o666)
    }
}

fn file_name(name: &SandboxName) -> String {
    format!("{name}.sock")
}

fn opened(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use zaki_envelope::{SandboxKind, Timestamp, ZakiUserId};

    use super::*;

    #[test]
    fn a_socket_is_found_again_however_long_the_way_to_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("a".repeat(120));
        let sockets = Sockets::open(&long).unwrap();
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let name = SandboxName::new(user, &SandboxKind::Personal).unwrap();
        assert!(UnixStream::connect(sockets.of(&name)).is_err());
        let first = sockets.listen(&name).unwrap();
        // As the next edge finds it.
        let again = Sockets::open(&long).unwrap();
        UnixStream::connect(again.of(&name)).unwrap();
        first.accept().unwrap();
        let second = sockets.listen(&name).unwrap();
        UnixStream::connect(again.of(&name)).unwrap();
        second.accept().unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(sockets.own().to_owned()), 0o700);
        let _models = sockets.listen_for_models().unwrap();
        assert_eq!(mode(sockets.dir().join("model").join(MODEL)), 0o666);
    }
}
