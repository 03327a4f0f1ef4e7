//! Where what the agent plans belongs: noted when a job is made, looked up when it has run. The
//! gateway knows of sessions alone, and one session is spoken in on several channels.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zaki_envelope::{
    PlaceId, ProactiveId, Timestamp,
    wire::proactive::{Proactive, cut},
};

use crate::gateway::jobs::{Job, Run};

/// So long the place of a job is kept that is no more, in milliseconds: its last run may be heard of
/// later.
const GONE_MS: i64 = 24 * 3_600_000;
/// A job that fails every time is told of once in so long, in milliseconds.
const FAILING_MS: i64 = 24 * 3_600_000;
/// By no more than that a start puts off what it is too late for, in milliseconds: two minutes, and
/// some for those that run one after the other.
const PUT_OFF_MS: i64 = 150_000;
/// So many places are remembered that a session was spoken in before.
const LEFT: usize = 16;
/// What a job is called that has no name.
const NAMELESS: &str = "…";
/// So many runs are remembered as heard of; older ones count as heard of, too.
const REMEMBERED: usize = 1_000;

/// What is noted. On the disk before anything rests on it.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    notes: Mutex<Notes>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Notes {
    /// Where each session was spoken in last.
    sessions: BTreeMap<String, PlaceId>,
    /// Where each was before, and until when, the earliest first.
    left: BTreeMap<String, Vec<(PlaceId, Timestamp)>>,
    jobs: BTreeMap<String, Noted>,
    /// Runs that ended by then are heard of.
    floor: Timestamp,
    /// Later ones that are, and when they ended.
    heard: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Noted {
    /// `None`: nobody knows.
    place: Option<PlaceId>,
    /// When it is to run, as it was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    /// Since when it is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<Timestamp>,
    /// What it is called; `None`: nobody has asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// It is to run once.
    #[serde(default)]
    once: bool,
    /// It fails, and its person was told so then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing: Option<Timestamp>,
}

impl Noted {
    fn new(place: Option<PlaceId>) -> Self {
        Self { place, due: None, gone: None, name: None, once: false, failing: None }
    }

    /// Whether somebody waits for what did not come at that time. What is to run once and has not
    /// gone is tried again.
    fn disappoints(&self, at: Timestamp) -> bool {
        let is_over = !self.once || self.gone.is_some();
        is_over && self.failing.is_none_or(|told| at.since(told) >= FAILING_MS)
    }
}

impl Book {
    /// As it was kept at `path`. Runs that ended before there was one are nobody's.
    pub(crate) fn open(path: &Path, now: Timestamp) -> io::Result<Self> {
        let notes = read(path)?.unwrap_or_else(|| Notes { floor: now, ..Notes::default() });
        Ok(Self { path: path.to_owned(), notes: Mutex::new(notes) })
    }

    /// As it is kept now: another state has taken the place of the one it was of.
    pub(crate) fn reload(&self, now: Timestamp) {
        match read(&self.path) {
            Ok(notes) => {
                *self.lock() = notes.unwrap_or_else(|| Notes { floor: now, ..Notes::default() });
            }
            Err(error) => tracing::warn!(%error, "where jobs belong cannot be read"),
        }
    }

    /// A session is spoken in at this place from now on.
    pub(crate) fn enter(&self, session: &str, place: PlaceId, now: Timestamp) -> io::Result<()> {
        self.change(|notes| notes.enter(session, place, now))
    }

    /// The jobs there are: those that are new belong where their session was spoken in when they were
    /// made. Returns those whose one time has passed while no gateway ran, and which it has put off.
    pub(crate) fn learn<'j>(&self, jobs: &'j [Job], now: Timestamp) -> io::Result<Vec<&'j Job>> {
        self.change(|notes| notes.learn(jobs, now))?;
        let notes = self.lock();
        Ok(jobs.iter().filter(|job| notes.was_missed(job, now)).collect())
    }

    /// What these runs, the newest first, have to say that nobody has heard. Of a job that has failed
    /// only the last word counts.
    pub(crate) fn unheard(&self, runs: &[Run]) -> Vec<Proactive> {
        let notes = self.lock();
        let mut jobs = HashSet::new();
        let fresh = runs.iter().filter(|run| notes.is_fresh(run));
        let said = fresh.filter_map(|run| {
            let is_last = jobs.insert(&run.job_id);
            notes.message(run).filter(|said| is_last || !said.failed)
        });
        said.collect()
    }

    /// The person will hear of these runs, the newest of which comes first.
    pub(crate) fn hear(&self, runs: &[Run]) -> io::Result<()> {
        self.change(|notes| {
            for run in runs.iter().rev() {
                notes.hear(run);
            }
            notes.forget_oldest();
        })
    }

    /// Where a session was spoken in last.
    pub(crate) fn place_of(&self, session: &str) -> Option<PlaceId> {
        self.lock().place_of(session)
    }

    /// Changes the notes and keeps them, if that is a change; what cannot be kept is not noted.
    fn change(&self, change: impl FnOnce(&mut Notes)) -> io::Result<()> {
        let mut notes = self.lock();
        let mut changed = notes.clone();
        change(&mut changed);
        if changed != *notes {
            keep(&self.path, &changed)?;
            *notes = changed;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn enter(&mut self, session: &str, place: PlaceId, now: Timestamp) {
        let before = self.sessions.insert(session.to_owned(), place);
        let Some(before) = before.filter(|before| *before != place) else { return };
        let left = self.left.entry(session.to_owned()).or_default();
        left.push((before, now));
        left.drain(..left.len().saturating_sub(LEFT));
    }

    /// Where the session of a job was spoken in when it was made.
    fn place_of_new(&self, job: &Job) -> Option<PlaceId> {
        let (session, made) = (job.session()?, job.made_at());
        let mut left = self.left.get(session).into_iter().flatten();
        let then = left.find(|(_, until)| made.is_some_and(|made| made < *until));
        then.map(|(place, _)| *place).or_else(|| self.place_of(session))
    }

    fn learn(&mut self, jobs: &[Job], now: Timestamp) {
        for job in jobs {
            let place = self.place_of_new(job);
            let missed = self.was_missed(job, now);
            let noted = self.jobs.entry(job.id.clone()).or_insert_with(|| Noted::new(place));
            noted.once = job.is_once();
            noted.name = job.is_wanted().then(|| job.name().unwrap_or(NAMELESS).to_owned());
            if !missed {
                noted.due = job.next();
            }
        }
        self.jobs.retain(|id, noted| {
            let is_there = jobs.iter().any(|job| job.id == *id);
            noted.gone = noted.gone.or(Some(now)).filter(|_| !is_there);
            if noted.gone.is_some() {
                // Should it come back, its time then counts.
                noted.due = None;
            }
            noted.gone.is_none_or(|gone| now.since(gone) < GONE_MS)
        });
    }

    /// Whether a job that is to run once has let its time pass.
    fn was_missed(&self, job: &Job, now: Timestamp) -> bool {
        let due = self.jobs.get(&job.id).and_then(|noted| noted.due);
        let was_due = due.is_some_and(|due| due <= now);
        // What its person has moved is further away, and runs then.
        let put_off = |at: Timestamp| (1..=PUT_OFF_MS).contains(&at.since(now));
        let is_late = was_due && job.next().is_some_and(put_off);
        is_late && job.is_ahead()
    }

    /// What runs in a job's own session belongs where the job does.
    fn place_of(&self, session: &str) -> Option<PlaceId> {
        match job_of(session) {
            Some(job) => self.jobs.get(job)?.place,
            None => self.sessions.get(session).copied(),
        }
    }

    fn is_fresh(&self, run: &Run) -> bool {
        run.ended_at() > self.floor && !self.heard.contains_key(&key(run))
    }

    fn message(&self, run: &Run) -> Option<Proactive> {
        let noted = self.jobs.get(&run.job_id);
        let failure = || self.failure(run);
        let (text, failed) = match run.text() {
            Some(text) => (text, false),
            None => (failure()?, true),
        };
        let session = run.session_key.as_deref();
        let place = noted.and_then(|noted| noted.place).or_else(|| self.place_of(session?));
        let shared = session.is_some_and(is_shared);
        let (id, at) = (id(&key(run), run.ended_at()), run.ended_at());
        Some(Proactive { id, at, place, shared, failed, text: cut(text).to_owned() })
    }

    /// What has failed, if its person is to hear of it.
    fn failure(&self, run: &Run) -> Option<&str> {
        let noted = self.jobs.get(&run.job_id).filter(|_| run.has_failed())?;
        noted.name.as_deref().filter(|_| noted.disappoints(run.ended_at()))
    }

    fn hear(&mut self, run: &Run) {
        if !self.is_fresh(run) {
            return;
        }
        let told = self.failure(run).is_some();
        if let Some(noted) = self.jobs.get_mut(&run.job_id) {
            noted.failing = match run.has_failed() {
                true if told => Some(run.ended_at()),
                true => noted.failing,
                false => None,
            };
        }
        self.heard.insert(key(run), run.ended_at());
    }

    fn forget_oldest(&mut self) {
        while self.heard.len() > REMEMBERED {
            let oldest = self.heard.iter().min_by_key(|(_, at)| **at);
            let Some((key, at)) = oldest.map(|(key, at)| (key.clone(), *at)) else { return };
            self.heard.remove(&key);
            self.floor = self.floor.max(at);
        }
    }
}

/// The job in whose own session something runs: `agent:<agent>:cron:<job>[:run:<id>]`.
fn job_of(session: &str) -> Option<&str> {
    let mut pieces = session.split(':');
    (pieces.next()? == "agent").then_some(())?;
    pieces.next()?;
    (pieces.next()? == "cron").then_some(())?;
    pieces.next()
}

/// Whether the agent of shared conversations speaks there. In doubt it does not.
pub(crate) fn is_shared(session: &str) -> bool {
    session.starts_with("agent:group:")
}

/// One run of one job.
fn key(run: &Run) -> String {
    format!("{} {}", run.job_id, run.begun_at.unwrap_or(run.ts))
}

/// The id of what is said by this name: said again, it is the same.
pub(crate) fn id(name: &str, at: Timestamp) -> ProactiveId {
    let digest = Sha256::digest(name);
    let bits = digest.iter().take(10).fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
    ProactiveId::from_parts(at, bits)
}

fn read(path: &Path) -> io::Result<Option<Notes>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside and renames: a crash leaves the old or the new.
fn keep(path: &Path, notes: &Notes) -> io::Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, serde_json::to_vec(notes)?)?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(part, path)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
