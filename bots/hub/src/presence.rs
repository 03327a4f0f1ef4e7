//! "Is typing…" while the agent thinks: it has an owner, a deadline, and it stops on every exit.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::{CancellationToken, DropGuard};
use zaki_channel::{Capabilities, Channel, Support};
use zaki_envelope::{Address, MessageId, Outbound, Presence};
use zaki_ledger::OpenTurn;

use crate::{clock, hub::Hub};

/// An answer that is here sooner needs no sign.
const PATIENCE: Duration = Duration::from_millis(150);

/// Shows the sign until it is dropped.
pub(crate) struct Typing {
    _over: Option<DropGuard>,
}

/// Begins to show that the reply to `open` is being written, where the channel can.
pub(crate) fn show(hub: &Arc<Hub>, open: &OpenTurn) -> Typing {
    let to = open.turn.reply.address.clone();
    let about = open.inbounds.last().and_then(|inbound| inbound.message.clone());
    let Some(account) = hub.accounts.get(to.channel, &to.account) else {
        return Typing { _over: None };
    };
    let able = account.channel.capabilities(to.conversation.kind);
    if able.typing < Support::Fallback {
        return Typing { _over: None };
    }
    let sign = Sign { hub: Arc::clone(hub), channel: Arc::clone(&account.channel), to, about };
    let over = CancellationToken::new();
    tokio::spawn(sign.show(able, over.clone()));
    Typing { _over: Some(over.drop_guard()) }
}

/// Where it shows.
struct Sign {
    hub: Arc<Hub>,
    channel: Arc<dyn Channel>,
    to: Address,
    about: Option<MessageId>,
}

impl Sign {
    async fn show(self, able: Capabilities, over: CancellationToken) {
        if over.run_until_cancelled(tokio::time::sleep(PATIENCE)).await.is_none() {
            return;
        }
        let renew = async {
            loop {
                // A platform that has asked for silence gets it.
                if !self.hub.outbox.is_paused(&self.to) {
                    self.send(Presence::Typing).await;
                }
                tokio::time::sleep(able.typing_refresh).await;
            }
        };
        let bounded = tokio::time::timeout(self.hub.settings.turn_timeout, renew);
        over.run_until_cancelled(bounded).await;
        if able.typing == Support::Fallback {
            self.send(Presence::Done).await;
        }
    }

    async fn send(&self, presence: Presence) {
        let outbound = Outbound::Presence { presence, about: self.about.clone() };
        if let Err(error) = self.channel.send(&self.to, &outbound, clock::delivery_id()).await {
            tracing::debug!(%error, "the typing sign did not show");
        }
    }
}
