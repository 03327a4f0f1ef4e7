//! What operators ask about memories, and have done with them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use zaki_edge_core::{backup::Stock, release::Saved, sandbox::Event};
use zaki_envelope::{
    BackupId, SandboxName,
    wire::{BackupOutcome, BackupState, RestoreRequest, SandboxReport},
};

use super::{
    BackupError, Backups, Wish,
    bring::Outcome,
    store::{Pieces, StoreError},
    tally,
};
use crate::{
    actor::Message,
    clock,
    edge::Running,
    runtime::{Ground, Link},
};

const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Beyond the time a start may take.
const EXTRA: Duration = Duration::from_mins(5);

impl Backups {
    /// How one stands; with its backups, unless the store does not answer.
    pub(crate) async fn report(&self, name: &SandboxName, whole: bool) -> SandboxReport {
        let sandbox = self.sandboxes.get(name).map(|it| it.clone());
        let awake = sandbox.as_ref().is_some_and(|it| it.link().is_some());
        let backup = sandbox.map_or_else(BackupState::default, |it| it.record(self.schedule));
        let backups = if whole { self.store.list(name).await.ok() } else { None };
        let backups = backups.map(|Stock { kept: mut all, .. }| {
            all.sort_by_key(|backup| std::cmp::Reverse(backup.id));
            all
        });
        let (phase, release) = <_>::default();
        SandboxReport { sandbox: name.to_string(), awake, phase, release, backup, backups }
    }

    /// How much of its memory is in a backup.
    pub(crate) fn saved(&self, name: &SandboxName) -> Saved {
        let Some(sandbox) = self.sandboxes.get(name) else { return Saved::Yes(None) };
        let now = sandbox.now();
        match now.tracker.changed_since() {
            Some(_) => Saved::No,
            None => Saved::Yes(now.record.last),
        }
    }

    /// The next start has to have the memory of this backup; tells what came of it.
    pub(crate) fn owe(&self, name: &SandboxName, id: BackupId) -> oneshot::Receiver<BackupOutcome> {
        let (done, told) = oneshot::channel();
        let what = RestoreRequest { id: Some(id), anew: false };
        self.of(name).now().wish = Some(Wish { what, strict: true, done });
        told
    }

    /// The way to one that is up.
    pub(crate) fn link(&self, name: &SandboxName) -> Option<Arc<dyn Link>> {
        self.sandboxes.get(name).and_then(|sandbox| sandbox.link())
    }

    /// For `/metrics`.
    pub(crate) fn metrics(&self) -> String {
        let records: Vec<_> = self.sandboxes.iter().map(|it| it.record(self.schedule)).collect();
        self.tally.render(&tally::Stock::of(&records, clock::now()))
    }

    /// One archive, as it was before it was stored; `None`: there is none of that name.
    pub(crate) async fn archive(
        &self,
        name: &SandboxName,
        id: BackupId,
    ) -> Result<Option<Pieces>, StoreError> {
        let kept = self.store.list(name).await?.kept;
        match kept.iter().find(|backup| backup.id == id) {
            Some(backup) => Ok(Some(self.store.get(name, backup).await?)),
            None => Ok(None),
        }
    }
}

impl Running {
    /// Makes a backup now; a sandbox that is asleep and has something new is woken for it.
    pub(crate) async fn back_up(&self, name: SandboxName) -> BackupOutcome {
        let backups = &self.shared.backups;
        let sandbox = backups.of(&name);
        if sandbox.link().is_none() {
            if sandbox.now().tracker.changed_since().is_none() {
                return BackupOutcome::Nothing;
            }
            self.wake(&name);
            let up = async {
                while sandbox.link().is_none() {
                    sleep(LOOK_AGAIN).await;
                }
            };
            if timeout(self.patience(), up).await.is_err() {
                return failed("the sandbox does not wake up");
            }
        }
        let made = async {
            loop {
                match backups.make(&name).await {
                    // It comes up, or ends a turn.
                    Err(BackupError::Busy | BackupError::Link(_)) => sleep(LOOK_AGAIN * 10).await,
                    made => return made,
                }
            }
        };
        match timeout(self.patience(), made).await {
            Ok(Ok(backup)) => {
                BackupOutcome::Done { backup: Box::new(backup), passed_over: Vec::new() }
            }
            Ok(Err(error)) => failed(&error.to_string()),
            Err(_) => failed("the agent has something to do; try again later"),
        }
    }

    /// Gives a sandbox the memory of a backup: the newest whole one, or the one asked for. What it
    /// has now is backed up before, where it can be.
    pub(crate) async fn bring_back(
        &self,
        name: SandboxName,
        request: RestoreRequest,
    ) -> BackupOutcome {
        if let Ground::Standing(_) = self.shared.ground {
            return failed("these sandboxes have no memory");
        }
        let backups = &self.shared.backups;
        let sandbox = backups.of(&name);
        let stock = match backups.store.list(&name).await {
            Ok(stock) => stock,
            Err(error) => return failed(&error.to_string()),
        };
        if !stock.has(request.id) {
            return BackupOutcome::Nothing;
        }
        let link = sandbox.link();
        // Before another one becomes the newest.
        let only = match stock.meant(request.id, link.is_some()) {
            Ok(only) => only,
            Err(why) => return failed(&why),
        };
        if let Some(link) = link {
            if sandbox.now().tracker.changed_since().is_some()
                && let Err(error) = backups.make(&name).await
            {
                tracing::warn!(sandbox = %name, %error, "restore.without_backup");
            }
            let _work = sandbox.work.lock().await;
            let Some(http) = Backups::patient(link.as_ref()) else {
                return failed("these sandboxes have no memory");
            };
            let Outcome(outcome) = backups.bring(&name, &sandbox, &http, only).await.into();
            return outcome;
        }
        let (done, told) = oneshot::channel();
        sandbox.now().wish = Some(Wish { what: request, strict: false, done });
        self.wake(&name);
        match timeout(self.patience(), told).await {
            Ok(Ok(outcome)) => outcome,
            _ => failed("the sandbox does not start; see its log"),
        }
    }

    fn wake(&self, name: &SandboxName) {
        self.sandboxes.tell(name, Message::Event(Event::Wake));
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.shared.habits.start_timeout_ms.unsigned_abs())
            .saturating_add(EXTRA)
    }
}

fn failed(why: &str) -> BackupOutcome {
    BackupOutcome::Failed { why: why.to_owned() }
}
