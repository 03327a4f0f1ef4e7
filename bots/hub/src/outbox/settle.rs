//! What became of a delivery: into the ledger, to whoever watches, and, when something was lost, to
//! the person.

use zaki_envelope::DeliveryId;
use zaki_ledger::{
    Delivery, DeliveryEnd, DeliveryFilter, DeliveryKind, DeliveryState, Error, Ledger, Lost,
    NewDelivery, Next, ReplyPlan, Settled,
};
use zaki_words::Say;

use super::{Driver, losses, tally::Outcome};
use crate::{clock, notice::compose};

/// So many deliveries are read at a time.
const PAGE: u32 = 50;

impl Driver<'_> {
    /// Stores the end; the ledger hands out what is next in the conversation.
    pub(super) async fn settle(&self, delivery: &Delivery, end: DeliveryEnd) -> Option<Next> {
        if let DeliveryEnd::Unknown { .. } = end
            && delivery.kind == DeliveryKind::Reply
        {
            return self.give_up(delivery, end).await;
        }
        let Settled { next, untold, .. } = self.store(delivery, &end).await?;
        if untold.is_empty() {
            return Some(next);
        }
        let notice = self.notice(delivery, &untold);
        Some(match (next, self.post(&notice, &untold).await?) {
            // The notice is the first thing to be said.
            (Next::None, told) => told,
            // It waits behind what was there before it.
            (next, _) => next,
        })
    }

    /// Nobody can find out whether it arrived: the person is told at once. The notice is stored
    /// before that is settled, and is the same one each time, so that a crash in between neither
    /// loses nor doubles it.
    async fn give_up(&self, delivery: &Delivery, end: DeliveryEnd) -> Option<Next> {
        let lost = [Lost {
            id: delivery.id,
            turn: delivery.turn,
            state: DeliveryState::Unknown,
            reason: None,
            at: clock::now(),
        }];
        let mut notice = self.notice(delivery, &lost);
        if let Some(first) = notice.first_mut() {
            first.id = notice_id(delivery.id);
        }
        let find = || find(&*self.hub.ledger, delivery.id);
        let stands = self.hub.persist("look at a delivery", find).await?;
        // Its platform may have told another replica by now.
        let is_open = stands.is_some_and(|found| found.state == DeliveryState::Sending);
        if is_open {
            self.post(&notice, &lost).await?;
        }
        let Settled { next, mut untold, .. } = self.store(delivery, &end).await?;
        untold.retain(|lost| lost.turn.is_some() && lost.turn == delivery.turn);
        if is_open && !untold.is_empty() {
            // Its later parts went with it; it has been said already.
            self.post(&notice, &untold).await?;
        }
        Some(next)
    }

    async fn store(&self, delivery: &Delivery, end: &DeliveryEnd) -> Option<Settled> {
        let hub = self.hub;
        let settle = || {
            let ledger = &hub.ledger;
            ledger.settle_delivery(hub.fence, delivery.id, end.clone(), clock::now())
        };
        let settled = hub.persist("settle a delivery", settle).await?;
        if settled.changed {
            hub.counters.deliveries.count(delivery.address.channel, Outcome::of(end));
            hub.stages.sent(delivery, end);
        }
        Some(settled)
    }

    /// What tells the person of all these, in one message.
    fn notice(&self, delivery: &Delivery, lost: &[Lost]) -> Vec<NewDelivery> {
        let to = ReplyPlan { address: delivery.address.clone(), reply_to: None };
        let text = losses::of(lost, clock::now()).say(self.hub.voice_at(&to.address));
        compose(self.hub, None, &to, text)
    }

    async fn post(&self, notice: &[NewDelivery], lost: &[Lost]) -> Option<Next> {
        let hub = self.hub;
        let tells: Vec<DeliveryId> = lost.iter().map(|lost| lost.id).collect();
        let post = || hub.ledger.post(hub.fence, notice.to_vec(), &tells, clock::now());
        hub.persist("tell of a loss", post).await
    }
}

/// The id of the notice about a delivery: its own, a millisecond later.
fn notice_id(of: DeliveryId) -> DeliveryId {
    /// So many letters of a ULID are its time.
    const TIME: usize = 10;
    let later = DeliveryId::from_parts(of.minted_at().plus_ms(1), 0).to_string();
    let own = of.to_string();
    let text = later.chars().take(TIME).chain(own.chars().skip(TIME));
    text.collect::<String>().parse().unwrap_or_else(|_| clock::delivery_id())
}

/// One delivery as it stands, found among those of its millisecond.
pub(crate) async fn find(ledger: &dyn Ledger, id: DeliveryId) -> Result<Option<Delivery>, Error> {
    let mut before = Some(DeliveryId::from_parts(id.minted_at().plus_ms(1), 0));
    loop {
        let filter = DeliveryFilter { limit: PAGE, before, state: None };
        let found = ledger.list_deliveries(filter).await?.rows;
        let Some(last) = found.last().map(|delivery| delivery.id) else { return Ok(None) };
        match found.into_iter().find(|delivery| delivery.id <= id) {
            Some(delivery) => return Ok(Some(delivery).filter(|delivery| delivery.id == id)),
            None => before = Some(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_an_id_of_its_own_and_always_the_same() {
        let id = clock::delivery_id();
        let notice = notice_id(id);
        assert_eq!(notice, notice_id(id));
        assert_eq!(notice.minted_at(), id.minted_at().plus_ms(1));
        assert!(notice > id, "and is listed after it");
    }
}
