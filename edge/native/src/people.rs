//! People who leave: retired for a time, or erased, by the hub's word or when their time has come.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tokio::time::{sleep, timeout};
use zaki_edge_core::{front::Refusal, person::Standing, turn::why};
use zaki_envelope::{Timestamp, ZakiUserId, wire::ErrorCode};

use crate::{
    backups::BackupStoreError, clock, edge::Running, runtime::Ground, shared::Shared,
    state::ScrubError, state::State,
};

/// How long a caller waits for the end before it is asked to come again.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the turns of somebody may take to end.
const LAST_TURNS: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Between two looks whose time has come, whatever the clock does meanwhile.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// After an erasure that failed.
const PAUSE: Duration = Duration::from_secs(30);

/// Everybody who is not as everybody.
pub(crate) struct People {
    /// Held for reading while a turn begins, so that none slips through while somebody leaves.
    standings: RwLock<HashMap<ZakiUserId, Standing>>,
    /// Somebody's standing has changed.
    news: Notify,
    /// Somebody has to go.
    due: Notify,
}

/// While it is held, nobody leaves.
pub(crate) struct Held<'p> {
    pub(crate) standing: Standing,
    _guard: RwLockReadGuard<'p, HashMap<ZakiUserId, Standing>>,
}

impl People {
    pub(crate) async fn load(state: &State) -> Result<Self, zaki_store::Error> {
        let standings = RwLock::new(state.standings().await?.into_iter().collect());
        Ok(Self { standings, news: Notify::new(), due: Notify::new() })
    }

    /// Where `user` stands, and stands as long as this is held.
    pub(crate) async fn hold(&self, user: ZakiUserId) -> Held<'_> {
        let guard = self.standings.read().await;
        Held { standing: guard.get(&user).copied().unwrap_or_default(), _guard: guard }
    }

    /// Changes where `user` stands, durably; `next` says how, or that it is too late.
    async fn change(
        &self,
        state: &State,
        user: ZakiUserId,
        next: impl FnOnce(Standing) -> Option<Standing>,
    ) -> Result<(), Refusal> {
        let mut standings = self.standings.write().await;
        let now = standings.get(&user).copied().unwrap_or_default();
        let next = next(now).ok_or(Refusal::Gone)?;
        if next != now {
            state.save_standing(user, next).await.map_err(|error| {
                tracing::error!(%user, %error, "person.not_persisted");
                Refusal::Unavailable
            })?;
        }
        match next {
            Standing::Active => _ = standings.remove(&user),
            other => _ = standings.insert(user, other),
        }
        drop(standings);
        self.news.notify_waiters();
        Ok(())
    }

    /// Returns when `user` is being erased no longer.
    async fn gone(&self, user: ZakiUserId) {
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            if self.hold(user).await.standing != Standing::Erasing {
                return;
            }
            news.await;
        }
    }

    /// Nothing is left of `user`.
    async fn erased(&self, user: ZakiUserId) {
        let erased = Standing::Erased { at: clock::now() };
        self.standings.write().await.insert(user, erased);
        self.news.notify_waiters();
    }

    /// Forgets who was erased long ago.
    async fn forget(&self, now: Timestamp) {
        self.standings.write().await.retain(|_, standing| !standing.is_over(now));
    }

    /// Who has to go now, and how long until the next one has to.
    async fn due(&self, now: Timestamp) -> (Vec<ZakiUserId>, Duration) {
        let standings = self.standings.read().await;
        let due = standings.iter().filter(|(_, standing)| standing.is_due(now));
        let waits = standings.values().filter_map(|standing| match standing {
            Standing::Retired { until } => u64::try_from(until.since(now)).ok(),
            _ => None,
        });
        let wait = waits.min().map_or(LONGEST_WAIT, Duration::from_millis);
        (due.map(|(user, _)| *user).collect(), wait.min(LONGEST_WAIT))
    }
}

/// What is done so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// All of it.
    Done,
    /// It goes on by itself.
    UnderWay,
}

impl Running {
    /// Stops everything of `user`, and keeps it until then.
    pub(crate) async fn retire(
        self: &Arc<Self>,
        user: ZakiUserId,
        until: Timestamp,
    ) -> Result<Leaving, Refusal> {
        let people = &self.shared.people;
        people.change(&self.shared.state, user, |now| now.retired(until)).await?;
        people.due.notify_one();
        tracing::info!(%user, until = until.as_ms(), "person.retired");
        let edge = self.clone();
        let halt = async move { edge.halt(user, ErrorCode::Retired).await };
        Ok(match timeout(PATIENCE, self.shared.tasks.spawn(halt)).await {
            Ok(_) => Leaving::Done,
            Err(_) => Leaving::UnderWay,
        })
    }

    /// Takes a retirement back.
    pub(crate) async fn reinstate(&self, user: ZakiUserId) -> Result<(), Refusal> {
        let people = &self.shared.people;
        people.change(&self.shared.state, user, Standing::reinstated).await
    }

    /// Removes everything of `user`; goes on when nobody waits for it, also after a crash.
    pub(crate) async fn erase(&self, user: ZakiUserId) -> Result<Leaving, Refusal> {
        let people = &self.shared.people;
        people.change(&self.shared.state, user, |_| Some(Standing::Erasing)).await?;
        people.due.notify_one();
        Ok(match timeout(PATIENCE, people.gone(user)).await {
            Ok(()) => Leaving::Done,
            Err(_) => Leaving::UnderWay,
        })
    }

    /// Ends every turn of `user`, and stops their sandboxes.
    async fn halt(&self, user: ZakiUserId, code: ErrorCode) {
        self.sandboxes.halt(user, code).await;
        for turn in self.shared.turns.of(user) {
            turn.condemn(code, why(code));
            if let (Ground::Standing(_), Some(link)) = (&self.shared.ground, turn.link()) {
                // One that it does not know has ended.
                let _ = link.abort(turn.id()).await;
            }
            turn.fail(code, why(code));
        }
    }

    /// What has to be known for good first, and is done then.
    async fn expel(&self, user: ZakiUserId) -> (ZakiUserId, Result<(), EraseError>) {
        let Shared { people, state, .. } = &*self.shared;
        let removed = match people.change(state, user, |_| Some(Standing::Erasing)).await {
            Ok(()) => self.remove(user).await,
            Err(refusal) => Err(EraseError::Standing(refusal)),
        };
        (user, removed)
    }

    async fn remove(&self, user: ZakiUserId) -> Result<(), EraseError> {
        self.halt(user, ErrorCode::Erased).await;
        // Their ends are on their way to the store, and must not arrive after they were removed.
        let ended = async {
            while !self.shared.turns.of(user).is_empty() {
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(LAST_TURNS, ended).await.map_err(|_| EraseError::Turns)?;
        self.shared.accounts.remove(user);
        self.shared.answers.remove(user);
        self.shared.reminders.remove(user);
        if let Ground::Built(runtime) = &self.shared.ground {
            runtime.erase(user).await?;
        }
        self.shared.backups.erase(user).await?;
        self.shared.media.erase(user).await?;
        let state = &self.shared.state;
        state.forget_person(user).await?;
        state.forget_standing(user).await?;
        state.scrub(user.to_string()).await?;
        self.shared.people.erased(user).await;
        tracing::info!("person.erased");
        Ok(())
    }
}

/// Why something of a person may be left.
#[derive(Debug, thiserror::Error)]
enum EraseError {
    #[error("it cannot be noted that they go")]
    Standing(#[source] Refusal),
    #[error("their turns do not end")]
    Turns,
    #[error("their files cannot be removed")]
    Files(#[from] std::io::Error),
    #[error("their backups cannot be removed")]
    Backups(#[from] BackupStoreError),
    #[error(transparent)]
    Store(#[from] zaki_store::Error),
    #[error(transparent)]
    Scrub(#[from] ScrubError),
}

/// Removes whoever has to go, as long as the edge runs.
pub(crate) async fn sweep(edge: Weak<Running>) {
    // Of those who were retired in the moment of a crash something may still run.
    let mut is_new = true;
    while let Some(edge) = edge.upgrade() {
        let people = &edge.shared.people;
        if std::mem::take(&mut is_new) {
            let retired: Vec<_> = people.standings.read().await.keys().copied().collect();
            join_all(retired.into_iter().map(|user| edge.halt(user, ErrorCode::Retired))).await;
        }
        people.forget(clock::now()).await;
        let (due, mut wait) = people.due(clock::now()).await;
        for (user, removed) in join_all(due.into_iter().map(|user| edge.expel(user))).await {
            if let Err(error) = removed {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(%user, %error, cause, "person.not_erased");
                wait = wait.min(PAUSE);
            }
        }
        let shared = edge.shared.clone();
        drop(edge);
        let _ = timeout(wait, shared.people.due.notified()).await;
    }
}
