//! One hub among several: it lives as long as its lease. When the lease is lost, everything it had
//! in memory is let go, since others have taken it over by then, and it starts anew.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use zaki_ledger::Error;

use crate::{
    clock, door, errands,
    hub::{Hub, Parts},
    lease::{Lease, Uptime},
    limits, sources,
};

/// How often the lease is renewed and ownerless work looked for.
const PULSE: Duration = Duration::from_secs(1);
/// So many answers in a row may come too late to be of use.
const LATE: u32 = 3;
/// How long the work of an ended term may take to notice, and the ledger to hear of it.
const LET_GO: Duration = Duration::from_secs(2);

/// The hub that serves now; none while a lost lease is being replaced.
pub(crate) type Door = watch::Receiver<Option<Arc<Hub>>>;

/// Begins the first term, or says why that cannot be.
pub(crate) async fn begin(parts: Parts, name: String) -> Result<Replica, Error> {
    let hub = term(&parts, &name).await?;
    Ok(Replica { parts, name, door: watch::Sender::new(Some(hub)) })
}

/// A hub and its successors in this process.
pub(crate) struct Replica {
    parts: Parts,
    /// For people: each term has a token of its own.
    name: String,
    door: watch::Sender<Option<Arc<Hub>>>,
}

impl Replica {
    pub(crate) fn door(&self) -> Door {
        self.door.subscribe()
    }

    /// Keeps the lease, term after term, until the hub closes: also that of the first one, where it
    /// closes already.
    pub(crate) async fn run(self) {
        let mut current = self.door.borrow().clone();
        while current.is_some() || !self.parts.closing.is_cancelled() {
            match current.take() {
                Some(hub) => {
                    keep(&hub).await;
                    if !self.parts.closing.is_cancelled() {
                        self.door.send_replace(None);
                    }
                    let_go(&hub).await;
                }
                None => match term(&self.parts, &self.name).await {
                    Ok(hub) if self.parts.closing.is_cancelled() => let_go(&hub).await,
                    Ok(hub) => {
                        tracing::info!("a new lease: this replica works again");
                        self.door.send_replace(Some(Arc::clone(&hub)));
                        current = Some(hub);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no new lease yet");
                        tokio::time::sleep(PULSE).await;
                    }
                },
            }
        }
    }
}

/// Takes a lease and, with it, what belongs to nobody.
async fn term(parts: &Parts, name: &str) -> Result<Arc<Hub>, Error> {
    let asked = Uptime::now();
    let fence = parts.ledger.enroll(name).await?;
    let lease = Lease::new(fence, parts.ledger.ttl(), asked);
    tracing::debug!(token = fence.token(), "a term begins");
    let hub = Hub::new(parts, lease);
    match hub.recover("taking up what an earlier run left").await {
        Ok(()) => Ok(hub),
        Err(error) => {
            // Some of it may be under way.
            let_go(&hub).await;
            Err(error)
        }
    }
}

/// Renews the lease until it is lost or, at the end of the process, no longer needed.
///
/// Nothing but pulses happens here, so that the lease is not lost because much is to be done.
async fn keep(hub: &Arc<Hub>) {
    if !hub.closing.is_cancelled() {
        sources::receive_from_all(hub);
    }
    let mut late = 0;
    loop {
        match pulse(hub).await {
            Ok(()) if hub.lease.is_live() => late = 0,
            // Renewed, says a ledger whose answer took longer than the lease: others take us for
            // alive, and we may do nothing.
            Ok(()) if late >= LATE => return tracing::warn!("the ledger is too slow for a lease"),
            Ok(()) => late += 1,
            Err(Error::Fenced) => {
                return tracing::warn!("the lease was lost: others go on with this replica's work");
            }
            Err(error) => {
                tracing::warn!(%error, "the lease was not renewed");
                hub.writes.failed(&error);
            }
        }
        let closing = hub.closing.is_cancelled();
        tokio::select! {
            () = tokio::time::sleep(PULSE) => {}
            () = hub.closing.cancelled(), if !closing => {}
            () = hub.stop.cancelled() => return,
        }
    }
}

async fn pulse(hub: &Arc<Hub>) -> Result<(), Error> {
    let before = hub.lease.replicas();
    let found = hub.renew().await?;
    match hub.lease.replicas() {
        now if now < before => tracing::info!("a replica has gone; {now} left"),
        now if now > before => tracing::info!("{now} replicas share the work now"),
        _ => {}
    }
    hub.look_again();
    keep_up(hub);
    errands::keep_up(hub);
    hub.disown_doubtful().await;
    if hub.closing.is_cancelled() {
        give_up(hub).await;
    } else if found.orphans {
        take_over(hub);
    }
    Ok(())
}

/// Keeps what has been counted, and learns of groups that others have changed, beside the pulses.
fn keep_up(hub: &Arc<Hub>) {
    let Ok(alone) = Arc::clone(&hub.keeping_up).try_lock_owned() else { return };
    let shared = Arc::clone(hub);
    hub.tasks.spawn(async move {
        if let Err(error) = shared.allowance.spending.keep(&shared.directory, clock::now()).await {
            tracing::warn!(%error, "what people have spent is kept later");
        }
        if let Err(error) = shared.places.keep(&shared.directory).await {
            tracing::warn!(%error, "where people are is kept later");
        }
        limits::count_unasked(&shared).await;
        if let Err(error) = shared.groups.refresh(&shared.directory).await {
            tracing::warn!(%error, "what has changed in groups was not read");
        }
        if let Err(error) = door::tend(&shared).await {
            tracing::warn!(%error, "what there is to say at the door is said later");
        }
        drop(alone);
    });
}

/// Leaves to others what has not begun, while what has begun ends here.
async fn give_up(hub: &Hub) {
    if let Err(error) = hub.ledger.release(hub.fence).await {
        tracing::warn!(%error, "what has not begun waits for the lease to end");
    }
}

/// Takes up what belongs to nobody, beside the pulses.
fn take_over(hub: &Arc<Hub>) {
    let Ok(alone) = Arc::clone(&hub.taking_over).try_lock_owned() else { return };
    let shared = Arc::clone(hub);
    let saying = match hub.ledger.ttl() {
        Some(_) => "taking over what a replica that has gone, or an operator, left",
        None => "taking up what an operator wants sent",
    };
    hub.tasks.spawn(async move {
        if let Err(error) = shared.recover(saying).await {
            // It may be ours by now without our knowing it: a new term finds out.
            tracing::warn!(%error, "what belongs to nobody was not taken over");
            shared.stop.cancel();
        }
        drop(alone);
    });
}

/// Ends a term: its work stops, and whatever the ledger still has in its name is everybody's.
async fn let_go(hub: &Hub) {
    hub.closing.cancel();
    hub.stop.cancel();
    hub.tasks.close();
    if timeout(LET_GO, hub.tasks.wait()).await.is_err() {
        tracing::warn!("work of the ended term goes on; the ledger will refuse it");
    }
    if let Ok(Err(error)) = timeout(LET_GO, hub.ledger.leave(hub.fence)).await {
        tracing::debug!(%error, "the lease ends by itself");
    }
}
