//! Which turns are certainly new, so that no store has to be asked about them.
//!
//! A turn's id begins with its time, so ids grow, more or less. Of those above a floor all that
//! have been seen are remembered: one that is not among them is new. The floor rises with the ids;
//! below it, the store is asked. Right whatever the clocks do; they only decide how often it pays.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use zaki_envelope::TurnId;

/// Ids remembered above the floor, about a second's worth at full speed.
const REMEMBERED: usize = 4096;

/// The ids seen of late.
pub(crate) struct Recent {
    seen: Mutex<Seen>,
}

struct Seen {
    /// Everything up to here may be in the store.
    floor: Option<TurnId>,
    above: BTreeSet<TurnId>,
}

impl Recent {
    /// Nothing above `known` is in the store.
    pub(crate) fn after(known: Option<TurnId>) -> Self {
        Self { seen: Mutex::new(Seen { floor: known, above: BTreeSet::new() }) }
    }

    /// Whether nobody can have asked for the turn before; from now on somebody has.
    pub(crate) fn is_new(&self, id: TurnId) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.floor.is_some_and(|floor| id <= floor) || !seen.above.insert(id) {
            return false;
        }
        if seen.above.len() > REMEMBERED {
            seen.floor = seen.above.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zaki_envelope::Timestamp;

    use super::*;

    fn id(at: i64, n: u128) -> TurnId {
        TurnId::from_parts(Timestamp::from_ms(at), n)
    }

    #[test]
    fn what_the_store_may_have_is_never_new() {
        let recent = Recent::after(Some(id(10, 5)));
        assert!(!recent.is_new(id(10, 5)) && !recent.is_new(id(9, 9)));
        assert!(recent.is_new(id(10, 6)) && recent.is_new(id(11, 0)));
        assert!(!recent.is_new(id(10, 6)) && !recent.is_new(id(11, 0)));
    }

    #[test]
    fn ids_that_grow_are_new_for_ever_and_little_is_remembered() {
        let recent = Recent::after(None);
        for (n, _) in (0..).zip(0..3 * REMEMBERED) {
            assert!(recent.is_new(id(n, 1)));
        }
        assert!(!recent.is_new(id(0, 1)), "below the floor the store has to be asked");
        assert_eq!(recent.seen.lock().unwrap().above.len(), REMEMBERED);
    }

    proptest! {
        /// Whatever the clocks do, nothing is called new twice.
        #[test]
        fn nothing_is_new_twice(ids in prop::collection::vec(0..300_i64, 0..12_000)) {
            let recent = Recent::after(Some(id(20, 0)));
            let mut seen = BTreeSet::new();
            for (n, at) in ids.into_iter().enumerate() {
                // Some repeat, and the clock jumps to and fro.
                let id = id(at, (n % 40) as u128);
                let is_new = recent.is_new(id);
                prop_assert!(!is_new || (seen.insert(id) && at >= 20));
            }
        }
    }
}
