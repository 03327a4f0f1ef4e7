//! What follows from an erasure or a merge elsewhere, at the edge and in the ledger: identity has
//! written it down, and whoever runs does it, a hub or a command beside it. Nothing of it is lost by
//! a crash, and none of it hurts when it is done twice.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{sync::Mutex, time::timeout};
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_identity::{Directory, DirectoryError, Errand, HEAD_START_MS, Pick, Task};
use zaki_ledger::{Erased, Ledger};

use crate::{
    accounts::Accounts,
    clock,
    edge::{EdgeClient, EdgeError},
    hub::Hub,
    who,
};

/// How long a try may take: less than an errand is ours alone ([`zaki_identity::ERRAND_MS`]).
const PATIENCE: Duration = Duration::from_secs(20);
/// So long whoever has asked for it waits for the end of it.
const AT_ONCE: Duration = Duration::from_secs(20);
/// So many lines of errands go on at a time.
const LINES: u32 = 8;

/// Whoever does errands, with what they are done with.
pub(crate) struct Errands {
    directory: Directory,
    ledger: Arc<dyn Ledger>,
    accounts: Arc<Accounts>,
    /// `None`: it cannot be reached from here.
    edge: Option<EdgeClient>,
    /// Nobody else's.
    name: String,
    /// Held while what is due is done.
    busy: Mutex<()>,
}

/// Why an errand is not done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Ledger(#[from] zaki_ledger::Error),
    #[error(transparent)]
    Edge(#[from] EdgeError),
    #[error("no edge can be reached from here")]
    NoEdge,
    #[error("it takes long, and goes on")]
    Slow,
}

/// What has been done for a person, and what is left to do.
#[derive(Default)]
pub(crate) struct Followed {
    /// From the ledger.
    pub erased: Erased,
    /// The next first.
    pub left: Vec<Errand>,
}

impl Followed {
    /// Whether everything is done but to look once more for what was under way.
    pub(crate) fn is_done(&self) -> bool {
        self.left.iter().all(|errand| errand.task.is_last_look())
    }
}

impl Errands {
    pub(crate) fn new(
        directory: Directory,
        ledger: Arc<dyn Ledger>,
        accounts: Arc<Accounts>,
        edge: Option<EdgeClient>,
    ) -> Self {
        let name = hex::encode(rand::random::<[u8; 8]>());
        Self { directory, ledger, accounts, edge, name, busy: Mutex::default() }
    }

    /// Does what is due of anybody, unless that is being done.
    async fn due(&self) -> Result<(), DirectoryError> {
        let Ok(_alone) = self.busy.try_lock() else { return Ok(()) };
        while self.directory.has_errands(clock::now()).await? {
            let taken = self.take(None, clock::now(), LINES).await?;
            if taken.is_empty() {
                break;
            }
            let done = join_all(taken.iter().map(|errand| self.settle(errand))).await;
            done.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        Ok(())
    }

    /// Does what follows for one person as far as that goes now. `all`: also what is to wait, for
    /// whoever knows that nothing is under way.
    pub(crate) async fn follow(
        &self,
        user: ZakiUserId,
        all: bool,
    ) -> Result<Followed, DirectoryError> {
        let mut followed = Followed::default();
        loop {
            let due = if all { Timestamp::from_ms(i64::MAX) } else { soon() };
            let taken = self.take(Some(user), due, 1).await?;
            let Some(errand) = taken.first() else { break };
            match self.settle(errand).await? {
                Some(erased) => followed.erased += erased,
                None => break,
            }
        }
        followed.left = self.directory.errands(Some(user), u32::MAX).await?;
        Ok(followed)
    }

    async fn take(
        &self,
        of: Option<ZakiUserId>,
        due: Timestamp,
        most: u32,
    ) -> Result<Vec<Errand>, DirectoryError> {
        let pick = Pick { of, due, edge: self.edge.is_some(), most };
        self.directory.take_errands(pick, &self.name, clock::now()).await
    }

    /// Does one, and says so. `None`: it is done another time.
    async fn settle(&self, errand: &Errand) -> Result<Option<Erased>, DirectoryError> {
        let (user, what) = (errand.user, errand.task.word());
        let done = timeout(PATIENCE, self.run(errand)).await.unwrap_or(Err(Trouble::Slow));
        match done {
            Ok(erased) => {
                self.directory.errand_done(errand, &self.name, clock::now()).await?;
                tracing::debug!(%user, what, ?erased, "what follows is done");
                Ok(Some(erased))
            }
            Err(trouble) => {
                let why = trouble.to_string();
                tracing::warn!(%user, what, tries = errand.tries, why, "what follows is done later");
                self.directory.errand_failed(errand, &self.name, &why, clock::now()).await?;
                Ok(None)
            }
        }
    }

    async fn run(&self, errand: &Errand) -> Result<Erased, Trouble> {
        let edge = || self.edge.as_ref().ok_or(Trouble::NoEdge);
        match &errand.task {
            Task::Forget { traces, .. } => {
                let who = who::known_by(traces, &self.accounts);
                return Ok(self.ledger.erase(&who, clock::now()).await?);
            }
            Task::Erase { users } => {
                for user in users {
                    edge()?.erase(*user).await?;
                }
            }
            Task::Retire { until } => unless_gone(edge()?.retire(errand.user, *until).await)?,
            Task::Reinstate => unless_gone(edge()?.reinstate(errand.user).await)?,
        }
        Ok(Erased::default())
    }

    /// Leaves what has been begun to others.
    async fn leave(&self) {
        if let Err(error) = self.directory.leave_errands(&self.name).await {
            tracing::debug!(%error, "what follows waits for a moment");
        }
    }
}

/// What is due for whoever has just given it.
fn soon() -> Timestamp {
    clock::now().plus_ms(HEAD_START_MS)
}

/// Whoever is being erased need neither be stopped nor come back.
fn unless_gone(answer: Result<(), EdgeError>) -> Result<(), EdgeError> {
    match answer {
        Err(EdgeError::Gone) => Ok(()),
        answer => answer,
    }
}

/// Does what is due, beside the pulses, one such round at a time.
pub(crate) fn keep_up(hub: &Arc<Hub>) {
    let shared = Arc::clone(hub);
    hub.tasks.spawn(async move {
        tokio::select! {
            done = shared.errands.due() => if let Err(error) = done {
                tracing::warn!(%error, "what follows from erasures and merges is not known");
            },
            () = shared.stop.cancelled() => shared.errands.leave().await,
        }
    });
}

/// Does what follows for a person, soon.
pub(crate) fn soon_for(hub: &Arc<Hub>, user: ZakiUserId) {
    let shared = Arc::clone(hub);
    hub.tasks.spawn(async move { follow(&shared, user).await });
}

/// The same for whoever waits for it, if not for ever; whether it is all done. It goes on either way.
pub(crate) async fn wait_for(hub: &Arc<Hub>, user: ZakiUserId) -> bool {
    let shared = Arc::clone(hub);
    let following = hub.tasks.spawn(async move { follow(&shared, user).await });
    matches!(timeout(AT_ONCE, following).await, Ok(Ok(true)))
}

async fn follow(hub: &Hub, user: ZakiUserId) -> bool {
    if !hub.may_act().await {
        return false;
    }
    tokio::select! {
        followed = hub.errands.follow(user, false) => match followed {
            Ok(followed) => followed.is_done(),
            Err(error) => {
                tracing::warn!(%user, %error, "what follows is done later");
                false
            }
        },
        () = hub.stop.cancelled() => {
            hub.errands.leave().await;
            false
        }
    }
}
