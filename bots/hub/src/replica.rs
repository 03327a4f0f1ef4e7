//! One hub among several: it lives as long as its lease. When the lease is lost, everything it had
//! in memory is let go, since others have taken it over by then, and it starts anew.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::timeout};
use zaki_channel::Source;
use zaki_ledger::Error;

use crate::{
    accounts::Account,
    hub::{AccountInbox, Hub, Parts},
    lease::{Lease, Uptime},
};

/// How often the lease is renewed and ownerless work looked for.
const PULSE: Duration = Duration::from_secs(1);
/// How long a pulse may take: a lost connection must not eat the lease up.
const PULSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the work of a lost term may take to notice.
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

    /// Keeps the lease, term after term, until the hub closes.
    pub(crate) async fn run(self) {
        let mut current = self.door.borrow().clone();
        while !self.parts.closing.is_cancelled() {
            match current.take() {
                Some(hub) => {
                    keep(&hub).await;
                    if !self.parts.closing.is_cancelled() {
                        self.door.send_replace(None);
                    }
                    let_go(&hub).await;
                }
                None => match term(&self.parts, &self.name).await {
                    Ok(hub) => {
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
    hub.recover().await?;
    Ok(hub)
}

/// Renews the lease until it is lost or, at the end of the process, no longer needed.
async fn keep(hub: &Arc<Hub>) {
    let mut sources = Sources::default();
    loop {
        match pulse(hub).await {
            Ok(()) if hub.closing.is_cancelled() => {}
            Ok(()) => sources.claim(hub).await,
            Err(Error::Fenced) => {
                tracing::warn!("the lease was lost: others go on with this replica's work");
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease was not renewed"),
        }
        tokio::select! {
            () = tokio::time::sleep(PULSE) => {}
            () = hub.stop.cancelled() => return,
        }
    }
}

async fn pulse(hub: &Arc<Hub>) -> Result<(), Error> {
    let asked = Uptime::now();
    let pulse = hub.ledger.pulse(hub.fence);
    let Ok(found) = timeout(PULSE_TIMEOUT, pulse).await else {
        tracing::warn!("the ledger does not answer");
        return Ok(());
    };
    let found = found?;
    hub.lease.renew(asked, found.replicas);
    if found.orphans && !hub.closing.is_cancelled() {
        hub.recover().await?;
    }
    Ok(())
}

async fn let_go(hub: &Hub) {
    hub.closing.cancel();
    hub.stop.cancel();
    hub.tasks.close();
    if timeout(LET_GO, hub.tasks.wait()).await.is_err() {
        tracing::warn!("work of the lost term goes on; the ledger will refuse it");
    }
}

/// The sockets of this replica: one replica at a time receives from each.
#[derive(Default)]
struct Sources {
    running: HashMap<String, JoinHandle<()>>,
}

impl Sources {
    /// Starts the sockets whose lease is ours and that do not run yet.
    async fn claim(&mut self, hub: &Arc<Hub>) {
        for account in hub.accounts.iter() {
            let Some(source) = &account.source else { continue };
            if self.running.contains_key(account.label()) {
                continue;
            }
            match hub.ledger.hold(hub.fence, account.label()).await {
                Ok(false) => {}
                Ok(true) => {
                    let task = tokio::spawn(receive(inbox(hub, account), Arc::clone(source)));
                    self.running.insert(account.label().to_owned(), task);
                }
                Err(error) => {
                    tracing::warn!(account = account.label(), %error, "not received from yet");
                }
            }
        }
    }
}

fn inbox(hub: &Arc<Hub>, account: &Account) -> AccountInbox {
    AccountInbox { hub: Arc::clone(hub), kind: account.kind, name: account.name.clone() }
}

/// Runs a socket until the term ends. A source ends before that only when going on is pointless.
async fn receive(inbox: AccountInbox, source: Arc<dyn Source>) {
    let hub = Arc::clone(&inbox.hub);
    let label = format!("{}/{}", inbox.kind, inbox.name);
    let closing = hub.closing.clone();
    // In a task of its own, so that a panic in it is noticed as well.
    let ended = tokio::spawn(async move { source.run(&inbox, closing).await }).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => hub.troubles.note(&label, error.to_string()),
        Err(error) => hub.troubles.note(&label, format!("its socket ended abnormally: {error}")),
    }
}
