//! Backups of this sandbox's memory: a consistent copy, made while the agent rests, which becomes an
//! archive while it works again.

mod archive;
mod copy;
mod files;
mod manifest;

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use axum::body::Bytes;
use rand::RngCore;
use tokio::sync::mpsc;
use zaki_envelope::wire::AgentInfo;

pub(crate) use archive::{Broken, read};
pub(crate) use copy::CopyError;
pub(crate) use files::{KEPT, is_database};
pub(crate) use manifest::Manifest;

use crate::layout::Layout;

/// So many pieces of an archive wait to be read before more are made.
const AHEAD: usize = 4;
/// The size of a piece, in bytes.
const PIECE: usize = 128 * 1024;

/// The pieces of an archive; an error is its end.
pub(crate) type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// A copy, which is removed when nobody needs it any more.
#[derive(Debug)]
pub(crate) struct Copy {
    dir: PathBuf,
    found: Vec<files::Found>,
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Copy {
    /// Copies the memory; the agent must rest. Whatever an earlier copy left is removed.
    pub(crate) fn make(layout: &Layout) -> Result<Self, CopyError> {
        let dir = layout.root().join("backup.part");
        let _ = fs::remove_dir_all(&dir);
        let mut copy = Self { dir, found: Vec::new() };
        fs::create_dir_all(&copy.dir)?;
        // First, so that it is part of the copy.
        lineage(layout)?;
        // It is read by nobody who could not read the state.
        copy.found = copy::copy(layout, &copy.dir)?;
        Ok(copy)
    }

    /// Reads it once more; the agent may work again.
    pub(crate) fn describe(
        &mut self,
        layout: &Layout,
        agent: Option<AgentInfo>,
    ) -> Result<Manifest, CopyError> {
        let found = std::mem::take(&mut self.found);
        copy::describe(&self.dir, found, layout, lineage(layout)?, agent)
    }

    /// Turns it into an archive, piece by piece as they are read.
    pub(crate) fn pack(self, manifest: Manifest, held: impl Send + 'static) -> Pieces {
        let (pieces, read) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut out = BufWriter::with_capacity(PIECE, Sender(pieces));
            let packed = archive::write(&manifest, &self.dir, &mut out).and_then(|()| out.flush());
            if let Err(error) = packed {
                let (Sender(pieces), _) = out.into_parts();
                // Whoever does not read any more need not hear it.
                let _ = pieces.blocking_send(Err(error));
            }
            drop(held);
        });
        read
    }
}

/// Which memory this is; drawn at its first backup, and part of it.
pub(crate) fn lineage(layout: &Layout) -> io::Result<String> {
    let path = layout.root().join("lineage");
    match fs::read_to_string(&path) {
        Ok(known) => Ok(known),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 16];
            rand::rng().fill_bytes(&mut bytes);
            let drawn = hex::encode(bytes);
            write_whole(&path, drawn.as_bytes())?;
            Ok(drawn)
        }
        Err(error) => Err(error),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(part, path)
}

/// The writing end of an archive.
struct Sender(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let sent = self.0.blocking_send(Ok(piece));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The state as it would be with this story, as an archive; the state itself stays as it is.
    pub(crate) fn archive_of(layout: &Layout, story: &str) -> Vec<u8> {
        let note = layout.root().join("workspace/story");
        let database = layout.openclaw().join("state/openclaw.sqlite");
        let old = fs::read(&note).unwrap();
        fs::write(&note, story).unwrap();
        fs::create_dir_all(database.parent().unwrap()).unwrap();
        let db = rusqlite::Connection::open(&database).unwrap();
        db.execute_batch("CREATE TABLE IF NOT EXISTS t (x TEXT)").unwrap();
        drop(db);
        let choices = fs::read(layout.choices()).ok();
        let _ = fs::remove_file(layout.choices());
        let mut copy = Copy::make(layout).unwrap();
        let manifest = copy.describe(layout, None).unwrap();
        let mut bytes = Vec::new();
        archive::write(&manifest, &copy.dir, &mut bytes).unwrap();
        fs::write(note, old).unwrap();
        if let Some(choices) = choices {
            fs::write(layout.choices(), choices).unwrap();
        }
        bytes
    }

    #[tokio::test]
    async fn an_archive_is_read_piece_by_piece_and_its_copy_goes() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        let noise: Vec<u8> = (0..3 * PIECE)
            .map(|n| (n * n % 251).to_le_bytes()[0] ^ (n >> 9).to_le_bytes()[0])
            .collect();
        fs::write(layout.root().join("workspace/noise"), noise).unwrap();
        let mut copy = Copy::make(&layout).unwrap();
        let manifest = copy.describe(&layout, None).unwrap();
        assert_eq!(manifest.lineage, lineage(&layout).unwrap(), "it stays the same");
        let mut pieces = copy.pack(manifest.clone(), ());
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.recv().await {
            bytes.extend(piece.unwrap());
        }
        let to = tempfile::tempdir().unwrap();
        assert_eq!(read(bytes.as_slice(), to.path()).unwrap(), manifest);
        while layout.root().join("backup.part").exists() {
            tokio::task::yield_now().await;
        }
    }
}
