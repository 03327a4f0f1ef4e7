//! What a person is told once for a while, however often there is cause: that a limit is near, or
//! reached, until it begins anew.

use std::hash::Hash;

use zaki_envelope::Timestamp;

use crate::recent::{Ends, Recent};

/// What has been said, and until when it holds.
#[derive(Debug)]
pub struct Once<K> {
    said: Recent<K, Until>,
}

#[derive(Debug, Default)]
struct Until(Timestamp);

impl Ends for Until {
    type Moment = Timestamp;

    fn end(&self) -> Timestamp {
        self.0
    }
}

impl<K: Eq + Hash> Once<K> {
    /// Remembers at most so many; what is forgotten is said again.
    pub fn new(most: usize) -> Self {
        Self { said: Recent::new(most) }
    }

    /// Whether `key` is to be said at `now`: not again before `until`.
    pub fn first(&mut self, key: K, until: Timestamp, now: Timestamp) -> bool {
        let said = self.said.entry(key, now);
        let is_first = said.0 <= now;
        if is_first {
            said.0 = until;
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_until_it_begins_anew() {
        let mut once = Once::new(10);
        let at = Timestamp::from_ms;
        assert!(once.first("ada", at(100), at(1)));
        assert!(!once.first("ada", at(100), at(99)));
        assert!(once.first("bob", at(100), at(2)), "another person");
        assert!(once.first("ada", at(200), at(100)), "the next day");
        assert!(!once.first("ada", at(200), at(101)));
    }
}
