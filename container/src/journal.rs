//! One file per turn, so that a crash of this program loses no turn and no event.
//!
//! `<turn>.jsonl` holds the request, then one event per line; with a steered message, what it said.
//! Every line is written before anybody sees its event; all but text and tools are also synced to
//! the disk. `<turn>.end.json` holds nothing but the last event of a turn whose reader has it:
//! enough to answer a repeat. A file gets its name when it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use zaki_envelope::{
    Part, TurnId,
    wire::{SteerRequest, TurnEvent, TurnEventKind, TurnRequest},
};

/// The journal's directory.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
}

/// The journal of one running turn.
#[derive(Clone, Debug)]
pub(crate) struct TurnLog {
    file: Arc<File>,
    /// As long as it is whole, in bytes.
    whole: Arc<AtomicU64>,
}

/// One line behind the request.
#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    event: TurnEvent,
    #[serde(default)]
    said: Option<Vec<Part>>,
}

#[derive(Serialize)]
struct LineRef<'a> {
    #[serde(flatten)]
    event: &'a TurnEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<&'a [Part]>,
}

/// What was found on the disk.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A turn with everything that happened in it, and what was steered into it.
    Whole(TurnRequest, Vec<TurnEvent>, Vec<SteerRequest>, TurnLog),
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
        let line = line(request)?;
        let file = self.write(request.turn, &self.live(request.turn), &line)?;
        File::open(&self.dir)?.sync_all()?;
        Ok(TurnLog::new(file, line.len() as u64))
    }

    /// Keeps only the end of a turn.
    pub(crate) fn bury(&self, turn: TurnId, end: &TurnEvent) -> io::Result<()> {
        self.write(turn, &self.end(turn), &line(end)?)?;
        remove(&self.live(turn))
    }

    /// Writes beside and renames: a crash leaves all of it or nothing.
    fn write(&self, turn: TurnId, path: &Path, line: &[u8]) -> io::Result<File> {
        let part = self.dir.join(format!("{turn}.part"));
        remove(&part)?;
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(line)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        Ok(file)
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
    fn new(file: File, whole: u64) -> Self {
        Self { file: Arc::new(file), whole: Arc::new(AtomicU64::new(whole)) }
    }

    /// Appends an event, with what was said in it; returns when the disk has it, where that
    /// matters. An event that is not whole is taken back, so that it spoils none behind it.
    pub(crate) async fn append(&self, event: &TurnEvent, said: Option<&[Part]>) -> io::Result<()> {
        let line = line(&LineRef { event, said })?;
        let whole = self.whole.load(Ordering::Acquire);
        let written = match (&*self.file).write_all(&line) {
            Ok(()) if is_kept(&event.kind) => {
                let file = Arc::clone(&self.file);
                tokio::task::spawn_blocking(move || file.sync_data()).await?
            }
            written => written,
        };
        match written {
            Ok(()) => self.whole.store(whole + line.len() as u64, Ordering::Release),
            Err(_) => self.file.set_len(whole)?,
        }
        written
    }
}

/// Whether the disk must have it before anybody relies on it.
const fn is_kept(kind: &TurnEventKind) -> bool {
    kind.is_end() || matches!(kind, TurnEventKind::Started { .. } | TurnEventKind::Steered { .. })
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
    let lines: Vec<Line> = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
    let steered = lines.iter().filter_map(steered).collect();
    let events = lines.into_iter().map(|line| line.event).collect();
    let file = OpenOptions::new().append(true).open(path)?;
    file.set_len(whole.len() as u64)?;
    Ok(Some(Kept::Whole(request, events, steered, TurnLog::new(file, whole.len() as u64))))
}

fn steered(line: &Line) -> Option<SteerRequest> {
    let TurnEventKind::Steered { steer } = line.event.kind else { return None };
    Some(SteerRequest { steer, parts: line.said.clone().unwrap_or_default() })
}
