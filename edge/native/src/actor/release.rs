//! Which version the next start is on, and what has to be so before its turns run. Decided in
//! `zaki_edge_core::release`.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use zaki_edge_core::{
    release::Start,
    sandbox::{Event, Generation, Phase},
};
use zaki_envelope::wire::BackupOutcome;

use super::{Actor, Arc, Link, Message};
use crate::{
    fleet::Mailbox,
    runtime::{RuntimeError, Version},
};

impl Actor {
    /// For a start that is about to be placed.
    pub(super) async fn next_start(&mut self) -> Start<Version> {
        let target = self.runtime.version();
        if let Some(on) = self.release.on().filter(|on| **on != target)
            && !self.runtime.has(on).await
        {
            tracing::warn!(sandbox = %self.name, version = %on, %target, "release.lost");
            self.release.lost(&target);
        }
        let proposed = self.shared.proposals.remove(&self.name).is_some();
        let saved = self.shared.backups.saved(&self.name);
        let start = self.release.begin(&target, proposed, saved);
        if let Some(version) = self.release.trial() {
            tracing::info!(sandbox = %self.name, %version, "release.tried");
        }
        start
    }

    /// It was tried and came to nothing, if it was.
    pub(super) fn take_back(&mut self, why: &str) -> bool {
        let Some(version) = self.release.trial() else { return false };
        tracing::error!(sandbox = %self.name, %version, why, "release.taken_back");
        self.release.take_back(why);
        true
    }

    /// A start on trial has failed: what waits for it waits for the next one, on the version before.
    pub(super) fn not_ready(&mut self, generation: Generation, error: &RuntimeError) -> Event {
        if generation == self.state.generation() && self.take_back(&error.to_string()) {
            Event::Exited(generation)
        } else {
            Event::StartFailed(generation)
        }
    }

    /// Before a turn runs it is durable that the start has proven itself. What cannot be noted did
    /// not happen.
    pub(super) async fn prove(&mut self, event: Event) -> Event {
        match event {
            Event::Exited(generation) if self.is_starting(generation) => {
                self.take_back("it ended by itself");
            }
            Event::Ready(generation) if self.is_starting(generation) => {
                let before = self.release.clone();
                if self.release.proven()
                    && let Err(error) = self.persist().await
                {
                    tracing::error!(sandbox = %self.name, %error, "release.not_noted");
                    self.release = before;
                    self.take_back("it could not be noted that it has proven itself");
                    return Event::Exited(generation);
                }
            }
            _ => {}
        }
        event
    }

    fn is_starting(&self, generation: Generation) -> bool {
        generation == self.state.generation() && self.state.phase() == Phase::Starting
    }

    /// Watches until it takes turns. On trial it must be what it was taken for, within its time.
    pub(super) fn watch_ready(&mut self, generation: Generation, mailbox: &Mailbox) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let (sender, hooks) = (mailbox.sender.clone(), self.shared.hooks.clone());
        let (name, owed, trial) =
            (self.name.clone(), self.owed.take(), self.release.trial().cloned());
        // A little before the sandbox's own alarm, which would end what waits for it.
        let ms = self.shared.habits.start_timeout_ms.unsigned_abs();
        let most = Duration::from_millis(ms / 10 * 9);
        self.spawn(async move {
            let up = async {
                hooks.after_start(&name, &link).await;
                restored(owed)?;
                link.ready().await
            };
            let ready = match trial {
                None => up.await,
                Some(version) => {
                    let up = async {
                        up.await?;
                        check(&link, &version).await
                    };
                    let slow = Err(RuntimeError::new("it was not ready in time"));
                    timeout(most, up).await.unwrap_or(slow)
                }
            };
            let message = match ready {
                Ok(()) => Message::Event(Event::Ready(generation)),
                Err(error) => Message::NotReady(generation, error),
            };
            let _ = sender.send(message);
        });
    }
}

/// What came of the memory it has to have, if it has to have one.
fn restored(owed: Option<oneshot::Receiver<BackupOutcome>>) -> Result<(), RuntimeError> {
    let Some(mut owed) = owed else { return Ok(()) };
    let why = match owed.try_recv() {
        Ok(BackupOutcome::Done { .. }) => return Ok(()),
        Ok(BackupOutcome::Failed { why }) => why,
        Ok(BackupOutcome::Nothing | BackupOutcome::Anew) => "it is not there".to_owned(),
        Err(_) => "nobody could be asked for it".to_owned(),
    };
    Err(RuntimeError::new(format!("its memory of before the upgrade cannot be had: {why}")))
}

/// It says which version it is, and its agent can be asked for more than a sign of life.
async fn check(link: &Arc<dyn Link>, version: &Version) -> Result<(), RuntimeError> {
    let fail = |error: &dyn std::fmt::Display| RuntimeError::new(error.to_string());
    if let Some(http) = link.endpoint() {
        let said = http.health().await.map_err(|error| fail(&error))?.version();
        if said.as_ref().is_some_and(|said| !version.agent.is_empty() && *said != version.agent) {
            let said = said.unwrap_or_default();
            return Err(RuntimeError::new(format!("it is {said}, and not {}", version.agent)));
        }
    }
    link.reminders().await.map(drop).map_err(|error| fail(&error))
}
