//! What the agent does by itself: which places its jobs belong to, when the next one is due, and
//! what they have to say, kept until the edge has it.
//!
//! A job is asked for in a session that several channels share: it is of the place the session was
//! spoken in when it was made. What came of it is read from the gateway's own record of runs, which
//! outlives a crash of everybody; an event only says when to look. Whatever else an agent says that
//! no turn has asked for is heard, too.

use std::{
    collections::{HashSet, VecDeque},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use zaki_envelope::{
    PlaceId, Timestamp,
    wire::{self, proactive::Proactive},
};

use crate::{
    book::{self, Book},
    gateway::{
        CallError, Connection, Link, Spoken, Word,
        jobs::{self, Job, Run, words},
    },
    outbox::Outbox,
};

/// A look at the jobs is good for so long: behind a turn two ask for it.
const FRESH: Duration = Duration::from_secs(1);
/// After the gateway did not say what runs came to.
const AGAIN: Duration = Duration::from_secs(3);
/// So long it is waited whether something said was a job's: the record of its run follows it.
const HOLD: Duration = Duration::from_secs(5);
/// So many of the last things said are remembered.
const REMEMBERED: usize = 32;

/// See above.
#[derive(Debug)]
pub(crate) struct Reminders {
    link: Arc<Link>,
    book: Book,
    pub(crate) outbox: Outbox,
    /// The last look at the jobs; held while there is one.
    looked: tokio::sync::Mutex<Option<Looked>>,
    /// A turn has ended since.
    is_behind: AtomicBool,
    /// Jobs that were missed and run now, each by its gateway.
    caught_up: tokio::sync::Mutex<HashSet<(u64, String)>>,
    /// Runs have ended that were not asked about yet.
    ended: AtomicU32,
    news: Notify,
    said: Mutex<VecDeque<Said>>,
}

#[derive(Clone, Copy, Debug)]
struct Looked {
    at: Instant,
    gateway: u64,
    next: wire::Reminders,
}

/// Something an agent said that no turn of ours began.
#[derive(Clone, Debug)]
struct Said {
    at: Instant,
    session: String,
    run: String,
    text: String,
    /// Not a job's, as far as its session tells, and nobody was told yet.
    is_loose: bool,
}

impl Reminders {
    pub(crate) fn new(link: Arc<Link>, book: Book, outbox: Outbox) -> Self {
        Self {
            link,
            book,
            outbox,
            looked: tokio::sync::Mutex::default(),
            // An earlier start may have ended in the middle of it.
            is_behind: AtomicBool::new(true),
            caught_up: tokio::sync::Mutex::default(),
            ended: AtomicU32::new(0),
            news: Notify::new(),
            said: Mutex::default(),
        }
    }

    /// Another state has taken the place of the one this was about.
    pub(crate) fn reload(&self) {
        self.book.reload(now());
        self.is_behind.store(true, Ordering::Release);
    }

    /// A turn begins: what is planned from now on in its session belongs to its place.
    pub(crate) fn enter(&self, session: &str, place: PlaceId) {
        if let Err(error) = self.book.enter(session, place, now()) {
            tracing::warn!(%error, "where a session is spoken in was not noted");
        }
    }

    /// A turn has ended: it may have planned something.
    pub(crate) fn behind_turn(self: &Arc<Self>) {
        self.is_behind.store(true, Ordering::Release);
        let reminders = Arc::clone(self);
        tokio::spawn(async move { reminders.look().await });
    }

    /// When the agent wants to act by itself next; `None`: it does not say.
    pub(crate) async fn next(&self) -> Option<wire::Reminders> {
        self.look().await
    }

    /// The same, asked by this connection.
    pub(crate) async fn next_by(&self, host: &Connection) -> Result<wire::Reminders, CallError> {
        let mut looked = self.looked.lock().await;
        self.look_by(host, &mut looked).await
    }

    async fn look(&self) -> Option<wire::Reminders> {
        let mut looked = self.looked.lock().await;
        let is_behind = self.is_behind.load(Ordering::Acquire);
        let good = |looked: &&Looked| {
            looked.at.elapsed() < FRESH && looked.gateway == self.link.gateway() && !is_behind
        };
        if let Some(looked) = looked.as_ref().filter(good) {
            return Some(looked.next);
        }
        let host = self.link.host().await?;
        let next = self.look_by(&host, &mut looked).await;
        next.inspect_err(|error| tracing::debug!(%error, "the gateway does not list its jobs")).ok()
    }

    async fn look_by(
        &self,
        host: &Connection,
        looked: &mut Option<Looked>,
    ) -> Result<wire::Reminders, CallError> {
        let gateway = self.link.gateway();
        self.is_behind.store(false, Ordering::Release);
        let listed = self.list(host).await;
        let jobs = listed.inspect_err(|_| self.is_behind.store(true, Ordering::Release))?;
        match self.book.learn(&jobs, now()) {
            Ok(missed) => self.run_missed(host, &missed).await,
            Err(error) => tracing::warn!(%error, "where jobs belong was not noted"),
        }
        let next = wire::Reminders { next: jobs.iter().filter_map(Job::next).min() };
        *looked = Some(Looked { at: Instant::now(), gateway, next });
        Ok(next)
    }

    /// OpenClaw puts off by two minutes what its start finds too late.
    async fn run_missed(&self, host: &Connection, missed: &[&Job]) {
        for job in missed {
            if !self.caught_up.lock().await.insert((self.link.gateway(), job.id.clone())) {
                continue;
            }
            match jobs::run_at(host, job, now()).await {
                Ok(()) => tracing::info!("job.caught_up"),
                Err(error) => tracing::warn!(%error, "a job that was missed runs later"),
            }
        }
    }

    /// The jobs there are. One whose words the gateway would deliver itself has no channel for it:
    /// it would fail, and be tried again.
    async fn list(&self, host: &Connection) -> Result<Vec<Job>, CallError> {
        let all = jobs::list(host).await?;
        for job in all.iter().filter(|job| job.is_announced_in_vain()) {
            if let Err(error) = jobs::hush(host, job).await {
                tracing::warn!(%error, "a job of the agent will fail to deliver by itself");
            }
        }
        Ok(all)
    }

    /// Whether all that was said is with the edge, as far as is known.
    pub(crate) fn is_settled(&self) -> bool {
        let is_told = !self.said().iter().any(|said| said.is_loose);
        self.ended.load(Ordering::Acquire) == 0 && is_told && self.outbox.is_empty()
    }

    /// From now on keeps what is said for the edge.
    pub(crate) fn start(self: &Arc<Self>) {
        let heard = Arc::downgrade(self);
        self.link.listen(move |word| {
            if let Some(reminders) = heard.upgrade() {
                reminders.hear(word);
            }
        });
        let reminders = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                reminders.collect().await;
            }
        });
    }

    /// Notes at once that something happened, so that nobody rests before it is told.
    fn hear(&self, word: Word) {
        match word {
            Word::Up => self.is_behind.store(true, Ordering::Release),
            Word::Ended => {}
            Word::Said(said) => return self.hear_words(said),
        }
        // A gateway that has come up may have ended runs that nobody has heard of, too.
        self.ended.fetch_add(1, Ordering::AcqRel);
        self.news.notify_one();
    }

    fn hear_words(&self, Spoken { session, run, text, is_loose }: Spoken) {
        let Some(text) = words(&text).map(str::to_owned) else { return };
        let mut said = self.said();
        said.push_back(Said { at: Instant::now(), session, run, text, is_loose });
        if said.len() > REMEMBERED {
            said.pop_front();
        }
        drop(said);
        self.news.notify_one();
    }

    /// Waits until there may be something to tell, and takes it.
    async fn collect(&self) {
        let ended = self.ended.load(Ordering::Acquire);
        if ended > 0 {
            match self.read().await {
                Ok(()) => _ = self.ended.fetch_sub(ended, Ordering::AcqRel),
                Err(why) => {
                    tracing::debug!(why, "what the agent did by itself is read later");
                    sleep(AGAIN).await;
                    return;
                }
            }
        }
        match self.let_loose() {
            Some(wait) => _ = timeout(wait, self.news.notified()).await,
            None if self.ended.load(Ordering::Acquire) == 0 => self.news.notified().await,
            None => {}
        }
    }

    /// Reads what has come of jobs, runs those that were missed, and keeps what is to be told.
    async fn read(&self) -> Result<(), String> {
        let host = self.link.host().await.ok_or("the gateway does not answer")?;
        let of_call = |error: CallError| error.to_string();
        // What is not known to be a job's is attributed by its session alone.
        self.next_by(&host).await.map_err(of_call)?;
        let mut runs = jobs::runs(&host).await.map_err(of_call)?;
        for run in &mut runs {
            self.complete(run);
        }
        self.keep(&runs).map_err(|error| error.to_string())
    }

    /// On the disk before it counts as heard of.
    fn keep(&self, runs: &[Run]) -> io::Result<()> {
        let mut unheard = self.book.unheard(runs);
        // The newest came first.
        unheard.reverse();
        for message in unheard {
            tracing::info!(id = %message.id, failed = message.failed, "agent.speaks");
            self.outbox.add(message)?;
        }
        self.book.hear(runs)
    }

    /// The record keeps the beginning of what was said; all of it was heard.
    fn complete(&self, run: &mut Run) {
        let mut said = self.said();
        let it = said.iter_mut().rev().find(|said| run.is_of(&said.session, &said.text));
        if let Some(it) = it {
            it.is_loose = false;
            run.summary = Some(it.text.clone());
        }
    }

    /// Tells what was said and is no job's; how long until there may be more of it.
    fn let_loose(&self) -> Option<Duration> {
        let mut said = self.said();
        let mut wait = None;
        for it in said.iter_mut().filter(|said| said.is_loose) {
            let left = HOLD.saturating_sub(it.at.elapsed());
            if !left.is_zero() {
                wait = Some(wait.map_or(left, |wait: Duration| wait.min(left)));
                continue;
            }
            it.is_loose = false;
            if let Err(error) = self.outbox.add(self.message(it)) {
                tracing::error!(%error, "something the agent said is lost");
            }
        }
        wait
    }

    fn message(&self, said: &Said) -> Proactive {
        let at = now();
        Proactive {
            failed: false,
            id: book::id(&said.run, at),
            at,
            place: self.book.place_of(&said.session),
            shared: book::is_shared(&said.session),
            text: wire::proactive::cut(&said.text).to_owned(),
        }
    }

    /// A panic elsewhere does not make the data behind a lock worse.
    fn said(&self) -> MutexGuard<'_, VecDeque<Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    Timestamp::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[path = "reminders_tests.rs"]
pub(crate) mod tests;
