//! "Is typing…" while the agent thinks: it has an owner, a deadline, and it stops on every exit.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use zaki_channel::Support;
use zaki_envelope::{ChannelKind, Outbound, Presence};
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
    let hub = Arc::clone(hub);
    let Some(account) = hub.accounts.get(address.channel, &address.account) else {
        return Typing(None);
    };
    if account.channel.capabilities(address.conversation.kind).typing < Support::Fallback {
        return Typing(None);
    }
    let channel = Arc::clone(&account.channel);
    let deadline = hub.settings.turn_timeout;
    let outbound = Outbound::Presence { presence: Presence::Typing, about };
    let show = async move {
        tokio::time::sleep(PATIENCE).await;
        loop {
            if let Err(error) = channel.send(&address, &outbound, clock::delivery_id()).await {
                tracing::debug!(%error, "the typing sign did not show");
            }
            tokio::time::sleep(refresh(address.channel)).await;
        }
    };
    Typing(Some(tokio::spawn(async move {
        let _ = tokio::time::timeout(deadline, show).await;
    })))
}

/// A little less than the platform shows it: Telegram 5 s, Discord 10 s, WhatsApp 25 s, Slack 120 s.
const fn refresh(channel: ChannelKind) -> Duration {
    Duration::from_secs(match channel {
        ChannelKind::Telegram => 4,
        ChannelKind::Discord => 8,
        ChannelKind::WhatsApp => 20,
        ChannelKind::Slack => 100,
    })
}
