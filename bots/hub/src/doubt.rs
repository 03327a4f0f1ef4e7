//! Messages of which nobody knows whether the ledger has them: the store failed while it accepted
//! them. They come again, and then the ledger may know them already; so what is in must be found.

use std::sync::{Mutex, PoisonError};

use zaki_envelope::InboundId;

use crate::hub::Hub;

/// More come only in a long outage: then a new term finds whatever is in.
const MOST: usize = 10_000;

/// What may be in.
#[derive(Default)]
pub(crate) struct Doubts(Mutex<Vec<InboundId>>);

impl Doubts {
    /// How many there are with these.
    fn add(&self, ids: Vec<InboundId>) -> usize {
        let mut doubts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doubts.extend(ids);
        doubts.len()
    }

    fn take(&self) -> Vec<InboundId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        let ids = self.doubts.take();
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.disown(self.fence, &ids).await {
            tracing::warn!(%error, "what may have been accepted is looked for later");
            self.doubt(ids);
        }
    }
}
