//! How fast may be written: token buckets (GCRA) per conversation and per account, by the rates a
//! platform publishes, and the pauses it asks for.
//!
//! Moments are `Duration`s since any fixed one, by a clock that never jumps. Only conversations
//! that were written to a moment ago are remembered.

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction, reason = "a test may end there")]
mod tests;

use std::{collections::HashMap, hash::Hash, time::Duration};

use zaki_channel::{Pace, Rate};

/// Below this many conversations nothing is swept up.
const FEW: usize = 1024;

/// The buckets of one replica. `A` names an account, `C` a conversation of one account; whoever
/// sends to a conversation is alone in it.
///
/// An account's rates are divided by the number of live replicas. A conversation's are not: its
/// deliveries leave one after the other, whichever replica sends them, and where that is too fast
/// the platform's own pause holds.
#[derive(Debug)]
pub struct Pacer<A, C> {
    accounts: HashMap<A, Account>,
    conversations: HashMap<C, Bucket>,
    replicas: u32,
    sweep_at: usize,
}

/// What a message is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leave now; its tokens are taken.
    Go,
    /// Ask again at `until`, with the ticket.
    Wait {
        /// When; later does no harm.
        until: Duration,
        /// Its place in the account's queue, once its own conversation lets it through. To be
        /// used or dropped; a dropped one costs a token.
        ticket: Option<Ticket>,
    },
}

/// A place in an account's queue: first come, first served, so that nobody starves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    at: Duration,
    /// The pause it was given after: the next one makes it void.
    pauses: u32,
}

#[derive(Debug, Default)]
struct Account {
    bucket: Bucket,
    pauses: u32,
}

/// GCRA: of each rate the moment at which its bucket would be full again.
#[derive(Debug, Default)]
struct Bucket {
    full_at: Vec<Duration>,
    paused_until: Duration,
}

impl<A: Clone + Eq + Hash, C: Clone + Eq + Hash> Default for Pacer<A, C> {
    fn default() -> Self {
        Self { accounts: HashMap::new(), conversations: HashMap::new(), replicas: 1, sweep_at: FEW }
    }
}

impl<A: Clone + Eq + Hash, C: Clone + Eq + Hash> Pacer<A, C> {
    /// How many replicas share the accounts, this one included.
    pub fn share(&mut self, replicas: u32) {
        self.replicas = replicas.max(1);
    }

    /// Whether a message may leave at `now`. `ticket` is what the last answer for it brought.
    pub fn ask(
        &mut self,
        (account, conversation): (&A, &C),
        pace: Pace,
        ticket: Option<Ticket>,
        now: Duration,
    ) -> Verdict {
        let bucket = self.conversations.get(conversation);
        let ready = bucket.map_or(Duration::ZERO, |bucket| bucket.ready(pace.conversation, 1));
        if ready > now {
            return Verdict::Wait { until: ready, ticket: None };
        }
        if !pace.account.is_empty() || self.accounts.contains_key(account) {
            let account = self.accounts.entry(account.clone()).or_default();
            let ticket = match ticket.filter(|ticket| ticket.pauses == account.pauses) {
                Some(ticket) => ticket,
                None => account.queue(pace.account, self.replicas, now),
            };
            if ticket.at > now {
                return Verdict::Wait { until: ticket.at, ticket: Some(ticket) };
            }
        }
        if !pace.conversation.is_empty() {
            self.bucket(conversation, now).take(pace.conversation, 1, now);
        }
        Verdict::Go
    }

    /// Nothing leaves for this conversation until then; all others go on.
    pub fn pause_conversation(&mut self, conversation: &C, until: Duration, now: Duration) {
        self.bucket(conversation, now).pause(until);
    }

    /// Nothing leaves by this account until then, and from then on without a burst. Who has queued
    /// queues anew, in the old order.
    pub fn pause_account(&mut self, account: &A, pace: Pace, until: Duration) {
        let account = self.accounts.entry(account.clone()).or_default();
        if until > account.bucket.paused_until {
            account.pauses = account.pauses.wrapping_add(1);
            account.bucket.pause(until);
            account.bucket.empty(pace.account, self.replicas, until);
        }
    }

    /// Whether a platform has asked for silence: what may be left out is.
    pub fn is_paused(&self, account: &A, conversation: &C, now: Duration) -> bool {
        let account = self.accounts.get(account).map(|account| &account.bucket);
        let buckets = [account, self.conversations.get(conversation)];
        buckets.into_iter().flatten().any(|bucket| bucket.paused_until > now)
    }

    /// How many conversations are remembered.
    pub fn remembered(&self) -> usize {
        self.conversations.len()
    }

    /// The bucket of a conversation. When there are twice as many as were in use the last time,
    /// those that are full again are forgotten: a full bucket is like a new one.
    fn bucket(&mut self, conversation: &C, now: Duration) -> &mut Bucket {
        if self.conversations.len() >= self.sweep_at
            && !self.conversations.contains_key(conversation)
        {
            self.conversations.retain(|_, bucket| !bucket.is_full(now));
            self.sweep_at = FEW.max(self.conversations.len() * 2);
            self.conversations.shrink_to(self.sweep_at);
        }
        self.conversations.entry(conversation.clone()).or_default()
    }
}

impl Account {
    fn queue(&mut self, rates: &[Rate], replicas: u32, now: Duration) -> Ticket {
        let at = self.bucket.ready(rates, replicas).max(now);
        self.bucket.take(rates, replicas, at);
        Ticket { at, pauses: self.pauses }
    }
}

impl Bucket {
    /// From when on one more may pass.
    fn ready(&self, rates: &[Rate], replicas: u32) -> Duration {
        let one =
            |(full_at, rate): (&Duration, &Rate)| full_at.saturating_sub(slack(*rate, replicas));
        let ready = self.full_at.iter().zip(rates).map(one).max();
        ready.unwrap_or_default().max(self.paused_until)
    }

    fn take(&mut self, rates: &[Rate], replicas: u32, at: Duration) {
        self.full_at.resize(rates.len(), Duration::ZERO);
        for (full_at, rate) in self.full_at.iter_mut().zip(rates) {
            *full_at = (*full_at).max(at) + every(*rate, replicas);
        }
    }

    fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }

    /// As though everything that may pass at once had passed at `at`. Never less than what has
    /// passed by then, whatever was promised for later.
    fn empty(&mut self, rates: &[Rate], replicas: u32, at: Duration) {
        let full = |rate: &Rate| at + every(*rate, replicas) + slack(*rate, replicas);
        self.full_at = rates.iter().map(full).collect();
    }

    fn is_full(&self, now: Duration) -> bool {
        self.paused_until <= now && self.full_at.iter().all(|full_at| *full_at <= now)
    }
}

/// After how long a token comes back, for one of so many replicas.
fn every(rate: Rate, replicas: u32) -> Duration {
    rate.every.saturating_mul(replicas)
}

/// How much earlier than evenly spread a message may pass: all but one token of the burst.
fn slack(rate: Rate, replicas: u32) -> Duration {
    let burst = (rate.burst / replicas).max(1);
    every(rate, replicas).saturating_mul(burst - 1)
}
