//! One person on several channels: `/link`, `/links`, `/unlink`, and the codes behind deep links.

use std::sync::Arc;

use zaki_channel::Invitation;
use zaki_envelope::{ChannelKind, Inbound, Part, Timestamp, ZakiUserId};
use zaki_identity::{
    Actor, Binding, BindingKey, BindingKind, Confirmed, JOINING_MS, LinkCode, Offered, Person,
    Redeemed, Unlinked,
};
use zaki_lane::commands::{Command, Link, Secret};
use zaki_words::{self as words, LinkLine, Linking, Voice, Way};

use super::{Answer, Order, attempt, button, said};
use crate::{clock, home, hub::Hub, insist::insist};

/// `/link`, without a code: those come by [`redeem`].
pub(super) async fn link(order: &Order<'_>, what: Link) -> Answer {
    match what {
        Link::Offer => offer(order).await,
        Link::Confirm => confirm(order).await,
        Link::Cancel => decline(order).await,
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
fn ways(hub: &Hub, here: ChannelKind, code: &str) -> Vec<(ChannelKind, Invitation)> {
    let others = ChannelKind::ALL.into_iter().filter(|channel| *channel != here);
    let way = |channel| Some((channel, hub.accounts.first(channel)?.channel.invitation(code)?));
    others.filter_map(way).collect()
}

fn way_of(channel: ChannelKind, way: &Invitation) -> Way<'_> {
    let Invitation { text, url, prefilled } = way;
    Way { channel, text, url: url.as_deref(), prefilled: *prefilled }
}

/// Uses a code for whoever wrote it, who may be a stranger.
pub(super) async fn redeem(hub: &Arc<Hub>, inbound: &Inbound, secret: &Secret) -> Answer {
    let (code, now) = (LinkCode::typed(secret.expose()), clock::now());
    let (channel, sender) = (inbound.channel, &inbound.sender);
    // Before it: whatever becomes of the code, the answer is in the language they had.
    let find = || hub.directory.find(channel, &sender.scope, &sender.id);
    let known = attempt(hub, "find a sender", find).await?;
    let voice = match known {
        Some(user) => hub.voice(user, inbound).await,
        None => crate::voice::voice(None, inbound),
    };
    let redeem = || hub.directory.redeem(inbound, &code, now);
    match attempt(hub, "redeem a code", redeem).await? {
        Redeemed::Joined { user, .. } => joined(hub, user, inbound).await,
        Redeemed::Confirm { into, from } => ask_both(hub, into, from, inbound).await,
        Redeemed::Already { .. } => said(&Linking::Already, voice),
        Redeemed::Invited { .. } => said(&words::Access::WelcomeInvited, voice),
        Redeemed::Refused => said(&Linking::Refused, voice),
        Redeemed::TooMany { until } => said(&Linking::TooMany { until, now }, voice),
    }
}

/// A new sender of a person: both sides are told.
async fn joined(hub: &Arc<Hub>, user: ZakiUserId, inbound: &Inbound) -> Answer {
    let (channel, label) = (inbound.channel, label_of(inbound));
    let other = home::channel_of(hub, user).await.unwrap_or(channel);
    let elsewhere = Linking::JoinedElsewhere { channel, label: label.as_deref() };
    home::tell(hub, user, Some(inbound), &elsewhere).await;
    let voice = hub.voice(user, inbound).await;
    said(&Linking::Joined { other }, voice)
}

/// Two people who may be one: nothing happens until both say so.
async fn ask_both(hub: &Arc<Hub>, into: ZakiUserId, from: ZakiUserId, inbound: &Inbound) -> Answer {
    let now = clock::now();
    let until = now.plus_ms(JOINING_MS);
    let read = || hub.directory.person(from);
    if let Some(person) = attempt(hub, "read a person", read).await? {
        home::settle_in(hub, &person, inbound).await;
    }
    let there = Linking::Confirm { stays: true, other: inbound.channel, until, now };
    home::ask(hub, into, Some(inbound), &there, yes_or_no).await;
    let other = home::channel_of(hub, into).await.unwrap_or(inbound.channel);
    let voice = hub.voice(from, inbound).await;
    let mut asked = said(&Linking::Confirm { stays: false, other, until, now }, voice)?;
    asked.push(yes_or_no(voice));
    Ok(asked)
}

/// The two answers, to press.
fn yes_or_no(voice: Voice) -> Part {
    let yes = button(words::Button::Join, &Command::Link(Link::Confirm), voice);
    let no = button(words::Button::Leave, &Command::Link(Link::Cancel), voice);
    Part::Choices { choices: vec![yes, no] }
}

async fn confirm(order: &Order<'_>) -> Answer {
    let Order { hub, inbound, now, .. } = *order;
    let me = order.user();
    // Asked before: whoever becomes somebody else is at home nowhere any more.
    let partner = hub.directory.partner(me).await.ok().flatten();
    let there = match partner {
        Some(partner) => home::of(hub, partner).await,
        None => None,
    };
    let confirm = || hub.directory.confirm(me, now);
    match order.attempt("confirm a link", confirm).await? {
        Confirmed::Nothing => order.say(&Linking::Nothing),
        Confirmed::Waiting { other } => {
            let other = home::channel_of(hub, other).await.unwrap_or(inbound.channel);
            order.say(&Linking::Waiting { other })
        }
        Confirmed::Merged { into, from, restorable_until } => {
            retire(hub, from, restorable_until);
            let stays = me == into;
            let merged = |stays, other| Linking::Merged { stays, other, restorable_until };
            if let Some(home) = &there {
                home::tell_at(hub, home, inbound, &merged(!stays, inbound.channel)).await;
            }
            let other = there.map_or(inbound.channel, |home| home.channel);
            order.say(&merged(stays, other))
        }
    }
}

/// Stops the sandbox of a person who has become another one, and keeps it until then.
pub(crate) fn retire(hub: &Arc<Hub>, from: ZakiUserId, until: Timestamp) {
    let shared = Arc::clone(hub);
    hub.tasks.spawn(async move {
        let retire = || shared.edge.retire(from, until);
        insist(&shared, "retire a sandbox", retire).await;
    });
}

async fn decline(order: &Order<'_>) -> Answer {
    let Order { hub, inbound, now, .. } = *order;
    let decline = || hub.directory.decline(order.user(), now);
    match order.attempt("decline a link", decline).await? {
        Some(other) => {
            let there = Linking::DeclinedThere { other: inbound.channel };
            home::tell(hub, other, Some(inbound), &there).await;
            order.say(&Linking::Declined)
        }
        None => order.say(&Linking::Nothing),
    }
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
    match order.attempt("unlink a sender", unlink).await? {
        Unlinked::Done { .. } if is_here(inbound, binding) => {
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

/// What the platform shows of whoever wrote.
fn label_of(inbound: &Inbound) -> Option<String> {
    let sender = &inbound.sender;
    sender.handle.clone().or_else(|| sender.display_name.clone())
}
