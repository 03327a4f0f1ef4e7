//! How many messages a person may send in a minute: a token bucket (GCRA) each, as in
//! [`pace`](crate::pace), and what they are told about it, once.
//!
//! In memory, and of one replica alone: whoever writes to several has so many on each.

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction, reason = "a test may end there")]
mod tests;

use std::{hash::Hash, time::Duration};

use zaki_channel::Rate;

use crate::recent::{Ends, Recent};

const MINUTE: Duration = Duration::from_mins(1);
/// One in so many messages of a burst is left when it is nearly used up.
const NEARLY: u32 = 5;

/// The people who have written a moment ago.
#[derive(Debug)]
pub struct Minutes<P> {
    people: Recent<P, Bucket>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Pass {
        /// The person should be told that they are about to be slowed down.
        near: Option<Near>,
    },
    /// It is not taken.
    Over {
        /// From when on the next one is.
        until: Duration,
        /// Whether the person should be told: once, until they have been quiet for a while.
        tell: bool,
    },
}

/// Few messages more, and they are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// How many.
    pub left: u32,
    /// From when on nothing counts any more, if they wait until then.
    pub full_at: Duration,
}

#[derive(Debug, Default)]
struct Bucket {
    /// When it would be full again.
    full_at: Duration,
    told: Told,
    /// Before that nothing is said again.
    quiet_until: Duration,
}

/// What they know already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    Near,
    Over,
}

impl Ends for Bucket {
    type Moment = Duration;

    fn end(&self) -> Duration {
        self.full_at.max(self.quiet_until)
    }
}

impl<P: Clone + Eq + Hash> Minutes<P> {
    /// Remembers at most so many people. Whoever is forgotten begins anew.
    pub fn new(most_people: usize) -> Self {
        Self { people: Recent::new(most_people) }
    }

    /// A message of `person` is here, who may send so many in any minute; 0: any number. Half of
    /// them at once, the others evenly.
    pub fn ask(&mut self, person: &P, per_minute: u32, now: Duration) -> Verdict {
        if per_minute == 0 {
            return Verdict::Pass { near: None };
        }
        let rate = Rate::within(per_minute, MINUTE, (per_minute / 2).max(1));
        self.people.entry(person.clone(), now).ask(rate, now)
    }

    /// How many people are remembered.
    pub fn remembered(&self) -> usize {
        self.people.len()
    }
}

impl Bucket {
    fn ask(&mut self, rate: Rate, now: Duration) -> Verdict {
        let room = rate.every.saturating_mul(rate.burst);
        let used = self.full_at.saturating_sub(now);
        if self.end() <= now {
            self.told = Told::Nothing;
        }
        let after = used + rate.every;
        let over = after.saturating_sub(room);
        if !over.is_zero() {
            return Verdict::Over { until: now + over, tell: self.tell(Told::Over, now) };
        }
        self.full_at = now + after;
        let left = room.saturating_sub(after);
        let is_near =
            rate.burst >= NEARLY && left <= rate.every.saturating_mul(rate.burst / NEARLY);
        let near = (is_near && self.tell(Told::Near, now))
            .then(|| Near { left: whole(left, rate.every), full_at: self.full_at });
        Verdict::Pass { near }
    }

    fn tell(&mut self, what: Told, now: Duration) -> bool {
        let is_new = self.told < what;
        if is_new {
            (self.told, self.quiet_until) = (what, now + MINUTE);
        }
        is_new
    }
}

/// How many times `every` goes into `time`.
fn whole(time: Duration, every: Duration) -> u32 {
    let times = time.as_nanos().checked_div(every.as_nanos()).unwrap_or_default();
    u32::try_from(times).unwrap_or(u32::MAX)
}
