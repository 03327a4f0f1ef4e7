//! Messages of which nobody knows whether the ledger has them: the store failed while it accepted
//! them. They come again, and then the ledger may know them already; so what is in must be found.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zaki_envelope::InboundId;

use crate::{clock, hub::Hub};

/// More come only in a long outage: then a new term finds whatever is in.
const MOST: usize = 10_000;

/// What may be in.
#[derive(Default)]
pub(crate) struct Doubts(Mutex<HashSet<InboundId>>);

impl Doubts {
    /// The id to accept a message by: its own, unless an attempt with that may be in. What is given
    /// up for the failed attempt must not be what the next one brings.
    pub(crate) fn id_for(&self, id: InboundId) -> InboundId {
        if self.lock().contains(&id) { clock::inbound_id() } else { id }
    }

    /// How many there are with these.
    fn add(&self, ids: Vec<InboundId>) -> usize {
        let mut doubts = self.lock();
        doubts.extend(ids);
        doubts.len()
    }

    fn all(&self) -> Vec<InboundId> {
        self.lock().iter().copied().collect()
    }

    fn remove(&self, ids: &[InboundId]) {
        let mut doubts = self.lock();
        for id in ids {
            doubts.remove(id);
        }
    }

    /// The set is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, HashSet<InboundId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// The ledger failed while it accepted these.
    pub(crate) fn doubt(&self, ids: Vec<InboundId>) {
        if self.doubts.add(ids) > MOST {
            tracing::warn!("too much may have been accepted: a new term finds out");
            self.stop.cancel();
        }
    }

    /// Makes what is in after all everybody's: it is taken up like all that belongs to nobody.
    pub(crate) async fn disown_doubtful(&self) {
        let ids = self.doubts.all();
        if ids.is_empty() {
            return;
        }
        match self.ledger.disown(self.fence, &ids).await {
            Ok(()) => self.doubts.remove(&ids),
            Err(error) => tracing::warn!(%error, "what may have been accepted is looked for later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_after_one_in_doubt_goes_by_another_id() {
        let (doubts, id, other) = (Doubts::default(), clock::inbound_id(), clock::inbound_id());
        assert_eq!(doubts.id_for(id), id);
        doubts.add(vec![id]);
        let second = doubts.id_for(id);
        assert_ne!(second, id, "also while the first is being given up");
        assert_eq!(doubts.id_for(other), other);
        doubts.add(vec![second]);
        assert!(![id, second].contains(&doubts.id_for(id)));
        doubts.remove(&doubts.all());
        assert_eq!(doubts.id_for(id), id);
    }
}
