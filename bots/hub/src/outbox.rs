//! The outbox: the one place that sends, paces and settles deliveries, and tells people of those
//! that were lost.
//!
//! The ledger is its queue. It hands a conversation's oldest delivery to one sender, and whoever
//! settles it is handed the next; nothing here must be remembered. What an answer of the platform
//! means is decided in `zaki_lane::outbox`.

mod age;
mod losses;
mod reports;
mod send;
mod settle;
mod tally;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use zaki_channel::{Channel, Pace, Scope};
use zaki_envelope::{AccountName, Address, ChannelKind, DeliveryId, Timestamp};
use zaki_lane::pace::{Pacer, Ticket, Verdict};
use zaki_ledger::{Claimed, Next};

use crate::{clock, hub::Hub};
use age::Tried;
pub(crate) use reports::report;
pub(crate) use settle::find;
pub(crate) use tally::Tally;

/// What the outbox has in memory, all of it worth nothing after a crash.
pub(crate) struct Outbox {
    pacer: Mutex<Pacer<AccountKey, u64>>,
    /// Conversations go by a hash: should two share one, they wait for each other a little.
    hasher: RandomState,
    reports: reports::Reports,
    began: Instant,
}

type AccountKey = (ChannelKind, AccountName);

impl Default for Outbox {
    fn default() -> Self {
        Self {
            pacer: Mutex::default(),
            hasher: RandomState::new(),
            reports: reports::Reports::default(),
            began: Instant::now(),
        }
    }
}

impl Outbox {
    /// The moment the pure machines count in.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer<AccountKey, u64>> {
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the platform has asked for silence there: what may be left out is.
    pub(crate) fn is_paused(&self, to: &Address) -> bool {
        let (account, conversation) = self.keys(to);
        self.pacer().is_paused(&account, &conversation, self.now())
    }

    /// Whether a message to that place may leave now; `replicas` share the platforms' limits.
    fn ask(&self, to: &Address, pace: Pace, ticket: Option<Ticket>, replicas: u32) -> Verdict {
        let (account, conversation) = self.keys(to);
        let mut pacer = self.pacer();
        pacer.share(replicas);
        pacer.ask((&account, &conversation), pace, ticket, self.now())
    }

    fn pause(&self, to: &Address, pace: Pace, scope: Scope, pause: Duration) {
        let (account, conversation) = self.keys(to);
        let now = self.now();
        let until = now.saturating_add(pause);
        match scope {
            Scope::Conversation => self.pacer().pause_conversation(&conversation, until, now),
            Scope::Account => self.pacer().pause_account(&account, pace, until),
        }
    }

    fn keys(&self, to: &Address) -> (AccountKey, u64) {
        let account = (to.channel, to.account.clone());
        let conversation = self.hasher.hash_one((&account, &to.conversation.id));
        (account, conversation)
    }
}

/// Sends what the ledger has handed out for a conversation and what it hands out after that, until
/// nothing is open there.
pub(crate) fn drive(hub: &Arc<Hub>, next: Next) {
    if !matches!(next, Next::None) {
        let shared = Arc::clone(hub);
        hub.tasks.spawn(async move { Driver::new(&shared).run(next).await });
    }
}

/// Goes on with a delivery whose sender has gone while at it: it may have arrived.
pub(crate) fn resume(hub: &Arc<Hub>, claimed: Claimed) {
    let shared = Arc::clone(hub);
    hub.tasks.spawn(async move {
        let mut driver = Driver::new(&shared);
        if let Some(next) = driver.resume(claimed).await {
            driver.run(next).await;
        }
    });
}

/// The sender of one conversation.
struct Driver<'a> {
    hub: &'a Arc<Hub>,
    /// A place in the account's queue.
    ticket: Option<Ticket>,
    /// The next message may leave: its tokens have been taken.
    cleared: bool,
    tried: Option<Tried>,
}

impl<'a> Driver<'a> {
    fn new(hub: &'a Arc<Hub>) -> Self {
        Self { hub, ticket: None, cleared: false, tried: None }
    }

    async fn run(&mut self, mut next: Next) {
        loop {
            let went = match next {
                Next::None => return,
                Next::Later { id, not_before, since, address } => {
                    self.later(id, not_before, since, &address).await
                }
                Next::Claimed(claimed) => self.deliver(claimed).await,
            };
            // Otherwise the hub stops or has lost its lease; the ledger knows what is open.
            let Some(went) = went else { return };
            next = went;
        }
    }

    /// Waits until a conversation is due and may be written to. The time is measured, so that a
    /// wall clock that is set back holds nobody up. Until then nothing is claimed: what is claimed
    /// counts as sent should we die.
    async fn later(
        &mut self,
        id: DeliveryId,
        not_before: Timestamp,
        since: Timestamp,
        to: &Address,
    ) -> Option<Next> {
        let hub = self.hub;
        let mut wait = left(not_before, since, clock::now());
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = hub.closing.cancelled() => return None,
            }
            match self.ask(to) {
                Verdict::Go => break,
                Verdict::Wait { until, .. } => wait = until.saturating_sub(hub.outbox.now()),
            }
        }
        self.cleared = true;
        let claim = || {
            let at = clock::now().max(not_before);
            hub.ledger.claim_delivery(hub.fence, id, at)
        };
        hub.persist("claim a delivery", claim).await
    }

    /// Whether a message to that place may leave now; one for which nobody can send may.
    fn ask(&mut self, to: &Address) -> Verdict {
        let hub = self.hub;
        let Some(channel) = send::channel(hub, to) else { return Verdict::Go };
        let pace = pace_of(hub, &*channel, to);
        let verdict = hub.outbox.ask(to, pace, self.ticket.take(), hub.lease.replicas());
        if let Verdict::Wait { ticket, .. } = verdict {
            self.ticket = ticket;
        }
        verdict
    }
}

/// How long it is until what was to wait `since` then is due. It is never earlier than when that was
/// written, whatever the wall clock says: no wait becomes longer than it was.
fn left(not_before: Timestamp, since: Timestamp, now: Timestamp) -> Duration {
    between(now.max(since), not_before)
}

fn since(then: Timestamp) -> Duration {
    between(then, clock::now())
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.since(from)).unwrap_or_default())
}

fn pace_of(hub: &Hub, channel: &dyn Channel, to: &Address) -> Pace {
    if hub.settings.paced {
        channel.capabilities(to.conversation.kind).pace
    } else {
        Pace::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_becomes_longer_by_a_wall_clock_that_is_set_back() {
        let at = Timestamp::from_ms;
        let left = |now| left(at(1_000_900), at(1_000_000), at(now)).as_millis();
        assert_eq!(
            [left(1_000_000), left(1_000_600), left(1_000_900), left(9_000_000)],
            [900, 300, 0, 0]
        );
        assert_eq!([left(999_999), left(0)], [900, 900]);
    }
}
