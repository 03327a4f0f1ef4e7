//! One file per turn, so that a crash of this program loses no turn and no event.
//!
//! `<turn>.jsonl` holds the request, then one event per line. Every line is written before anybody
//! sees its event; `started`, `final` and `error` are also synced to the disk. `<turn>.end.json`
//! holds nothing but the last event of a turn whose reader has it: enough to answer a repeat.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use zaki_envelope::{
    TurnId,
    wire::{TurnEvent, TurnRequest},
};

/// The journal's directory.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
}

/// The journal of one running turn.
#[derive(Clone, Debug)]
pub(crate) struct TurnLog(Arc<File>);

/// What was found on the disk.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A turn with everything that happened in it.
    Whole(TurnRequest, Vec<TurnEvent>, TurnLog),
    /// The end of a turn that was acknowledged.
    End(TurnId, TurnEvent),
}

impl Journal {
    /// Opens or makes the directory.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.into() })
    }

    /// Everything kept. Files that cannot be read are left alone and logged.
    pub(crate) fn load(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            match read(&path) {
                Ok(Some(turn)) => kept.push(turn),
                Ok(None) => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "unreadable journal"),
            }
        }
        Ok(kept)
    }

    /// Makes a turn durable before anything is done for it.
    pub(crate) fn begin(&self, request: &TurnRequest) -> io::Result<TurnLog> {
        let mut file = options().create_new(true).open(self.live(request.turn))?;
        file.write_all(&line(request)?)?;
        file.sync_all()?;
        File::open(&self.dir)?.sync_all()?;
        Ok(TurnLog(Arc::new(file)))
    }

    /// Keeps only the end of a turn.
    pub(crate) fn bury(&self, turn: TurnId, end: &TurnEvent) -> io::Result<()> {
        let part = self.dir.join(format!("{turn}.part"));
        let mut file = options().create(true).truncate(true).open(&part)?;
        file.write_all(&line(end)?)?;
        file.sync_data()?;
        fs::rename(&part, self.end(turn))?;
        remove(&self.live(turn))
    }

    /// Forgets a turn altogether.
    pub(crate) fn forget(&self, turn: TurnId) -> io::Result<()> {
        remove(&self.live(turn))?;
        remove(&self.end(turn))
    }

    fn live(&self, turn: TurnId) -> PathBuf {
        self.dir.join(format!("{turn}.jsonl"))
    }

    fn end(&self, turn: TurnId) -> PathBuf {
        self.dir.join(format!("{turn}.end.json"))
    }
}

impl TurnLog {
    /// Appends an event; with `sync`, waits until the disk has it.
    pub(crate) async fn append(&self, event: &TurnEvent, sync: bool) -> io::Result<()> {
        (&*self.0).write_all(&line(event)?)?;
        if sync {
            let file = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || file.sync_data()).await??;
        }
        Ok(())
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Option<Kept>> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    if let Some(turn) = name.strip_suffix(".end.json").and_then(|id| id.parse().ok()) {
        let end = serde_json::from_slice(&fs::read(path)?)?;
        return Ok(Some(Kept::End(turn, end)));
    }
    if name.strip_suffix(".jsonl").is_none() {
        return Ok(None);
    }
    // A crash in the middle of a write leaves half a line: nobody saw that event, so it goes.
    let text = fs::read(path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n');
    let whole = text.get(..whole.map_or(0, |at| at + 1)).unwrap_or_default();
    let mut lines = whole.split_inclusive(|byte| *byte == b'\n');
    let request = serde_json::from_slice(lines.next().unwrap_or_default())?;
    let events = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
    let file = OpenOptions::new().append(true).open(path)?;
    file.set_len(whole.len() as u64)?;
    Ok(Some(Kept::Whole(request, events, TurnLog(Arc::new(file)))))
}
