//! The sockets of this replica: one replica at a time receives from each.

use std::{sync::Arc, time::Duration};

use zaki_channel::Source;

use crate::{
    accept::AccountInbox,
    accounts::{self, REFUSED_AGAIN},
    hub::Hub,
    troubles::Doing,
};

/// How long until a socket that another replica holds is asked for again, and until one that ended
/// by a defect of ours is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// A socket that has been open for so long is not refused.
const ACCEPTED: Duration = Duration::from_secs(20);

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
    let mut refused_again = REFUSED_AGAIN;
    while hold(&hub, &label).await {
        let (inbox, source, closing) = (inbox.clone(), source.clone(), hub.closing.clone());
        // In a task of its own, so that a panic in it is noticed as well.
        let mut task = tokio::spawn(async move { source.run(&*inbox, closing).await });
        let soon = tokio::time::timeout(ACCEPTED, &mut task).await;
        if soon.is_err() && refused_again != REFUSED_AGAIN {
            hub.troubles.heard(&label, Doing::Receiving, Ok(()));
            refused_again = REFUSED_AGAIN;
        }
        let ended = match soon {
            Ok(ended) => ended,
            Err(_) => task.await,
        };
        // Whoever receives from now on says how that goes.
        hub.troubles.heard(&label, Doing::Receiving, Ok(()));
        match ended {
            Ok(Ok(())) => return,
            // It says itself that going on is pointless, as things are.
            Ok(Err(error)) => {
                hub.troubles.refused(&label, Doing::Receiving, &error);
                pause(&hub, accounts::next_pause(&mut refused_again)).await;
            }
            Err(error) => {
                tracing::error!(account = label, %error, "its socket ended abnormally");
                pause(&hub, AGAIN).await;
            }
        }
    }
    // Whoever has it now says so.
    hub.troubles.heard(&label, Doing::Receiving, Ok(()));
}

/// Waits until the socket is ours; `false`: the term ends.
async fn hold(hub: &Hub, label: &str) -> bool {
    while !hub.closing.is_cancelled() {
        match hub.ledger.hold(hub.fence, label).await {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => tracing::warn!(account = label, %error, "not received from yet"),
        }
        pause(hub, AGAIN).await;
    }
    false
}

async fn pause(hub: &Hub, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = hub.closing.cancelled() => {}
    }
}
