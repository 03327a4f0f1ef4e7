//! One delivery: paced, sent, and settled by what the platform says.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::timeout;
use zaki_channel::{Channel, ChannelError, Evidence, LONGEST_ASKED, Receipt, Recourse, Retry};
use zaki_envelope::{Address, MessageId, Outbound, Part, ReplyHandle};
use zaki_lane::{
    outbox::{Act, Attempt, End, Heard, Letter, Rules},
    pace::Verdict,
};
use zaki_ledger::{Claimed, Delivery, DeliveryEnd, DeliveryKind, Next};

use super::{Driver, age::Tried, pace_of, reports::Awaited, since};
use crate::{
    hub::{Hub, Settings},
    media::{self, Load, Upload},
    troubles::Doing,
};

/// Longer than any channel's own limit for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);

impl Driver<'_> {
    /// Sends a claimed delivery, or gives it back until it is due. `None`: the hub lets go of it.
    pub(super) async fn deliver(&mut self, claimed: Claimed) -> Option<Next> {
        let Claimed { delivery, handle } = claimed;
        let Some(channel) = channel(self.hub, &delivery.address) else {
            let end = DeliveryEnd::Dead { reason: nobody(&delivery.address) };
            return self.settle(&delivery, end).await;
        };
        let mut way = Way::new(self.hub, channel, delivery, handle);
        let cleared = std::mem::take(&mut self.cleared);
        if !cleared && let Verdict::Wait { until, .. } = self.ask(&way.to) {
            let pause = until.saturating_sub(self.hub.outbox.now());
            let end = DeliveryEnd::Held { pause };
            return self.settle(&way.delivery, end).await;
        }
        let now = self.hub.outbox.now();
        let tried = Tried::at(now, &way.delivery, self.tried.as_ref());
        let attempt = Attempt::new(rules(&self.hub.settings), way.letter(&tried), now);
        self.tried = Some(tried);
        let end = way.follow(attempt, Act::Send).await?;
        self.settle(&way.delivery, end).await
    }

    /// Finds out about a delivery whose sender has gone, as far as that is possible.
    pub(super) async fn resume(&mut self, claimed: Claimed) -> Option<Next> {
        let Claimed { delivery, handle } = claimed;
        let Some(channel) = channel(self.hub, &delivery.address) else {
            let end = DeliveryEnd::Unknown { reason: nobody(&delivery.address) };
            return self.settle(&delivery, end).await;
        };
        let mut way = Way::new(self.hub, channel, delivery, handle);
        way.words = String::from("it was being sent when its sender went");
        way.haunted = self.hub.ledger.ttl().is_some();
        let (before, now) = (since(way.delivery.changed_at), self.hub.outbox.now());
        let tried = Tried::resumed(now, &way.delivery);
        let letter = way.letter(&tried);
        self.tried = Some(tried);
        let (attempt, act) = Attempt::resume(rules(&self.hub.settings), letter, before, now);
        let end = way.follow(attempt, act).await?;
        self.settle(&way.delivery, end).await
    }
}

fn rules(settings: &Settings) -> Rules {
    Rules { max_wait: settings.max_wait, patience: settings.patience, report: settings.report }
}

/// Who sends there.
pub(super) fn channel(hub: &Hub, to: &Address) -> Option<Arc<dyn Channel>> {
    hub.accounts.get(to.channel, &to.account).map(|account| Arc::clone(&account.channel))
}

fn nobody(to: &Address) -> String {
    format!("no account `{}` of {} is configured any more", to.account, to.channel)
}

/// A delivery on its way to its platform.
struct Way<'a> {
    hub: &'a Arc<Hub>,
    channel: Arc<dyn Channel>,
    delivery: Delivery,
    to: Address,
    recourse: Recourse,
    /// The platform's report, where one is to be expected.
    awaited: Option<Awaited<'a>>,
    receipt: Vec<MessageId>,
    /// What last went wrong.
    words: String,
    /// Its sender's lease has run out, which does not say that the sender has ended: frozen, it
    /// may still send. That the platform does not have it proves nothing then.
    haunted: bool,
}

impl<'a> Way<'a> {
    fn new(
        hub: &'a Arc<Hub>,
        channel: Arc<dyn Channel>,
        delivery: Delivery,
        handle: Option<ReplyHandle>,
    ) -> Self {
        let to = Address { handle, ..delivery.address.clone() };
        let recourse = channel.recourse(&to, &delivery.outbound);
        let reported = matches!(recourse, Recourse::Callback { .. });
        let awaited = reported.then(|| hub.outbox.reports.expect(delivery.id));
        let (receipt, words) = (Vec::new(), String::new());
        let haunted = false;
        Self { hub, channel, delivery, to, recourse, awaited, receipt, words, haunted }
    }

    fn letter(&self, tried: &Tried) -> Letter {
        let Delivery { kind, attempts, .. } = self.delivery;
        Letter {
            recourse: self.recourse,
            harmless: kind == DeliveryKind::Notice,
            claims: attempts,
            age: tried.age(),
        }
    }

    /// Does what the attempt asks for until it ends. `None`: the hub lets go.
    async fn follow(&mut self, mut attempt: Attempt, mut act: Act) -> Option<DeliveryEnd> {
        loop {
            // Somebody else may have it by now; and what might be repeated then may not be now.
            if matches!(act, Act::Send | Act::Prove) && !self.hub.lease.is_live() {
                if !self.hub.may_act().await {
                    return None;
                }
                act = attempt.step(Heard::Time, self.hub.outbox.now(), rand::random());
                continue;
            }
            let heard = match act {
                Act::End(end) => return Some(self.end(end)),
                Act::Wait(until) => self.wait(until).await?,
                Act::Send => self.send().await,
                Act::Prove => self.prove().await,
            };
            act = attempt.step(heard, self.hub.outbox.now(), rand::random());
        }
    }

    async fn send(&mut self) -> Heard {
        let sent = match self.call().await {
            Some(Err(ChannelError { moved: Some(conversation), .. })) => {
                self.to.conversation.id = conversation;
                self.call().await
            }
            sent => sent,
        };
        match sent {
            // Nothing was sent. What is to be done now is asked anew.
            None => Heard::Time,
            Some(Ok(receipt)) => self.sent(receipt),
            Some(Err(error)) => self.failed(&error),
        }
    }

    /// `None`: the lease ran out before the platform was called.
    async fn call(&self) -> Option<Result<Receipt, ChannelError>> {
        let Delivery { id, outbound, .. } = &self.delivery;
        let _seat = match outbound {
            Outbound::Post { parts, .. } if matches!(parts[..], [Part::Media { .. }, ..]) => {
                Some(self.hub.media.seat().await)
            }
            _ => None,
        };
        let load = match media::load(self.hub, &self.to, outbound).await {
            Ok(load) => load,
            Err(error) => return Some(Err(error)),
        };
        // A file has taken its time; others may have taken over meanwhile.
        if !self.hub.lease.is_live() {
            return None;
        }
        let sent = match load {
            Load::Words => bounded(&self.to, self.channel.send(&self.to, outbound, *id)).await,
            Load::Gone(said) => bounded(&self.to, self.channel.send(&self.to, &said, *id)).await,
            Load::File(upload) => {
                let Upload { file, reply_to } = &*upload;
                let sent = self.channel.upload(&self.to, file, reply_to.as_ref(), *id);
                bounded(&self.to, sent).await
            }
        };
        self.heard(sent.as_ref().map(|_| ()));
        Some(sent)
    }

    /// Whether the account can send shows in what comes of this.
    fn heard(&self, call: Result<(), &ChannelError>) {
        let account = format!("{}/{}", self.to.channel, self.to.account);
        self.hub.troubles.heard(&account, Doing::Sending, call);
    }

    fn sent(&mut self, receipt: Receipt) -> Heard {
        self.receipt.extend(receipt.message);
        Heard::Sent
    }

    fn failed(&mut self, error: &ChannelError) -> Heard {
        let Delivery { id, attempts, .. } = self.delivery;
        let retry = bearable(error.retry, self.hub.settings.patience);
        let then = match retry {
            Retry::AfterMs(_) => "it is tried again",
            Retry::Never => "it is given up",
            Retry::Unknown => "nobody knows whether it arrived",
        };
        tracing::warn!(delivery = %id, attempts, error = %chain(error), then, "a send failed");
        if let Retry::AfterMs(ms) = retry {
            let pace = pace_of(self.hub, &*self.channel, &self.to);
            self.hub.outbox.pause(&self.to, pace, error.scope, Duration::from_millis(ms));
        }
        self.words = error.to_string();
        Heard::Failed(retry)
    }

    /// Asks the platform for it. That fails as a send does, but what failed it for is kept.
    async fn prove(&mut self) -> Heard {
        let Delivery { id, changed_at, .. } = self.delivery;
        let proved = bounded(&self.to, self.channel.prove(&self.to, id, changed_at)).await;
        // Whoever cannot tell may not have asked.
        if !matches!(proved, Ok(Evidence::CannotTell)) {
            self.heard(proved.as_ref().map(|_| ()));
        }
        match proved {
            Ok(Evidence::Sent(receipt)) => {
                self.receipt.extend(receipt.message);
                Heard::Proved(true)
            }
            Ok(Evidence::NotSent) if self.haunted => Heard::CannotTell,
            Ok(Evidence::NotSent) => Heard::Proved(false),
            Ok(Evidence::CannotTell) => Heard::CannotTell,
            Err(error) => {
                tracing::warn!(delivery = %id, error = %chain(&error), "asking for it failed");
                Heard::Failed(error.retry)
            }
        }
    }

    /// Waits until then, or for the platform's report. `None`: the hub closes.
    async fn wait(&mut self, until: Duration) -> Option<Heard> {
        let wait = until.saturating_sub(self.hub.outbox.now());
        let report = async {
            match &mut self.awaited {
                Some(awaited) => awaited.report().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            report = report => Some(match report {
                Ok(message) => {
                    self.receipt.push(message);
                    Heard::Reported(true)
                }
                Err(why) => {
                    self.words = why;
                    Heard::Reported(false)
                }
            }),
            () = tokio::time::sleep(wait) => Some(Heard::Time),
            () = self.hub.closing.cancelled() => None,
        }
    }

    fn end(&mut self, end: End) -> DeliveryEnd {
        let reason = std::mem::take(&mut self.words);
        match end {
            End::Sent => DeliveryEnd::Sent { receipt: std::mem::take(&mut self.receipt) },
            End::Retry(pause) => DeliveryEnd::Retry { pause, reason },
            End::Unknown => DeliveryEnd::Unknown { reason },
            End::Refused => DeliveryEnd::Dead { reason },
            End::GivenUp => {
                let attempts = self.delivery.attempts;
                DeliveryEnd::Dead {
                    reason: format!("{reason}; given up after {attempts} attempts"),
                }
            }
        }
    }
}

/// A wait that a platform asks for, within bounds: nobody waits longer than answers are tried for.
fn bearable(retry: Retry, patience: Duration) -> Retry {
    let longest = u64::try_from(LONGEST_ASKED.min(patience).as_millis()).unwrap_or(u64::MAX);
    match retry {
        Retry::AfterMs(ms) => Retry::AfterMs(ms.min(longest)),
        retry => retry,
    }
}

/// A call that ends, whatever the channel does: neither silence nor a panic leaves the delivery to
/// nobody.
async fn bounded<T>(
    to: &Address,
    call: impl Future<Output = Result<T, ChannelError>>,
) -> Result<T, ChannelError> {
    let unknown = |why| Err(ChannelError::new(to.channel, Retry::Unknown, why));
    match timeout(CALL_TIMEOUT, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => unknown("a defect of ours"),
        Err(_) => unknown("no answer in time"),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_platform_is_left_alone_for_ever() {
        let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
        let asked = |ms, patience| bearable(Retry::AfterMs(ms), patience);
        assert_eq!(asked(999_999_999_000, day), Retry::AfterMs(3_600_000));
        assert_eq!(asked(999_999_999_000, hour / 2), Retry::AfterMs(1_800_000));
        assert_eq!(asked(7_000, day), Retry::AfterMs(7_000));
        assert_eq!(bearable(Retry::Unknown, day), Retry::Unknown);
    }
}
