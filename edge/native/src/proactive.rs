//! What agents say without being asked: kept from the moment a sandbox hands it over until a hub has
//! it, across crashes of either.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use zaki_edge_core::{
    person::Standing,
    proactive::{Fate, Heard, fate},
};
use zaki_envelope::{
    SandboxName, ZakiUserId,
    wire::proactive::{OutboundRequest, Proactive, Taken},
};

use crate::{
    HubClient, HubError, clock,
    runtime::{HttpLink, LinkError},
    shared::Shared,
    state::Spoken,
};

/// After a sandbox or the store did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// After the hub did not; doubled each time.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks, whatever the clock does meanwhile.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// So many are handed over between two looks at the store.
const SOME: u32 = 50;

/// The way to the hub, and who waits for it.
#[derive(Default)]
pub(crate) struct Outgoing {
    hub: RwLock<Option<HubClient>>,
    /// Whoever cannot be written to now.
    unreachable: Mutex<HashSet<ZakiUserId>>,
    news: Notify,
}

impl Outgoing {
    /// From now on the hub hears what there is.
    pub(crate) fn connect(&self, hub: HubClient) {
        *self.hub.write().unwrap_or_else(PoisonError::into_inner) = Some(hub);
        self.news.notify_one();
    }

    fn hub(&self) -> Option<HubClient> {
        self.hub.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn unreachable(&self) -> MutexGuard<'_, HashSet<ZakiUserId>> {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Somebody writes: what has waited for that may go.
    pub(crate) fn reachable(self: &Arc<Self>, user: ZakiUserId) {
        if !self.outgoing.unreachable().remove(&user) {
            return;
        }
        let shared = self.clone();
        self.tasks.spawn(async move {
            match shared.state.hasten_proactive(user, clock::now()).await {
                Ok(_) => shared.outgoing.news.notify_one(),
                Err(error) => tracing::debug!(%error, "what waits for somebody waits on"),
            }
        });
    }

    /// Keeps what a sandbox says; `false`: it is nobody's any more.
    pub(crate) async fn keep_spoken(
        &self,
        sandbox: &SandboxName,
        message: Proactive,
    ) -> Result<bool, zaki_store::Error> {
        // Nobody leaves while it is written.
        let held = self.people.hold(sandbox.user()).await;
        if held.standing != Standing::Active {
            return Ok(false);
        }
        tracing::info!(%sandbox, id = %message.id, "agent.speaks");
        self.state.keep_proactive(sandbox.clone(), message, clock::now()).await?;
        self.outgoing.news.notify_one();
        Ok(true)
    }
}

/// Hears one start of a sandbox, as long as this is awaited.
pub(crate) async fn listen(shared: Arc<Shared>, sandbox: SandboxName, link: HttpLink) {
    loop {
        match hear(&shared, &sandbox, &link).await {
            Ok(()) => {}
            // An older program, which says nothing.
            Err(Deaf::Link(LinkError::Refused(404))) => return,
            Err(error) => {
                tracing::debug!(%sandbox, %error, "agent.not_heard");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Store(#[from] zaki_store::Error),
}

async fn hear(shared: &Shared, sandbox: &SandboxName, link: &HttpLink) -> Result<(), Deaf> {
    for message in link.proactive().await? {
        let id = message.id;
        if shared.keep_spoken(sandbox, message).await? {
            shared.hooks.changed(sandbox, None);
        } else {
            tracing::info!(%sandbox, %id, "agent.speaks_to_nobody");
        }
        link.take(id).await?;
    }
    Ok(())
}

/// Hands over whatever there is, as long as the edge runs.
pub(crate) async fn deliver(edge: Weak<Shared>) {
    let mut pause = PAUSE;
    while let Some(shared) = edge.upgrade() {
        let wait = match deliver_due(&shared).await {
            Ok(wait) => {
                pause = PAUSE;
                wait
            }
            Err(error) => {
                tracing::debug!(%error, "what agents say waits");
                pause = (pause * 2).min(LONGEST_PAUSE);
                pause
            }
        };
        let outgoing = shared.outgoing.clone();
        drop(shared);
        let _ = timeout(wait, outgoing.news.notified()).await;
    }
}

/// Why it is not handed over now.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Store(#[from] zaki_store::Error),
}

/// Hands over what is due; how long until there is more.
async fn deliver_due(shared: &Shared) -> Result<Duration, Undelivered> {
    let Some(hub) = shared.outgoing.hub() else { return Ok(LONGEST_WAIT) };
    let (due, next) = shared.state.due_proactive(clock::now(), SOME).await?;
    let is_full = due.len() >= SOME as usize;
    for spoken in due {
        hand_over(shared, &hub, spoken).await?;
    }
    if is_full {
        return Ok(Duration::ZERO);
    }
    let wait = next.and_then(|at| u64::try_from(at.since(clock::now())).ok());
    Ok(wait.map_or(LONGEST_WAIT, Duration::from_millis).min(LONGEST_WAIT))
}

async fn hand_over(shared: &Shared, hub: &HubClient, spoken: Spoken) -> Result<(), Undelivered> {
    let Spoken { sandbox, message, kept_at } = spoken;
    let (id, user) = (message.id, sandbox.user());
    let request = OutboundRequest { user, message };
    let heard = match hub.outbound(&request).await {
        Ok(taken) => Heard::Taken(taken),
        Err(HubError::Refused(status)) => {
            tracing::error!(%sandbox, %id, status, "the hub does not hear what agents say");
            Heard::Refused
        }
        Err(error) => return Err(error.into()),
    };
    match fate(heard, kept_at, clock::now()) {
        Fate::Over => {
            match heard {
                Heard::Taken(Taken::Kept) => {}
                Heard::Taken(Taken::Refused) => {
                    tracing::info!(%sandbox, %id, "agent.speaks_to_nobody");
                }
                _ => {
                    tracing::warn!(%sandbox, %id, "what an agent said could not be told for a week")
                }
            }
            shared.state.end_proactive(id).await?;
        }
        Fate::Again(at) => {
            if heard == Heard::Taken(Taken::Later) {
                shared.outgoing.unreachable().insert(user);
            }
            shared.state.postpone_proactive(id, at).await?;
        }
    }
    Ok(())
}
