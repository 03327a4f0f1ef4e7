//! The memories of sandboxes outlive them: backed up while they run and before they stop, restored
//! before they start with nothing. What to do when is decided in `zaki_edge_core::backup`.

mod bring;
mod config;
mod hooks;
mod operator;
mod sealed;
mod store;
mod tally;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::{DashMap, DashSet};
use futures::{StreamExt, TryStreamExt, future::join_all};
use rand::Rng;
use reqwest::{Client, ClientBuilder, Method};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use zaki_edge_core::backup::{Retention, Schedule, Tracker, Unkept, admit, expired, room};
use zaki_envelope::{
    BackupId, SandboxName, ZakiUserId,
    wire::{BACKUP_HEADER, Backup, BackupOutcome, BackupState, BackupSummary, RestoreRequest},
};

pub use config::{BackupConfig, BackupPlace, S3Config};
use store::Store;
pub(crate) use store::StoreError as BackupStoreError;
use tally::Tally;

use crate::{
    EdgeError, clock,
    runtime::{HttpLink, Link, LinkError},
    state::State,
};

/// So many backups are made at once: each keeps a core busy for a moment.
const AT_ONCE: usize = 2;
/// How often is looked who is due.
const LOOK: Duration = Duration::from_secs(1);
/// A backup that takes longer has failed.
const LONGEST: Duration = Duration::from_mins(10);
/// An erasure waits so long for what is being written; then it is tried again.
const LAST_UPLOADS: Duration = Duration::from_secs(30);

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error("the sandbox is not awake")]
    Asleep,
    #[error("the agent has something to do")]
    Busy,
    #[error("its person is erased")]
    Erased,
    #[error("the sandbox does not give its memory: {0}")]
    Link(LinkError),
    #[error("the sandbox does not say what it gives")]
    Unsaid,
    #[error("it took too long")]
    Slow,
    #[error(transparent)]
    Unkept(#[from] Unkept),
    #[error(transparent)]
    Store(#[from] BackupStoreError),
}

impl From<LinkError> for BackupError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Refused(409) => Self::Busy,
            error => Self::Link(error),
        }
    }
}

/// All there is to know of one sandbox's memory.
struct Sandbox {
    now: Mutex<Now>,
    /// Held by whoever makes or restores a backup.
    work: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Now {
    tracker: Tracker,
    /// The way in, while it is awake.
    link: Option<Arc<dyn Link>>,
    record: BackupState,
    /// What an operator wants it to start with, and waits for.
    wish: Option<Wish>,
}

struct Wish {
    what: RestoreRequest,
    /// Rather this one or nothing: it must not go on with what it has.
    strict: bool,
    done: oneshot::Sender<BackupOutcome>,
}

impl Sandbox {
    fn new(record: BackupState) -> Arc<Self> {
        let mut tracker = Tracker::default();
        if let Some(since) = record.changed_since {
            tracker.change(since);
        }
        let now = Now { tracker, record, ..Now::default() };
        Arc::new(Self { now: Mutex::new(now), work: tokio::sync::Mutex::default() })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> Option<Arc<dyn Link>> {
        self.now().link.clone()
    }

    /// As it is to be shown and kept.
    fn record(&self, schedule: Schedule) -> BackupState {
        let now = self.now();
        let changed_since = now.tracker.changed_since();
        let overdue = now.tracker.is_overdue(schedule, clock::now());
        BackupState { changed_since, overdue, ..now.record.clone() }
    }
}

/// The backups of all sandboxes of this edge.
pub(crate) struct Backups {
    store: Store,
    state: State,
    schedule: Schedule,
    retention: Retention,
    sandboxes: DashMap<SandboxName, Arc<Sandbox>>,
    /// Who is being erased, or was: no backup of theirs begins. Ids are never given twice.
    erased: DashSet<ZakiUserId>,
    at_once: Semaphore,
    tally: Tally,
    tasks: TaskTracker,
}

/// An archive may take its time.
fn patient() -> ClientBuilder {
    Client::builder().connect_timeout(Duration::from_secs(5))
}

impl Backups {
    pub(crate) async fn open(
        config: &BackupConfig,
        data_dir: &std::path::Path,
        state: State,
    ) -> Result<Arc<Self>, EdgeError> {
        // An object store may be behind a proxy; a sandbox never is.
        let to_store = patient().read_timeout(Duration::from_secs(30)).build()?;
        let store = Store::open(&config.place, data_dir, config.keys.clone(), to_store);
        let known = state.backups().await?;
        let sandboxes = known.into_iter().map(|(name, record)| (name, Sandbox::new(record)));
        Ok(Arc::new(Self {
            store: store.map_err(|error| EdgeError::Backups(error.to_string()))?,
            state,
            schedule: config.schedule(),
            retention: config.retention(),
            sandboxes: sandboxes.collect(),
            erased: DashSet::new(),
            at_once: Semaphore::new(AT_ONCE),
            tally: Tally::default(),
            tasks: TaskTracker::new(),
        }))
    }

    fn of(&self, name: &SandboxName) -> Arc<Sandbox> {
        let known = self.sandboxes.get(name).map(|known| known.clone());
        known.unwrap_or_else(|| {
            let entry = self.sandboxes.entry(name.clone());
            entry.or_insert_with(|| Sandbox::new(BackupState::default())).clone()
        })
    }

    /// The way to what only waits for the body of a request.
    pub(crate) fn patient(link: &dyn Link) -> Option<HttpLink> {
        link.endpoint().and_then(|http| http.with(patient()).ok())
    }

    /// Backs up whoever is due, as long as the edge runs.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            for name in self.due() {
                let backups = self.clone();
                self.tasks.spawn(async move { backups.make(&name).await.map(drop) });
            }
        }
    }

    fn due(&self) -> Vec<SandboxName> {
        let is_due = |sandbox: &Sandbox| {
            let now = sandbox.now();
            let due = now.tracker.due_at(self.schedule);
            now.link.is_some() && due.is_some_and(|at| at <= clock::now())
        };
        let free = |sandbox: &Sandbox| sandbox.work.try_lock().is_ok();
        let all = self.sandboxes.iter();
        let due = all.filter(|it| is_due(it.value()) && free(it.value()));
        due.map(|it| it.key().clone()).collect()
    }

    /// Makes a backup of a sandbox that is awake, and notes what came of it.
    pub(crate) async fn make(&self, name: &SandboxName) -> Result<Backup, BackupError> {
        let sandbox = self.of(name);
        let _work = sandbox.work.lock().await;
        // Looked at while it is held: an erasure notes whose it is before it waits for that.
        if self.erased.contains(&name.user()) {
            return Err(BackupError::Erased);
        }
        let link = sandbox.link().ok_or(BackupError::Asleep)?;
        let began = std::time::Instant::now();
        sandbox.now().tracker.begin(clock::now());
        let made = tokio::time::timeout(LONGEST, self.try_make(name, link.as_ref())).await;
        let made = made.unwrap_or(Err(BackupError::Slow));
        {
            let mut now = sandbox.now();
            match &made {
                Ok(backup) => {
                    now.tracker.succeed();
                    now.record.last = Some(backup.id);
                    now.record.made_at = Some(backup.at);
                    now.record.failure = None;
                }
                Err(error) => {
                    now.tracker.fail(clock::now());
                    now.record.failure = Some(error.to_string());
                }
            }
        }
        match &made {
            Ok(Backup { id, size, summary, .. }) => {
                let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (files, bytes) = (summary.files, summary.bytes);
                tracing::info!(sandbox = %name, backup = %id, size, files, bytes, took, "backup.made");
                self.tally.made(*size);
            }
            // It will be tried again soon; that is no reason to call anybody.
            Err(BackupError::Busy) => tracing::debug!(sandbox = %name, "backup.busy"),
            Err(error) => {
                tracing::error!(sandbox = %name, %error, "backup.failed");
                self.tally.failed();
            }
        }
        self.keep(name, &sandbox).await;
        made
    }

    async fn try_make(&self, name: &SandboxName, link: &dyn Link) -> Result<Backup, BackupError> {
        let _one_of_few = self.at_once.acquire().await;
        let http = Self::patient(link).ok_or(BackupError::Asleep)?;
        let mut kept = self.store.list(name).await?.kept;
        let answer = http.send(http.request(Method::POST, "backup")).await?;
        let said = answer.headers().get(BACKUP_HEADER).map(|said| said.as_bytes().to_vec());
        let summary: Option<BackupSummary> =
            said.and_then(|said| serde_json::from_slice(&said).ok());
        let summary = summary.ok_or(BackupError::Unsaid)?;
        admit(&summary, &kept)?;
        let archive = answer.bytes_stream().map_err(|error| error.without_url().to_string());
        let id = BackupId::from_parts(clock::now(), rand::rng().random());
        let backup = self.store.put(name, id, summary, archive.boxed()).await?;
        kept.push(backup.clone());
        let stored = self.prune(name, &kept).await;
        self.of(name).now().record.stored = Some(stored);
        Ok(backup)
    }

    /// What cannot be removed now is, after the next backup. How much room the others take.
    async fn prune(&self, name: &SandboxName, kept: &[Backup]) -> u64 {
        let gone = expired(kept, self.retention, clock::now());
        for &id in &gone {
            if let Err(error) = self.store.remove(name, id).await {
                tracing::warn!(sandbox = %name, backup = %id, %error, "backup.not_removed");
            }
        }
        if let Err(error) = self.store.sweep(name, clock::now()).await {
            tracing::warn!(sandbox = %name, %error, "backup.not_swept");
        }
        room(kept, &gone)
    }

    /// Makes durable how it stands.
    async fn keep(&self, name: &SandboxName, sandbox: &Sandbox) {
        let record = sandbox.record(self.schedule);
        if let Err(error) = self.state.save_backup(name.clone(), record).await {
            tracing::warn!(sandbox = %name, %error, "backup.not_noted");
        }
    }

    /// Removes every backup of a person, whose sandboxes are all stopped; none is made afterwards.
    pub(crate) async fn erase(&self, user: ZakiUserId) -> Result<(), BackupStoreError> {
        self.erase_within(user, LAST_UPLOADS).await
    }

    /// One that is being written would be there after all others are gone: its end is waited for.
    async fn erase_within(
        &self,
        user: ZakiUserId,
        patience: Duration,
    ) -> Result<(), BackupStoreError> {
        self.erased.insert(user);
        let theirs = self.sandboxes.iter().filter(|it| it.key().user() == user);
        let theirs: Vec<Arc<Sandbox>> = theirs.map(|it| it.value().clone()).collect();
        let ended = join_all(theirs.iter().map(|sandbox| sandbox.work.lock()));
        let ended = tokio::time::timeout(patience, ended).await;
        let _nobody_writes = ended.map_err(|_| BackupStoreError::UnderWay)?;
        self.store.erase(user).await?;
        self.sandboxes.retain(|name, _| name.user() != user);
        Ok(())
    }

    /// Returns when nothing is being written any more.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
