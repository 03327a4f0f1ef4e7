//! What the hub itself says to a person about one of their messages.

use std::sync::Arc;

use zaki_channel::fit;
use zaki_envelope::{Address, DeliveryId, Inbound, Outbound, Part, Timestamp, TurnId};
use zaki_ledger::{DeliveryKind, NewDelivery, ReplyPlan};

use crate::{clock, hub::Hub, outbox, turn::plan};

/// Tells a person something about `about`, where they wrote it; once, however often it is asked.
pub(crate) async fn tell(hub: &Arc<Hub>, about: &Inbound, text: String) {
    let mut deliveries = compose(hub, None, &plan(about), text);
    // One message of the hub about one of theirs: so it may carry the same id.
    if let (Some(first), Ok(id)) = (deliveries.first_mut(), about.id.to_string().parse()) {
        first.id = id;
        hub.stages.noticing(about.id);
    }
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    if let Some(next) = hub.persist("post a notice", post).await {
        outbox::drive(hub, next);
    }
}

/// A text as its channel can carry it: the reply of a turn, or a notice.
pub(crate) fn compose(
    hub: &Hub,
    turn: Option<TurnId>,
    to: &ReplyPlan,
    text: String,
) -> Vec<NewDelivery> {
    let ReplyPlan { address, reply_to } = to;
    let post = Outbound::Post { parts: vec![Part::text(text)], reply_to: reply_to.clone() };
    let pieces = match hub.accounts.get(address.channel, &address.account) {
        Some(account) => fit(post, &account.channel.capabilities(address.conversation.kind)),
        // The account is gone from the configuration: the outbox says so of the whole reply.
        None => vec![post],
    };
    let kind = if turn.is_some() { DeliveryKind::Reply } else { DeliveryKind::Notice };
    let part = |(n, outbound)| delivery(clock::delivery_id(), turn, address, outbound, kind, n);
    (0..).zip(pieces).map(part).collect()
}

fn delivery(
    id: DeliveryId,
    turn: Option<TurnId>,
    address: &Address,
    outbound: Outbound,
    kind: DeliveryKind,
    part: u32,
) -> NewDelivery {
    let (address, not_before) = (address.clone(), Timestamp::default());
    NewDelivery { id, turn, address, outbound, kind, part, not_before }
}
