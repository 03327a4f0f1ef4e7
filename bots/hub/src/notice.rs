//! What the hub itself says to a person about one of their messages.

use std::sync::Arc;

use zaki_channel::fit;
use zaki_envelope::{
    AccountName, Address, DedupeKey, DeliveryId, Inbound, InboundId, InboundKind, Outbound, Part,
    Timestamp, TurnId,
};
use zaki_ledger::{DeliveryKind, NewDelivery, ReplyPlan};

use crate::{clock, codes, hub::Hub, outbox, turn::plan};

/// Tells a person something about `about`, where they wrote it; once, however often it is asked.
pub(crate) async fn tell(hub: &Arc<Hub>, about: &Inbound, text: String) {
    tell_parts(hub, about, vec![Part::text(text)]).await;
}

/// The same of more than text.
pub(crate) async fn tell_parts(hub: &Arc<Hub>, about: &Inbound, parts: Vec<Part>) {
    let mut deliveries = compose_parts(hub, None, &plan(about), parts);
    if let InboundKind::Button { .. } = about.kind {
        deliveries.insert(0, closing(about));
    }
    // One message of the hub about one of theirs: so it may carry the same id.
    if let (Some(first), Ok(id)) = (deliveries.first_mut(), about.id.to_string().parse()) {
        first.id = id;
        hub.stages.noticing(about.id);
    }
    // The others theirs, too: asked again, they are the same.
    for (n, delivery) in deliveries.iter_mut().enumerate().skip(1) {
        delivery.id = part_id(about, n);
    }
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    if let Some(next) = hub.persist("post a notice", post).await {
        outbox::drive(hub, next);
    }
}

/// Tells a person something besides the answer to `about`, which is still to come: for that, the
/// way to answer is left untouched.
pub(crate) async fn remark(hub: &Arc<Hub>, about: &Inbound, text: String) {
    let mut plan = plan(about);
    plan.address.handle = None;
    let deliveries = compose(hub, None, &plan, text);
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    if let Some(next) = hub.persist("post a remark", post).await {
        outbox::drive(hub, next);
    }
}

/// Whether a platform shows that something is under way until it is answered: a press, or a command
/// that it knows by itself.
pub(crate) fn is_shown(about: &Inbound) -> bool {
    matches!(about.kind, InboundKind::Button { .. } | InboundKind::Command { .. })
}

/// Ends what a platform shows as under way, unless something has been said about it.
pub(crate) async fn release(hub: &Arc<Hub>, about: &Inbound) {
    if !is_shown(about) {
        return;
    }
    let mut end = closing(about);
    // Of one id with what is said about it, so there is the one or the other.
    if let Ok(id) = about.id.to_string().parse() {
        end.id = id;
    }
    let post = || hub.ledger.post(hub.fence, vec![end.clone()], &[], clock::now());
    if let Some(next) = hub.persist("let go of a command", post).await {
        outbox::drive(hub, next);
    }
}

/// The same of several.
pub(crate) async fn release_all(hub: &Arc<Hub>, about: &[Inbound]) {
    for one in about {
        release(hub, one).await;
    }
}

/// Ends a press or a command without a word.
fn closing(about: &Inbound) -> NewDelivery {
    let (id, kind) = (clock::delivery_id(), DeliveryKind::Notice);
    delivery(id, None, &Address::of(about), Outbound::Answer { text: None }, kind, 0)
}

/// The id of a further part of what is said about a message.
fn part_id(about: &Inbound, n: usize) -> DeliveryId {
    named(about.received_at, &about.account, format!("notice:{}:{n}", about.id))
}

/// The id of what is said by this name: said again, it is the same, and in the ledger once.
pub(crate) fn named(at: Timestamp, account: &AccountName, name: String) -> DeliveryId {
    let derived = InboundId::derive(at, account, &DedupeKey::new(name)).to_string();
    derived.parse().unwrap_or_else(|_| clock::delivery_id())
}

/// A text as its channel can carry it: the reply of a turn, or a notice.
pub(crate) fn compose(
    hub: &Hub,
    turn: Option<TurnId>,
    to: &ReplyPlan,
    text: String,
) -> Vec<NewDelivery> {
    compose_parts(hub, turn, to, vec![Part::text(text)])
}

/// The same of more than text.
pub(crate) fn compose_parts(
    hub: &Hub,
    turn: Option<TurnId>,
    to: &ReplyPlan,
    parts: Vec<Part>,
) -> Vec<NewDelivery> {
    let ReplyPlan { address, reply_to } = to;
    let post = Outbound::Post { parts, reply_to: reply_to.clone() };
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
    let fleeting = turn.is_none() && codes::are_shown_by(&outbound);
    NewDelivery { id, turn, address, outbound, kind, part, not_before, fleeting }
}
