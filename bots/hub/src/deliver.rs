//! The outbox: the one place that sends replies, retries them and settles what became of them.
//! One writer per delivery; the parts of a reply go out in order and never past a failed one.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use zaki_channel::{ChannelError, Retry};
use zaki_envelope::{Address, DeliveryId, InboundId, TurnId};
use zaki_ledger::{Claimed, Delivery, DeliveryEnd, Next, OpenTurn};

use crate::{
    clock,
    hub::{Hub, Settings},
    stage::Step,
};

/// Which messages the replies on their way answer, and in how many parts, for whoever watches.
#[derive(Default)]
pub(crate) struct Answers(DashMap<TurnId, (Vec<InboundId>, usize)>);

impl Answers {
    /// The reply of a turn that ends now.
    pub(crate) fn expect(&self, open: &OpenTurn, parts: usize) {
        self.0.insert(open.turn.id, (open.turn.inbounds.clone(), parts));
    }

    fn note(&self, hub: &Hub, turn: TurnId, sent: bool) {
        let left = self.0.get_mut(&turn).map(|mut answer| {
            answer.1 = answer.1.saturating_sub(1);
            answer.1
        });
        if left == Some(0) || (left.is_some() && !sent) {
            let step = if sent { Step::Delivered } else { Step::Failed };
            for inbound in self.0.remove(&turn).map(|(_, (inbounds, _))| inbounds).unwrap_or_default()
            {
                hub.stages.tell(inbound, step.clone());
            }
        }
    }
}

/// Sends what the ledger has handed out, and what it hands out after that.
pub(crate) fn spawn(hub: &Arc<Hub>, next: Next) {
    if next != Next::None {
        hub.tasks.spawn(drive(Arc::clone(hub), next));
    }
}

/// Found half sent: nobody knows whether it has arrived.
pub(crate) fn give_up(hub: &Arc<Hub>, delivery: Delivery) {
    let hub = Arc::clone(hub);
    let tasks = hub.tasks.clone();
    tasks.spawn(async move {
        let end = DeliveryEnd::Unknown { reason: "stopped while sending".to_owned() };
        if let Some(next) = settle(&hub, delivery.id, delivery.turn, end).await {
            drive(hub, next).await;
        }
    });
}

/// One conversation, as long as something of it is ours to send.
async fn drive(hub: Arc<Hub>, mut next: Next) {
    loop {
        let then = match next {
            Next::None => return,
            Next::Later { id, not_before } => {
                let wait = u64::try_from(not_before.since(clock::now())).unwrap_or_default();
                if !rest(&hub, Duration::from_millis(wait)).await {
                    return;
                }
                let claim = || hub.ledger.claim_delivery(hub.fence, id, clock::now());
                hub.persist("claim a delivery", claim).await
            }
            Next::Claimed(claim) => {
                let (id, turn) = (claim.delivery.id, claim.delivery.turn);
                let end = attempt(&hub, claim).await;
                settle(&hub, id, turn, end).await
            }
        };
        let Some(then) = then else { return };
        next = then;
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

async fn settle(
    hub: &Hub,
    id: DeliveryId,
    turn: Option<TurnId>,
    end: DeliveryEnd,
) -> Option<Next> {
    let settle = || hub.ledger.settle_delivery(hub.fence, id, end.clone(), clock::now());
    let settled = hub.persist("settle a delivery", settle).await?;
    if let Some(turn) = turn.filter(|_| !matches!(end, DeliveryEnd::Retry { .. })) {
        hub.answers.note(hub, turn, matches!(end, DeliveryEnd::Sent { .. }));
    }
    Some(settled.next)
}

/// One attempt: how it ended.
async fn attempt(hub: &Hub, claim: Claimed) -> DeliveryEnd {
    let Delivery { id, address, outbound, attempts, .. } = claim.delivery;
    let to = Address { handle: claim.handle, ..address };
    let Some(account) = hub.accounts.get(to.channel, &to.account) else {
        let reason =
            format!("no account `{}` of {} is configured any more", to.account, to.channel);
        return DeliveryEnd::Dead { reason };
    };
    match account.channel.send(&to, &outbound, id).await {
        Ok(receipt) => DeliveryEnd::Sent { receipt: receipt.message.into_iter().collect() },
        Err(error) => {
            tracing::warn!(delivery = %id, attempts, error = %chain(&error), "a send failed");
            judge(&error, attempts, age(id), &hub.settings).0
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
    use zaki_envelope::ChannelKind;

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
