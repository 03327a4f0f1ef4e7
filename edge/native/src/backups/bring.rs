//! Bringing a sandbox its memory back: the newest backup that is whole, or the next older one.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt;
use reqwest::{Body, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;
use zaki_edge_core::backup::{Flaw, Stock, Trial, Withheld};
use zaki_envelope::{
    BackupId, SandboxName,
    wire::{Backup, BackupOutcome},
};

use super::{
    Backups, Sandbox,
    store::{Break, StoreError},
};
use crate::{
    clock,
    runtime::{HttpLink, LinkError},
};

/// Between two tries of a store that does not answer; doubled each time.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1_000 });
/// A sandbox that is busy is asked so often, and so long apart.
const BUSY: u32 = 50;
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// So often it is tried before the start is given up.
const TRIES: u32 = 5;

/// Why nothing was brought.
#[derive(Debug, thiserror::Error)]
pub(super) enum BringError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A turn runs, or another restore.
    #[error("the agent has something to do; try again when its turn has ended")]
    Busy,
    #[error("the sandbox went away: {0}")]
    Sandbox(#[from] LinkError),
    /// A memory is there that cannot be had here or now.
    #[error(transparent)]
    Withheld(#[from] Withheld),
    /// Its disk, say.
    #[error("the sandbox cannot take it: {0}")]
    Refused(String),
}

/// What was brought.
pub(super) struct Brought {
    pub(super) backup: Option<Backup>,
    pub(super) passed_over: Vec<String>,
}

impl Backups {
    /// Gives a sandbox that waits without a state the newest backup that is whole, or lets it begin
    /// anew where the store has said that there is none. Without an answer of the store it must not
    /// begin: an edge that knows of no backup may be a new one beside an old store, and somebody would
    /// find an assistant that knows them no more. Nor where all that is left cannot be had here or now,
    /// and is not broken ([`Trial`]).
    pub(super) async fn revive(&self, name: &SandboxName, sandbox: &Sandbox, http: &HttpLink) {
        let mut pause = PAUSE;
        for tries in 1..=TRIES {
            match self.bring(name, sandbox, http, None).await {
                Ok(Brought { backup: Some(_), .. }) => return,
                Ok(_) => return begin(name, http, None).await,
                Err(BringError::Store(error)) => {
                    tracing::error!(sandbox = %name, %error, tries, "restore.no_store");
                    if tries < TRIES {
                        sleep(pause).await;
                        pause *= 2;
                    } else {
                        let why = format!("its memory cannot be fetched: {error}");
                        self.noted(name, sandbox, Some(why.clone())).await;
                        return begin(name, http, Some(why)).await;
                    }
                }
                Err(error) => {
                    tracing::error!(sandbox = %name, %error, "restore.failed");
                    let why = error.to_string();
                    self.noted(name, sandbox, Some(why.clone())).await;
                    // It waits for nothing else, and its start is not to wait in silence.
                    return begin(name, http, Some(why)).await;
                }
            }
        }
    }

    /// Tries the backups in turn; the state is not touched unless one is whole.
    pub(super) async fn bring(
        &self,
        name: &SandboxName,
        sandbox: &Sandbox,
        http: &HttpLink,
        wanted: Option<BackupId>,
    ) -> Result<Brought, BringError> {
        let Stock { mut kept, mut unread } = self.store.list(name).await?;
        if let Some(id) = wanted {
            kept.retain(|it| it.id == id);
            unread.retain(|it| *it == id.to_string());
        }
        let mut trial = (Stock { kept, unread }).trial(wanted);
        let taken = self.try_all(name, http, &mut trial).await;
        for why in trial.passed_over() {
            tracing::error!(sandbox = %name, why, "restore.passed_over");
            self.tally.passed_over();
        }
        if let Some(backup) = taken? {
            let passed_over = trial.passed_over().to_vec();
            self.restored(name, sandbox, &backup, &passed_over).await;
            return Ok(Brought { backup: Some(backup), passed_over });
        }
        let passed_over = trial.end()?;
        if !passed_over.is_empty() {
            let why = format!("no backup is whole: {}", passed_over.join("; "));
            self.noted(name, sandbox, Some(why)).await;
        }
        Ok(Brought { backup: None, passed_over })
    }

    async fn try_all(
        &self,
        name: &SandboxName,
        http: &HttpLink,
        trial: &mut Trial,
    ) -> Result<Option<Backup>, BringError> {
        while let Some(backup) = trial.proceed() {
            match self.insist(name, http, &backup).await? {
                Ok(()) => return Ok(Some(backup)),
                Err(flaw) => trial.pass_over(&backup, flaw),
            }
        }
        Ok(None)
    }

    /// Sends one archive, again while the sandbox is still busy with the one before, and where the
    /// line breaks: whether it is gone is seen elsewhere.
    async fn insist(
        &self,
        name: &SandboxName,
        http: &HttpLink,
        backup: &Backup,
    ) -> Result<Result<(), Flaw>, BringError> {
        let mut breaks = 0;
        for _ in 0..BUSY {
            match self.give(name, http, backup).await {
                Err(BringError::Busy) => sleep(ASK_AGAIN).await,
                Err(BringError::Sandbox(LinkError::Lost(_))) if breaks < TRIES => {
                    breaks += 1;
                    sleep(ASK_AGAIN).await;
                }
                given => return given,
            }
        }
        Err(BringError::Busy)
    }

    /// Sends one archive. `Ok(Err)`: it is not whole, or not what can be taken here and now.
    async fn give(
        &self,
        name: &SandboxName,
        http: &HttpLink,
        backup: &Backup,
    ) -> Result<Result<(), Flaw>, BringError> {
        let pieces = match self.store.get(name, backup).await {
            Ok(pieces) => pieces,
            Err(StoreError::Store(object_store::Error::NotFound { .. })) => {
                return Ok(Err(Flaw::Broken("its archive is not there".to_owned())));
            }
            Err(error) => return Err(error.into()),
        };
        // What breaks off ends the request; the sandbox takes nothing that is not whole.
        let broken: Arc<Mutex<Option<Break>>> = Arc::default();
        let seen = broken.clone();
        let pieces = pieces.map_err(move |why| {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            io::Error::from(io::ErrorKind::ConnectionAborted)
        });
        let call = http.request(Method::PUT, "restore").body(Body::wrap_stream(pieces));
        let answer = http.raw(call).await;
        let broken = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let why = match &broken {
            None => match untaken(answer?).await? {
                Some(why) => why,
                None => return Ok(Ok(())),
            },
            Some(why) => why.to_string(),
        };
        if let Some(Break::Store(error)) = broken {
            return Err(error.into());
        }
        let flaw = Flaw::of(backup, &self.store.found(name, backup.id).await?, why);
        match (broken, flaw) {
            // It is there after all.
            (Some(Break::Changed), Flaw::Unfit(_)) => Err(StoreError::Different.into()),
            (_, flaw) => Ok(Err(flaw)),
        }
    }

    /// Where no backup was taken, an operator has it begin all the same. All are kept.
    pub(super) async fn begin_anew(
        &self,
        name: &SandboxName,
        sandbox: &Sandbox,
        http: &HttpLink,
        why: &str,
    ) {
        tracing::warn!(sandbox = %name, why, "restore.begun_anew");
        // Its new memory is in a backup soon: until then its next start would be refused again.
        sandbox.now().tracker.change(clock::now());
        self.noted(name, sandbox, Some(format!("begun anew, as an operator wished: {why}"))).await;
        begin(name, http, None).await;
    }

    async fn restored(
        &self,
        name: &SandboxName,
        sandbox: &Sandbox,
        backup: &Backup,
        passed_over: &[String],
    ) {
        let id = backup.id;
        tracing::info!(sandbox = %name, backup = %id, made = backup.at.as_ms(), "restore.done");
        self.tally.restored();
        {
            let mut now = sandbox.now();
            now.tracker.restore();
            now.record.last = Some(id);
            now.record.made_at = Some(backup.at);
            now.record.restored = Some(id);
            now.record.restored_at = Some(clock::now());
        }
        let passed = (!passed_over.is_empty()).then(|| passed_over.join("; "));
        self.noted(name, sandbox, passed).await;
    }

    async fn noted(&self, name: &SandboxName, sandbox: &Sandbox, failure: Option<String>) {
        sandbox.now().record.restore_failure = failure;
        self.keep(name, sandbox).await;
    }
}

impl From<Result<Brought, BringError>> for Outcome {
    fn from(brought: Result<Brought, BringError>) -> Self {
        Self(match brought {
            Ok(Brought { backup: Some(backup), passed_over }) => {
                BackupOutcome::Done { backup: Box::new(backup), passed_over }
            }
            Ok(Brought { passed_over, .. }) if passed_over.is_empty() => BackupOutcome::Nothing,
            Ok(Brought { passed_over, .. }) => {
                let why = format!("no backup is whole: {}", passed_over.join("; "));
                BackupOutcome::Failed { why }
            }
            Err(error) => BackupOutcome::Failed { why: error.to_string() },
        })
    }
}

/// What an operator is told.
pub(super) struct Outcome(pub(super) BackupOutcome);

/// What a sandbox says of what it refuses.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    error: String,
}

/// What a sandbox says of an archive that it does not take, if it does not.
async fn untaken(answer: Response) -> Result<Option<String>, BringError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(None);
    }
    let said: Said = answer.json().await.unwrap_or_default();
    match status {
        StatusCode::CONFLICT => Err(BringError::Busy),
        StatusCode::UNPROCESSABLE_ENTITY => Ok(Some(said.error)),
        _ => Err(BringError::Refused(format!("{status} {}", said.error))),
    }
}

/// There is nothing to wait for. `refused`: nor must it begin.
async fn begin(name: &SandboxName, http: &HttpLink, refused: Option<String>) {
    let call = http.request(Method::POST, "begin").json(&json!({ "refused": refused }));
    if let Err(error) = http.send(call).await {
        tracing::error!(sandbox = %name, %error, "restore.not_begun");
    }
}

#[cfg(test)]
#[path = "bring_tests.rs"]
mod tests;
