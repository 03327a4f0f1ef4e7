//! What is done about a sandbox's memory around its life.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};
use zaki_envelope::{SandboxName, wire::BackupOutcome};

use super::{
    BackupError, Backups, Sandbox, Wish,
    bring::{BringError, Brought, Outcome},
};
use crate::{
    clock,
    runtime::{Hooks, HttpLink, Link},
};

/// Between two looks at a sandbox that comes up.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A stop waits no longer for its backup.
const LAST_BACKUP: Duration = Duration::from_mins(1);

#[async_trait]
impl Hooks for Arc<Backups> {
    async fn after_start(&self, name: &SandboxName, link: &Arc<dyn Link>) {
        let sandbox = self.of(name);
        Backups::watch(&sandbox, link);
        let Some(http) = Backups::patient(link.as_ref()) else { return };
        tokio::select! {
            waits = waits(&http) => self.supply(name, &sandbox, &http, waits).await,
            () = link.exited() => {}
        }
    }

    fn changed(&self, name: &SandboxName, link: Option<&Arc<dyn Link>>) {
        let sandbox = self.of(name);
        let is_new = {
            let mut now = sandbox.now();
            if let Some(link) = link {
                now.link = Some(link.clone());
            }
            let is_new = now.tracker.changed_since().is_none();
            now.tracker.change(clock::now());
            is_new
        };
        if is_new {
            // So that an edge that dies before the backup knows of it.
            let (backups, name) = (self.clone(), name.clone());
            self.tasks.spawn(async move { backups.keep(&name, &sandbox).await });
        }
    }

    async fn before_stop(&self, name: &SandboxName, link: &Arc<dyn Link>, cut: bool) {
        let sandbox = self.of(name);
        let is_wanted = sandbox.now().tracker.changed_since().is_some();
        if is_wanted {
            sandbox.now().link = Some(link.clone());
            let (backups, owned) = (self.clone(), name.clone());
            // Goes on when nobody waits for it.
            let saved = self.tasks.spawn(async move { backups.save(&owned, cut).await });
            if timeout(LAST_BACKUP, saved).await.is_err() {
                tracing::error!(sandbox = %name, "backup.not_waited_for");
            }
        }
        sandbox.now().link = None;
    }
}

impl Backups {
    /// Makes the last one before a stop, unless the one under way has everything. `cut`: its agent
    /// may take a while to let go of what it was at.
    async fn save(&self, name: &SandboxName, cut: bool) {
        let (sandbox, until) = (self.of(name), Instant::now() + LAST_BACKUP);
        loop {
            drop(sandbox.work.lock().await);
            if sandbox.now().tracker.changed_since().is_none() {
                return;
            }
            match self.make(name).await {
                Err(BackupError::Busy) if cut && Instant::now() < until => sleep(LOOK_AGAIN).await,
                _ => return,
            }
        }
    }

    /// Its link is of no use once it is gone.
    fn watch(sandbox: &Arc<Sandbox>, link: &Arc<dyn Link>) {
        sandbox.now().link = Some(link.clone());
        let (sandbox, link) = (Arc::downgrade(sandbox), link.clone());
        tokio::spawn(async move {
            link.exited().await;
            let Some(sandbox) = sandbox.upgrade() else { return };
            let mut now = sandbox.now();
            if now.link.as_ref().is_some_and(|known| Arc::ptr_eq(known, &link)) {
                now.link = None;
            }
        });
    }

    /// What an operator wants it to have; otherwise what it lacks.
    pub(super) async fn supply(
        &self,
        name: &SandboxName,
        sandbox: &Sandbox,
        http: &HttpLink,
        waits: bool,
    ) {
        let _work = sandbox.work.lock().await;
        let wish = sandbox.now().wish.take();
        if let Some(Wish { what, strict, done }) = wish {
            let brought = self.bring(name, sandbox, http, what.id).await;
            if what.anew
                && waits
                && let Some(why) = not_had(&brought)
            {
                self.begin_anew(name, sandbox, http, &why).await;
                let _ = done.send(BackupOutcome::Anew);
                return;
            }
            let Outcome(outcome) = brought.into();
            let is_done = matches!(outcome, BackupOutcome::Done { .. });
            let _ = done.send(outcome);
            if strict && !is_done {
                return;
            }
            if !matches!(http.health().await, Ok(health) if health.waits()) {
                return;
            }
        } else if !waits {
            return;
        }
        self.revive(name, sandbox, http).await;
    }
}

/// Why no backup was taken, though the store has said what there is.
fn not_had(brought: &Result<Brought, BringError>) -> Option<String> {
    match brought {
        Ok(Brought { backup: None, passed_over }) => Some(passed_over.join("; ")),
        Err(BringError::Withheld(withheld)) => Some(withheld.to_string()),
        _ => None,
    }
}

/// Whether it waits for a state, once it answers.
async fn waits(http: &HttpLink) -> bool {
    loop {
        match http.health().await {
            Ok(health) => return health.waits(),
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}
