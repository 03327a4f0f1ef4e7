//! One person on several channels: `/link`, `/links`, `/unlink`.

use std::sync::Arc;

use zaki_channel::Invitation;
use zaki_envelope::{ChannelKind, Inbound, ZakiUserId};
use zaki_identity::{Actor, Binding, BindingKey, BindingKind, Offered, Person, Unlinked};
use zaki_lane::commands::Link;
use zaki_words::{self as words, LinkLine, Linking, Way};

use super::{Answer, Order, join};
use crate::{errands, home, hub::Hub};

/// `/link`, without a code: those come by [`join::redeem`].
pub(super) async fn link(order: &Order<'_>, what: Link) -> Answer {
    match what {
        Link::Offer => offer(order).await,
        Link::Confirm(question) => join::confirm(order, question.as_deref()).await,
        Link::Cancel(question) => join::decline(order, question.as_deref()).await,
        // In a group, which is no place for a code, or lost by a crash.
        Link::Redeem(_) => order.say(&Linking::Refused),
    }
}

/// A code, with the way to every other channel.
async fn offer(order: &Order<'_>) -> Answer {
    let Order { hub, inbound, now, .. } = *order;
    // What comes of it is told here, unless they have said where else.
    home::settle_in(hub, &order.person, inbound).await;
    let offer = || hub.directory.offer(order.user(), now);
    match order.attempt("make a code", offer).await? {
        Offered::TooMany { until } => order.say(&Linking::TooManyCodes { until, now }),
        Offered::Code { code, expires_at } => {
            let code = code.shown();
            let ways = ways(hub, inbound.channel, &code);
            let ways: Vec<Way<'_>> =
                ways.iter().map(|(channel, way)| way_of(*channel, way)).collect();
            order.say(&Linking::Code { code: &code, expires_at, now, ways: &ways })
        }
    }
}

/// How to come to one bot on every other channel.
pub(crate) fn ways(hub: &Hub, here: ChannelKind, code: &str) -> Vec<(ChannelKind, Invitation)> {
    let others = ChannelKind::ALL.into_iter().filter(|channel| *channel != here);
    let way = |channel| Some((channel, hub.accounts.first(channel)?.channel.invitation(code)?));
    others.filter_map(way).collect()
}

fn way_of(channel: ChannelKind, way: &Invitation) -> Way<'_> {
    let Invitation { text, url, prefilled } = way;
    Way { channel, text, url: url.as_deref(), prefilled: *prefilled }
}

/// Stops the sandbox of a person who has become another one, as the merge has written down: at once,
/// rather than with the next pulse.
pub(crate) fn retire(hub: &Arc<Hub>, from: ZakiUserId) {
    errands::soon_for(hub, from);
}

/// `/links`.
pub(super) fn links(order: &Order<'_>) -> Answer {
    let lines = lines(order);
    order.say(&words::Links::List { links: &lines, now: order.now })
}

/// Those a person knows of: an alias is the same account under an older id.
fn shown(person: &Person) -> impl Iterator<Item = &Binding> {
    person.bindings.iter().filter(|binding| binding.kind == BindingKind::Primary)
}

/// From how many accounts a person reaches their assistant.
pub(super) fn count(person: &Person) -> usize {
    shown(person).count()
}

fn lines<'p>(order: &'p Order<'_>) -> Vec<LinkLine<'p>> {
    let line = |binding: &'p Binding| LinkLine {
        channel: binding.channel,
        label: binding.label.as_deref(),
        since: binding.bound_at,
        seen: binding.last_seen_at.unwrap_or(binding.bound_at),
        here: is_here(order.inbound, binding),
    };
    shown(&order.person).map(line).collect()
}

/// `/unlink <n>`, as `/links` counts them.
pub(super) async fn unlink(order: &Order<'_>, n: Option<u32>) -> Answer {
    let Order { hub, inbound, now, .. } = *order;
    let lines = lines(order);
    let Some(n) = n else {
        return order.say(&words::Links::Choose { links: &lines, now });
    };
    let place = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
    let Some(binding) = place.and_then(|place| shown(&order.person).nth(place)) else {
        return order.say(&words::Links::Unknown);
    };
    let by = Actor::Person(order.user());
    let unlink = || hub.directory.unlink(order.user(), binding.key(), by, now);
    let (channel, label) = (binding.channel, binding.label.as_deref());
    let is_here = is_here(inbound, binding);
    match order.attempt("unlink a sender", unlink).await? {
        Unlinked::Done { .. } if is_here => {
            let elsewhere = words::Links::Done { channel, label };
            home::tell(hub, order.user(), Some(inbound), &elsewhere).await;
            order.say(&words::Links::DoneHere)
        }
        Unlinked::Done { .. } => order.say(&words::Links::Done { channel, label }),
        Unlinked::Last => order.say(&words::Links::Last),
        Unlinked::NotTheirs => order.say(&words::Links::Unknown),
    }
}

/// Whether a message came by this sender.
fn is_here(inbound: &Inbound, binding: &Binding) -> bool {
    binding.key() == BindingKey::of(inbound.channel, &inbound.sender)
}
