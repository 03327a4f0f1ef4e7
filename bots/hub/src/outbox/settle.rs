//! What became of a delivery: into the ledger, to whoever watches, and, when something was lost, to
//! the person.

use zaki_envelope::DeliveryId;
use zaki_ledger::{Delivery, DeliveryEnd, Lost, Next, ReplyPlan, Settled};

use super::{Driver, tally::Outcome};
use crate::{clock, notice::compose, words};

impl Driver<'_> {
    /// Stores the end; the ledger hands out what is next in the conversation.
    pub(super) async fn settle(&self, delivery: &Delivery, end: DeliveryEnd) -> Option<Next> {
        let hub = self.hub;
        let settle = || {
            let ledger = &hub.ledger;
            ledger.settle_delivery(hub.fence, delivery.id, end.clone(), clock::now())
        };
        let Settled { changed, next, untold } = hub.persist("settle a delivery", settle).await?;
        if changed {
            hub.counters.deliveries.count(delivery.address.channel, Outcome::of(&end));
            hub.stages.settled(delivery, &end);
        }
        if untold.is_empty() {
            return Some(next);
        }
        Some(match (next, self.tell(delivery, &untold).await?) {
            // The notice is the first thing to be said.
            (Next::None, told) => told,
            // It waits behind what was there before it.
            (next, _) => next,
        })
    }

    /// Tells the person of what was lost, in one message.
    async fn tell(&self, delivery: &Delivery, untold: &[Lost]) -> Option<Next> {
        let hub = self.hub;
        let to = ReplyPlan { address: delivery.address.clone(), reply_to: None };
        let notice = compose(hub, None, &to, words::loss::told(untold, clock::now()));
        let tells: Vec<DeliveryId> = untold.iter().map(|lost| lost.id).collect();
        let post = || hub.ledger.post(hub.fence, notice.clone(), &tells, clock::now());
        hub.persist("tell of a loss", post).await
    }
}
