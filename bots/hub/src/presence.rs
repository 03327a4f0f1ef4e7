//! "Is typing…" while the agent thinks: it has an owner, a deadline, and it stops on every exit.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use zaki_channel::Support;
use zaki_envelope::{Outbound, Presence};
use zaki_ledger::OpenTurn;

use crate::{clock, hub::Hub};

/// An answer that is here sooner needs no sign.
const PATIENCE: Duration = Duration::from_millis(150);

/// Shows the sign until it is dropped.
pub(crate) struct Typing(Option<JoinHandle<()>>);

impl Drop for Typing {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Begins to show that the reply to `open` is being written, where the channel can.
pub(crate) fn show(hub: &Arc<Hub>, open: &OpenTurn) -> Typing {
    let address = open.turn.reply.address.clone();
    let about = open.inbounds.last().and_then(|inbound| inbound.message.clone());
    let Some(account) = hub.accounts.get(address.channel, &address.account) else {
        return Typing(None);
    };
    let able = account.channel.capabilities(address.conversation.kind);
    if able.typing < Support::Fallback {
        return Typing(None);
    }
    let channel = Arc::clone(&account.channel);
    let deadline = hub.settings.turn_timeout;
    let outbound = Outbound::Presence { presence: Presence::Typing, about };
    let hub = Arc::clone(hub);
    let show = async move {
        tokio::time::sleep(PATIENCE).await;
        loop {
            // A platform that has asked for silence gets it.
            let paused = hub.outbox.is_paused(&address);
            if !paused
                && let Err(error) = channel.send(&address, &outbound, clock::delivery_id()).await
            {
                tracing::debug!(%error, "the typing sign did not show");
            }
            tokio::time::sleep(able.typing_refresh).await;
        }
    };
    Typing(Some(tokio::spawn(async move {
        let _ = tokio::time::timeout(deadline, show).await;
    })))
}
