//! "Is typing…" while the agent thinks: it has an owner, a deadline, and it stops on every exit. A
//! sign that stands until it is taken away is so also by whoever goes on with the turn.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::{CancellationToken, DropGuard};
use zaki_channel::{Capabilities, Channel, Support};
use zaki_envelope::{Address, MessageId, Outbound, Presence};
use zaki_ledger::OpenTurn;

use crate::{clock, hub::Hub, relay::Age};

/// An answer that is here sooner needs no sign.
const PATIENCE: Duration = Duration::from_millis(150);

/// Shows the sign until it is dropped.
pub(crate) struct Typing {
    _over: Option<DropGuard>,
}

/// Begins to show that the reply to `open` is being written, where the channel can. Of an old turn it
/// may show already.
pub(crate) fn show(hub: &Arc<Hub>, open: &OpenTurn, age: Age) -> Typing {
    let to = open.turn.reply.address.clone();
    let about = open.inbounds.last().and_then(|inbound| inbound.message.clone());
    let Some(account) = hub.accounts.get(to.channel, &to.account) else {
        return Typing { _over: None };
    };
    let able = account.channel.capabilities(to.conversation.kind);
    if able.typing < Support::Fallback {
        return Typing { _over: None };
    }
    let (hub, channel) = (Arc::clone(hub), Arc::clone(&account.channel));
    let sign = Sign { hub, channel, to, about, shows: age == Age::Old };
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
    /// It may stand there.
    shows: bool,
}

impl Sign {
    async fn show(mut self, able: Capabilities, over: CancellationToken) {
        if over.run_until_cancelled(tokio::time::sleep(PATIENCE)).await.is_some() {
            let bounded = tokio::time::timeout(self.hub.settings.turn_timeout, self.renew(&able));
            over.run_until_cancelled(bounded).await;
        }
        // Where the lease has gone, whoever goes on with the turn does it.
        if self.shows && able.typing == Support::Fallback && self.hub.may_act().await {
            self.send(Presence::Done).await;
        }
    }

    async fn renew(&mut self, able: &Capabilities) {
        loop {
            // A platform that has asked for silence gets it; and without a lease nothing is said.
            if self.hub.lease.is_live() && !self.hub.outbox.is_paused(&self.to) {
                self.shows = true;
                self.send(Presence::Typing).await;
            }
            tokio::time::sleep(able.typing_refresh).await;
        }
    }

    async fn send(&self, presence: Presence) {
        let outbound = Outbound::Presence { presence, about: self.about.clone() };
        if let Err(error) = self.channel.send(&self.to, &outbound, clock::delivery_id()).await {
            tracing::debug!(%error, "the typing sign did not show");
        }
    }
}
