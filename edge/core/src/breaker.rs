//! A circuit breaker: what fails is left alone for a while, so that nobody waits for what does not
//! come and, of providers of models, the next one is asked at once.
//!
//! ```text
//! closed ──▶ open ──▶ trial ──▶ closed      half of the last ten calls failed; the pause is over;
//!             ▲─────────┘                   one call is let through, and fails or does not
//! ```
//!
//! A call can be such that a provider fails of it, and an agent can make it on purpose. So while all
//! that failed were one person's, the breaker is open for that person alone.

use std::collections::VecDeque;

use zaki_envelope::{Timestamp, ZakiUserId};

#[cfg(test)]
mod model;
mod told;

pub use told::{BELIEVED_MS, Said, Watched, Word, gather};

/// How many of the last calls are looked at.
const WINDOW: usize = 10;
/// So many failures among them open it.
const TOO_MANY: usize = 5;
/// After so long without a call, those before tell nothing about the next one.
const STALE_MS: i64 = 60_000;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE_MS: i64 = 2_000;
/// The longest. An outage that is over is noticed within it.
const LONGEST_PAUSE_MS: i64 = 60_000;
/// A trial that says nothing for so long keeps nobody else from trying.
const TRIAL_MS: i64 = 60_000;
/// Failing for so long, it will not come right while somebody waits for an answer.
const LOST_MS: i64 = 60_000;

/// What a provider does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection comes about.
    Unreachable,
    /// It takes the call and does not begin to answer.
    Silent,
    /// It wants fewer calls, or is overloaded.
    Limited,
    /// It does not take the key, or nothing is left on the account.
    Refused,
    /// Anything else.
    Broken,
}

impl Fault {
    /// For logs and counts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}

/// Leave to make one call. What became of it counts only as long as nothing else has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    era: u64,
    user: ZakiUserId,
}

/// Whether a provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By everybody.
    Closed,
    /// By nobody before then.
    Open {
        /// When somebody may try it.
        until: Timestamp,
    },
    /// By the one who tries it.
    Trial,
}

/// One provider's, or that of whatever else is leaned on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// Counts changes of the state: an outcome of an earlier one is no news.
    era: u64,
    recent: Recent,
    /// The only one whose calls failed.
    culprit: Option<ZakiUserId>,
    /// While it is not closed for the culprit: others are answered.
    works_for_others: bool,
    /// Pauses since it last worked.
    pauses: u32,
    fault: Option<Fault>,
    failing_since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        since: Timestamp,
        pause_ms: i64,
    },
    Trial {
        since: Timestamp,
    },
}

/// The last calls: whose, and whether they failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recent {
    calls: VecDeque<(ZakiUserId, bool)>,
    last: Option<Timestamp>,
}

impl Recent {
    fn note(&mut self, user: ZakiUserId, failed: bool, now: Timestamp) {
        if self.last.is_some_and(|last| is_over(last, STALE_MS, now)) {
            self.calls.clear();
        }
        if self.calls.len() >= WINDOW {
            self.calls.pop_front();
        }
        self.calls.push_back((user, failed));
        self.last = Some(now);
    }

    fn failed(&self) -> impl Iterator<Item = ZakiUserId> {
        self.calls.iter().filter(|(_, failed)| *failed).map(|(user, _)| *user)
    }

    fn culprit(&self) -> Option<ZakiUserId> {
        let first = self.failed().next()?;
        self.failed().all(|user| user == first).then_some(first)
    }
}

/// Whether `ms` have passed. A clock that was set back has told nothing about how long it is.
fn is_over(since: Timestamp, ms: i64, now: Timestamp) -> bool {
    now < since || now >= since.plus_ms(ms)
}

impl Breaker {
    /// Whether the provider may be asked now, for `user`.
    pub fn admit(&mut self, user: ZakiUserId, now: Timestamp) -> Option<Ticket> {
        if self.is_closed_for(user) {
            return Some(Ticket { era: self.era, user });
        }
        let may_try = match self.state {
            State::Closed => true,
            State::Open { since, pause_ms } => is_over(since, pause_ms, now),
            State::Trial { since } => is_over(since, TRIAL_MS, now),
        };
        may_try.then(|| {
            self.turn(State::Trial { since: now });
            Ticket { era: self.era, user }
        })
    }

    fn is_closed_for(&self, user: ZakiUserId) -> bool {
        self.state == State::Closed || self.culprit.is_some_and(|culprit| culprit != user)
    }

    /// It answers. The ticket stays good for saying that the answer broke off.
    pub fn answered(&mut self, ticket: &mut Ticket, now: Timestamp) {
        if ticket.era != self.era {
            return;
        }
        if self.state != State::Closed {
            if self.is_closed_for(ticket.user) {
                self.works_for_others = true;
                return;
            }
            self.turn(State::Closed);
            (self.recent, self.pauses, self.culprit) = (Recent::default(), 0, None);
            ticket.era = self.era;
        }
        self.failing_since = None;
        self.recent.note(ticket.user, false, now);
    }

    /// It fails, and asks to be left alone for `later_ms`, if it says so.
    pub fn failed(&mut self, ticket: Ticket, fault: Fault, later_ms: Option<i64>, now: Timestamp) {
        if ticket.era != self.era {
            return;
        }
        self.fault = Some(fault);
        self.failing_since.get_or_insert(now);
        self.recent.note(ticket.user, true, now);
        if self.state == State::Closed {
            if self.recent.failed().count() >= TOO_MANY {
                self.culprit = self.recent.culprit();
                self.works_for_others = false;
                self.open(later_ms, now);
            }
        } else {
            if self.is_closed_for(ticket.user) {
                // Somebody else's fails too: from now on it is the provider's fault.
                (self.culprit, self.pauses) = (None, 0);
                self.failing_since = Some(now);
            }
            self.open(later_ms, now);
        }
    }

    /// Nobody knows what became of the call: whoever made it has gone. Another one may try.
    pub fn let_go(&mut self, ticket: Ticket) {
        if ticket.era == self.era
            && !self.is_closed_for(ticket.user)
            && let State::Trial { since } = self.state
        {
            self.turn(State::Open { since, pause_ms: 0 });
        }
    }

    fn open(&mut self, later_ms: Option<i64>, now: Timestamp) {
        let pause = FIRST_PAUSE_MS << self.pauses.min(5);
        let pause_ms = later_ms.unwrap_or(0).max(pause).min(LONGEST_PAUSE_MS);
        self.pauses = self.pauses.saturating_add(1);
        self.turn(State::Open { since: now, pause_ms });
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.era = self.era.wrapping_add(1);
    }

    /// Whether it is asked.
    pub const fn standing(&self) -> Standing {
        match self.state {
            _ if self.works_for_others && self.culprit.is_some() => Standing::Closed,
            State::Closed => Standing::Closed,
            State::Open { since, pause_ms } => Standing::Open { until: since.plus_ms(pause_ms) },
            State::Trial { .. } => Standing::Trial,
        }
    }

    /// What it did wrong, and since when nothing else has been heard of it.
    pub fn failing(&self) -> Option<(Fault, Timestamp)> {
        let is_of_one = self.works_for_others && self.culprit.is_some();
        Some((self.fault?, self.failing_since.filter(|_| !is_of_one)?))
    }

    /// Whether it has been failing for so long that whoever asks need not be told to try again.
    pub fn is_lost(&self, now: Timestamp) -> bool {
        let since = self.failing_since.filter(|_| self.state != State::Closed);
        since.is_some_and(|since| now >= since.plus_ms(LOST_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    /// A call of the first person, at that time.
    fn admit(breaker: &mut Breaker, ms: i64) -> Option<Ticket> {
        breaker.admit(user(1), at(ms))
    }

    /// One that has just opened, at 0.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..TOO_MANY {
            let ticket = admit(&mut breaker, 0).unwrap();
            breaker.failed(ticket, Fault::Broken, None, at(0));
        }
        breaker
    }

    #[test]
    fn whose_calls_alone_fail_shuts_nobody_else_out() {
        let mut breaker = opened();
        assert!(admit(&mut breaker, 1).is_none());
        assert!(matches!(breaker.standing(), Standing::Open { .. }), "as far as anybody knows");
        let mut other = breaker.admit(user(2), at(1)).unwrap();
        breaker.answered(&mut other, at(1));
        assert_eq!((breaker.standing(), breaker.failing()), (Standing::Closed, None));
        assert!(admit(&mut breaker, 1).is_none(), "for the one it is open still");
        let first = admit(&mut breaker, FIRST_PAUSE_MS).unwrap();
        let second = breaker.admit(user(3), at(FIRST_PAUSE_MS)).unwrap();
        breaker.let_go(second);
        assert!(admit(&mut breaker, FIRST_PAUSE_MS).is_none(), "the trial goes on");
        breaker.failed(first, Fault::Broken, None, at(FIRST_PAUSE_MS));
        let third = breaker.admit(user(2), at(FIRST_PAUSE_MS)).unwrap();
        breaker.failed(third, Fault::Broken, None, at(FIRST_PAUSE_MS));
        let until = at(2 * FIRST_PAUSE_MS);
        assert_eq!(breaker.standing(), Standing::Open { until }, "two of them: it is the provider");
        assert!(breaker.admit(user(3), at(FIRST_PAUSE_MS)).is_none());
    }

    #[test]
    fn it_opens_when_half_of_the_last_calls_failed_and_not_before() {
        let mut breaker = Breaker::default();
        for n in 0..40 {
            let mut ticket = admit(&mut breaker, n).unwrap();
            if n % 3 == 0 {
                breaker.failed(ticket, Fault::Limited, None, at(n));
            } else {
                breaker.answered(&mut ticket, at(n));
            }
        }
        assert_eq!(breaker.standing(), Standing::Closed, "a third is not half");
        let breaker = opened();
        assert_eq!(breaker.standing(), Standing::Open { until: at(FIRST_PAUSE_MS) });
        assert_eq!(breaker.failing(), Some((Fault::Broken, at(0))));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut breaker = Breaker::default();
        for n in 0..20 {
            let ticket = admit(&mut breaker, n * STALE_MS).unwrap();
            breaker.failed(ticket, Fault::Broken, None, at(n * STALE_MS));
        }
        assert_eq!(breaker.standing(), Standing::Closed);
    }

    #[test]
    fn after_the_pause_one_tries_and_the_next_pause_is_longer() {
        let mut breaker = opened();
        let (mut now, mut pause) = (0, FIRST_PAUSE_MS);
        for _ in 0..8 {
            assert_eq!(admit(&mut breaker, now + pause - 1), None);
            now += pause;
            let ticket = admit(&mut breaker, now).unwrap();
            assert_eq!(admit(&mut breaker, now), None, "one at a time");
            breaker.failed(ticket, Fault::Unreachable, None, at(now));
            pause = (2 * pause).min(LONGEST_PAUSE_MS);
            assert_eq!(breaker.standing(), Standing::Open { until: at(now + pause) });
        }
        assert!(breaker.is_lost(at(now)));
        let mut ticket = admit(&mut breaker, now + pause).unwrap();
        breaker.answered(&mut ticket, at(now + pause));
        assert_eq!((breaker.standing(), breaker.failing()), (Standing::Closed, None));
        assert!(!breaker.is_lost(at(now + pause)));
        for _ in 0..TOO_MANY {
            breaker.failed(ticket, Fault::Broken, None, at(now + pause));
        }
        let until = at(now + pause + FIRST_PAUSE_MS);
        assert_eq!(breaker.standing(), Standing::Open { until }, "it begins anew");
    }

    #[test]
    fn a_provider_may_ask_for_a_longer_pause_but_not_for_ever() {
        for (asked, given) in [(1, 2_000), (9_000, 9_000), (i64::MAX, 60_000), (-5, 2_000)] {
            let mut breaker = Breaker::default();
            let ticket = admit(&mut breaker, 0).unwrap();
            for _ in 0..TOO_MANY {
                breaker.failed(ticket, Fault::Limited, Some(asked), at(0));
            }
            assert_eq!(breaker.standing(), Standing::Open { until: at(given) }, "{asked}");
        }
    }

    #[test]
    fn a_trial_that_nobody_waits_for_is_anybodys() {
        let mut breaker = opened();
        let ticket = admit(&mut breaker, FIRST_PAUSE_MS).unwrap();
        breaker.let_go(ticket);
        let second = admit(&mut breaker, FIRST_PAUSE_MS).unwrap();
        breaker.failed(ticket, Fault::Broken, None, at(FIRST_PAUSE_MS));
        assert_eq!(breaker.standing(), Standing::Trial, "the first one decides nothing any more");
        assert_eq!(admit(&mut breaker, FIRST_PAUSE_MS + TRIAL_MS - 1), None);
        assert!(admit(&mut breaker, FIRST_PAUSE_MS + TRIAL_MS).is_some(), "it hangs");
        let before = breaker.clone();
        breaker.let_go(second);
        assert_eq!(breaker, before);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let mut breaker = opened();
        assert!(admit(&mut breaker, -3_600_000).is_some());
    }
}
