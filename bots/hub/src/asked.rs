//! Messages of which the store has said just now whose they are: a turn that begins with them at once
//! does not ask again.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use zaki_envelope::{InboundId, ZakiUserId};

/// What has waited longer is asked about again.
const JUST_NOW: Duration = Duration::from_millis(100);
/// So many are remembered; when there are more, it begins anew, and they are asked about again.
const MOST: usize = 2_000;

/// What was asked, until it is used.
#[derive(Default)]
pub(crate) struct Asked(DashMap<InboundId, (ZakiUserId, Instant)>);

impl Asked {
    /// The store has said that this is theirs, after it was accepted.
    pub(crate) fn note(&self, message: InboundId, user: ZakiUserId) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(message, (user, Instant::now()));
    }

    /// Whether it has said so just now. Once.
    pub(crate) fn take(&self, message: InboundId, user: ZakiUserId) -> bool {
        let asked = self.0.remove(&message);
        asked.is_some_and(|(_, (whose, at))| whose == user && at.elapsed() < JUST_NOW)
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    fn message(n: u128) -> InboundId {
        InboundId::from_parts(Timestamp::from_ms(1), n)
    }

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    #[test]
    fn what_was_asked_just_now_is_known_once() {
        let asked = Asked::default();
        (1..=2).for_each(|n| asked.note(message(n), user(1)));
        assert!(!asked.take(message(3), user(1)) && !asked.take(message(2), user(2)));
        assert!(asked.take(message(1), user(1)) && !asked.take(message(1), user(1)));
    }

    #[test]
    fn what_has_waited_is_asked_about_again() {
        let asked = Asked::default();
        let Some(then) = Instant::now().checked_sub(JUST_NOW) else { return };
        asked.0.insert(message(1), (user(1), then));
        assert!(!asked.take(message(1), user(1)));
    }

    #[test]
    fn no_more_is_remembered_than_fits() {
        let asked = Asked::default();
        (0..10 * MOST as u128).for_each(|n| asked.note(message(n), user(1)));
        assert!(asked.0.len() <= MOST);
    }
}
