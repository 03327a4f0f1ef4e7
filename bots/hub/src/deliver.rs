//! The outbox: the one place that sends replies, retries them and settles what became of them.
//! One writer per delivery; the parts of a reply go out in order and never past a failed one.

use std::{sync::Arc, time::Duration};

use zaki_channel::{ChannelError, Retry};
use zaki_envelope::{
    AccountName, Address, ChannelKind, ConversationId, DeliveryId, InboundId, Timestamp,
};
use zaki_ledger::{Claimed, Delivery, DeliveryEnd, NewDelivery};

use crate::{
    clock,
    hub::{Hub, Settings},
    stage::Step,
};

/// The deliveries of one reply, in order, to one place.
pub(crate) struct Reply {
    /// The messages it answers, where this process has seen them.
    inbounds: Vec<InboundId>,
    to: Address,
    parts: Vec<DeliveryId>,
    /// The first part, when the ledger has handed it out already.
    first: Option<Claimed>,
    /// What the platform asked an earlier process to wait for.
    not_before: Timestamp,
}

impl Reply {
    /// The reply of a turn that has just ended; `None` when there is nothing to say.
    pub(crate) fn of_turn(
        inbounds: Vec<InboundId>,
        deliveries: &[NewDelivery],
        first: Option<Claimed>,
    ) -> Option<Self> {
        let to = deliveries.first()?.address.clone();
        let parts = deliveries.iter().map(|delivery| delivery.id).collect();
        Some(Self { inbounds, to, parts, first, not_before: Timestamp::default() })
    }

    /// What an earlier process left, reply by reply.
    pub(crate) fn group(deliveries: &[Delivery]) -> Vec<Self> {
        let same = |a: &Delivery, b: &Delivery| {
            a.turn == b.turn && a.address == b.address && a.part < b.part
        };
        deliveries
            .chunk_by(same)
            .filter_map(|reply| {
                let (to, not_before) = (reply.first()?.address.clone(), reply.first()?.not_before);
                let parts = reply.iter().map(|delivery| delivery.id).collect();
                Some(Self { inbounds: Vec::new(), to, parts, first: None, not_before })
            })
            .collect()
    }

    /// Puts the reply on its conversation's lane.
    pub(crate) fn enqueue(self, hub: &Arc<Hub>) {
        let key = order_key(&self.to);
        let shared = Arc::clone(hub);
        hub.outbox.push(key, self, move |reply| reply.send(Arc::clone(&shared)));
    }

    async fn send(mut self, hub: Arc<Hub>) {
        let wait = u64::try_from(self.not_before.since(clock::now())).unwrap_or_default();
        let mut sent = rest(&hub, Duration::from_millis(wait)).await;
        let parts = if sent { self.parts } else { Vec::new() };
        for part in parts {
            sent = send_part(&hub, part, self.first.take()).await;
            if !sent {
                break;
            }
        }
        for inbound in self.inbounds {
            hub.stages.tell(inbound, if sent { Step::Delivered } else { Step::Failed });
        }
    }
}

/// What keeps deliveries in order: one conversation of one bot.
pub(crate) type OrderKey = (ChannelKind, AccountName, ConversationId);

/// The order key of a place; threads of one conversation share it.
pub(crate) fn order_key(to: &Address) -> OrderKey {
    (to.channel, to.account.clone(), to.conversation.id.clone())
}

/// Sends one delivery, as often as the platform says "later" and patience lasts. Returns
/// whether the platform has it, so that the next part may follow.
async fn send_part(hub: &Hub, id: DeliveryId, mut claimed: Option<Claimed>) -> bool {
    loop {
        let claim = match claimed.take() {
            Some(claim) => claim,
            None => match claim(hub, id).await {
                Some(claim) => claim,
                None => return false,
            },
        };
        let (end, pause) = attempt(hub, claim).await;
        let sent = matches!(end, DeliveryEnd::Sent { .. });
        let settle = || hub.ledger.settle_delivery(Hub::FENCE, id, end.clone(), clock::now());
        let settled = hub.persist("settle a delivery", settle).await;
        let (Some(_), Some(pause)) = (settled, pause) else {
            return sent;
        };
        if !rest(hub, pause).await {
            return false;
        }
    }
}

/// Waits; `false`: the hub closes first, and what waits is sent after the next start.
async fn rest(hub: &Hub, time: Duration) -> bool {
    if time.is_zero() {
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = hub.closing.cancelled() => false,
    }
}

async fn claim(hub: &Hub, id: DeliveryId) -> Option<Claimed> {
    let claim = || hub.ledger.claim_delivery(Hub::FENCE, id, clock::now());
    hub.persist("claim a delivery", claim).await?
}

/// One attempt: how it ended and, when it is to be made again, after what pause.
async fn attempt(hub: &Hub, claim: Claimed) -> (DeliveryEnd, Option<Duration>) {
    let Delivery { id, address, outbound, attempts, .. } = claim.delivery;
    let to = Address { handle: claim.handle, ..address };
    let Some(account) = hub.accounts.get(to.channel, &to.account) else {
        let reason =
            format!("no account `{}` of {} is configured any more", to.account, to.channel);
        return (DeliveryEnd::Dead { reason }, None);
    };
    match account.channel.send(&to, &outbound, id).await {
        Ok(receipt) => (DeliveryEnd::Sent { receipt: receipt.message.into_iter().collect() }, None),
        Err(error) => {
            tracing::warn!(delivery = %id, attempts, error = %chain(&error), "a send failed");
            judge(&error, attempts, age(id), &hub.settings)
        }
    }
}

/// What a failed attempt means. The one table from failure class to what happens next.
///
/// "Later" is answered with patience, not with a number of tries: an outage of the platform or of
/// our own uplink must not cost anybody an answer.
fn judge(
    error: &ChannelError,
    attempts: u32,
    age: Duration,
    settings: &Settings,
) -> (DeliveryEnd, Option<Duration>) {
    let reason = error.to_string();
    let asked = match error.retry {
        Retry::Never => return (DeliveryEnd::Dead { reason }, None),
        Retry::Unknown => return (DeliveryEnd::Unknown { reason }, None),
        Retry::AfterMs(ms) => Duration::from_millis(ms),
    };
    let pause = asked.max(back_off(attempts).min(settings.max_wait));
    if age + pause > settings.patience {
        let reason = format!("{reason}; given up after {attempts} attempts");
        return (DeliveryEnd::Dead { reason }, None);
    }
    let ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    (DeliveryEnd::Retry { not_before: clock::now().plus_ms(ms), reason }, Some(pause))
}

/// Half a second, doubled with every attempt.
fn back_off(attempts: u32) -> Duration {
    Duration::from_millis(500 << attempts.saturating_sub(1).min(10))
}

fn age(id: DeliveryId) -> Duration {
    Duration::from_millis(u64::try_from(clock::now().since(id.minted_at())).unwrap_or_default())
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        turn_timeout: Duration::from_mins(10),
        max_wait: Duration::from_mins(2),
        patience: Duration::from_hours(24),
    };

    fn judged(retry: Retry, attempts: u32, age: Duration) -> (DeliveryEnd, Option<Duration>) {
        let error = ChannelError::new(ChannelKind::Telegram, retry, "no");
        judge(&error, attempts, age, &SETTINGS)
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_platform_asks_and_our_own_is_capped() {
        let pause = |ms, attempts| judged(Retry::AfterMs(ms), attempts, Duration::ZERO).1;
        assert_eq!(pause(0, 1), Some(Duration::from_millis(500)));
        assert_eq!(pause(0, 3), Some(Duration::from_secs(2)));
        assert_eq!(pause(0, u32::MAX), Some(Duration::from_mins(2)));
        assert_eq!(pause(2_100_000, 1), Some(Duration::from_mins(35)));
    }

    #[test]
    fn patience_ends_a_reply_and_nothing_else_does() {
        let many = judged(Retry::AfterMs(0), 700, Duration::from_hours(23)).0;
        assert!(matches!(many, DeliveryEnd::Retry { .. }));
        let old = judged(Retry::AfterMs(0), 2, Duration::from_hours(24)).0;
        assert!(matches!(old, DeliveryEnd::Dead { .. }));
    }

    #[test]
    fn what_may_have_arrived_is_not_sent_again() {
        assert!(matches!(judged(Retry::Unknown, 1, Duration::ZERO).0, DeliveryEnd::Unknown { .. }));
        assert!(matches!(judged(Retry::Never, 1, Duration::ZERO).0, DeliveryEnd::Dead { .. }));
    }
}
