//! The sockets of this replica: one replica at a time receives from each.

use std::{sync::Arc, time::Duration};

use zaki_channel::Source;

use crate::{accept::AccountInbox, hub::Hub, troubles::Doing};

/// How long until a socket that another replica holds is asked for again, and until one that ended
/// by a defect of ours is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// Receives from every socket of the accounts, as soon as it is ours, until the term ends.
pub(crate) fn receive_from_all(hub: &Arc<Hub>) {
    for account in hub.accounts.iter() {
        if let Some(source) = &account.source {
            let inbox = AccountInbox {
                hub: Arc::clone(hub),
                kind: account.kind,
                name: account.name.clone(),
            };
            tokio::spawn(receive(inbox, Arc::clone(source), account.label().to_owned()));
        }
    }
}

async fn receive(inbox: AccountInbox, source: Arc<dyn Source>, label: String) {
    let (hub, inbox) = (Arc::clone(&inbox.hub), Arc::new(inbox));
    while hold(&hub, &label).await {
        let (inbox, source, closing) = (inbox.clone(), source.clone(), hub.closing.clone());
        // In a task of its own, so that a panic in it is noticed as well.
        let ended = tokio::spawn(async move { source.run(&*inbox, closing).await }).await;
        // Whoever receives from now on says how that goes.
        hub.troubles.heard(&label, Doing::Receiving, Ok(()));
        match ended {
            Ok(Ok(())) => return,
            // It says itself that going on is pointless.
            Ok(Err(error)) => return hub.troubles.note(&label, error.to_string()),
            Err(error) => tracing::error!(account = label, %error, "its socket ended abnormally"),
        }
        pause(&hub).await;
    }
}

/// Waits until the socket is ours; `false`: the term ends.
async fn hold(hub: &Hub, label: &str) -> bool {
    while !hub.closing.is_cancelled() {
        match hub.ledger.hold(hub.fence, label).await {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => tracing::warn!(account = label, %error, "not received from yet"),
        }
        pause(hub).await;
    }
    false
}

async fn pause(hub: &Hub) {
    tokio::select! {
        () = tokio::time::sleep(AGAIN) => {}
        () = hub.closing.cancelled() => {}
    }
}
