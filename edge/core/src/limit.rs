//! How often somebody may ask: a bucket that fills steadily and holds a burst.

use serde::{Deserialize, Serialize};
use zaki_envelope::Timestamp;

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// And then one in so many milliseconds.
    pub every_ms: u32,
}

impl Rate {
    /// Turns, and what goes with them, of one person: more than anybody types.
    pub const TURNS: Self = Self { burst: 60, every_ms: 500 };
    /// What operators do with one sandbox.
    pub const OPERATIONS: Self = Self { burst: 30, every_ms: 1_000 };
    /// Model calls of one sandbox: an agent with tools makes one after another.
    pub const MODEL: Self = Self { burst: 60, every_ms: 250 };
    /// Requests that prove nobody, of one address.
    pub const STRANGERS: Self = Self { burst: 20, every_ms: 3_000 };
}

/// What somebody has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// When it will be full again.
    full_at: Timestamp,
}

impl Bucket {
    /// Takes one; otherwise: in how many milliseconds there will be one.
    pub fn take(&mut self, rate: Rate, now: Timestamp) -> Result<(), i64> {
        let every = i64::from(rate.every_ms.max(1));
        let most = every.saturating_mul(i64::from(rate.burst.max(1)));
        // A clock that was set back must shut nobody out for longer than an empty bucket does.
        let missing = self.full_at.since(now).clamp(0, most);
        let after = missing + every;
        if after > most {
            return Err(after - most);
        }
        self.full_at = now.plus_ms(after);
        Ok(())
    }

    /// Whether nobody would notice if it were forgotten.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every_ms: 100 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(RATE, at(0)), Ok(()));
        }
        assert_eq!(bucket.take(RATE, at(0)), Err(100));
        assert_eq!(bucket.take(RATE, at(40)), Err(60), "what is refused costs nothing");
        assert_eq!(bucket.take(RATE, at(100)), Ok(()));
        assert_eq!(bucket.take(RATE, at(100)), Err(100));
        assert!(!bucket.is_full(at(399)) && bucket.is_full(at(400)));
        for _ in 0..3 {
            assert_eq!(bucket.take(RATE, at(10_000)), Ok(()), "and never more than the burst");
        }
        assert!(bucket.take(RATE, at(10_000)).is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out_for_long() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(RATE, at(9_000_000)), Ok(()));
        assert_eq!(bucket.take(RATE, at(0)), Err(100));
        assert_eq!(bucket.take(RATE, at(0)), Err(100));
    }
}
