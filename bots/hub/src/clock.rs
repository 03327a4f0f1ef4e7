//! The hub's clock and its fresh ids. Everything below takes time and randomness from here.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

pub(crate) use zaki_channel::now;
use zaki_envelope::{DeliveryId, InboundId, Timestamp, TurnId};

/// A new message's id, for one that cannot go by its own.
pub(crate) fn inbound_id() -> InboundId {
    InboundId::from_parts(now(), rand::random())
}

/// A new turn's id.
pub(crate) fn turn_id() -> TurnId {
    TurnId::from_parts(now(), rand::random())
}

/// A new delivery's id: greater than every earlier one of this process, so that the parts of a
/// reply are listed, and by an operator sent again, in their order.
pub(crate) fn delivery_id() -> DeliveryId {
    static LAST: Mutex<(i64, u128)> = Mutex::new((0, 0));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    *last = after(*last, (now().as_ms(), rand::random()));
    DeliveryId::from_parts(Timestamp::from_ms(last.0), last.1)
}

/// So many bits of a ULID are random.
const RANDOM: u32 = 80;

/// The time and the random bits of an id: fresh ones in a later millisecond than the last, else the
/// last ones and one more.
const fn after(last: (i64, u128), fresh: (i64, u128)) -> (i64, u128) {
    let most = (1 << RANDOM) - 1;
    if fresh.0 > last.0 {
        (fresh.0, fresh.1 & most)
    } else if last.1 < most {
        (last.0, last.1 + 1)
    } else {
        (last.0 + 1, 0)
    }
}

/// When what arrives at `at` by the wall clock was received, for those whose order it is: never
/// before what was received earlier, also when that clock is set back.
pub(crate) fn received(at: Timestamp) -> Timestamp {
    static LAST: AtomicI64 = AtomicI64::new(i64::MIN);
    let last = LAST.fetch_max(at.as_ms(), Ordering::Relaxed);
    Timestamp::from_ms(last.max(at.as_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_deliveries_grow_whatever_the_clock_does() {
        assert_eq!(after((7, 1), (8, u128::MAX)), (8, (1 << RANDOM) - 1));
        for (clock, what) in [(8, "in the same millisecond"), (3, "when it is set back")] {
            assert_eq!(after((8, 5), (clock, 1)), (8, 6), "{what}");
        }
        assert_eq!(after((8, (1 << RANDOM) - 1), (8, 1)), (9, 0), "when the bits are used up");
        let ids: Vec<_> = (0..5000).map(|_| delivery_id()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn what_is_received_later_counts_as_later() {
        let later = Timestamp::from_ms(now().as_ms() + 3_600_000);
        assert_eq!(received(later), later);
        assert_eq!(received(now()), later, "the clock was set back an hour");
    }
}
