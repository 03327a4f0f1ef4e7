//! What agents say by themselves, on its way to their people: where it was asked for, as long as that
//! place is theirs and open; else where they wrote last, and it says so.

use std::sync::Arc;

use zaki_envelope::{
    AccountName, Address, ConversationKind, Part, PlaceId, ProactiveId, Timestamp,
    wire::proactive::{OutboundRequest, Proactive, Taken},
};
use zaki_identity::{DirectoryError, Person, Place};
use zaki_ledger::{DeliveryKind, ReplyPlan};
use zaki_words::{Lang, Say, Unasked, Voice};

use crate::{clock, door, home, hub::Hub, notice, outbox};

/// Where something is said, and what is said of that.
struct Way {
    address: Address,
    remark: Option<Unasked>,
}

/// Takes what an agent says: durable in the ledger when it is kept. The same again is sent once.
pub(crate) async fn take(
    hub: &Arc<Hub>,
    said: OutboundRequest,
) -> Result<Option<Taken>, DirectoryError> {
    let OutboundRequest { user, message } = said;
    let Some(person) = hub.directory.person(user).await? else { return Ok(Some(Taken::Refused)) };
    if person.blocked_at.is_some() || person.merged_into.is_some() {
        return Ok(Some(Taken::Refused));
    }
    // It may be about something that was asked for a moment ago. Where others are is no matter here.
    if let Err(error) = hub.places.keep(&hub.directory).await {
        tracing::warn!(%error, "where people are was not noted, and will be");
    }
    let places = hub.directory.places(user).await?;
    let is_open = |to: &Address, wrote: Timestamp| door::is_open(hub, to, wrote, clock::now());
    let home = home::address(hub, &person);
    let Some(way) = way(&person, &places, home, &message, is_open) else {
        return Ok(Some(Taken::Later));
    };
    hub.allowance.unasked.note(user);
    Ok(send(hub, &person, way, message).await.then_some(Taken::Kept))
}

/// The first way that is open.
fn way(
    person: &Person,
    places: &[Place],
    home: Option<Address>,
    message: &Proactive,
    is_open: impl Fn(&Address, Timestamp) -> bool,
) -> Option<Way> {
    let asked = message.place.and_then(|id| asked(places, id, message.shared));
    if let Some(place) = asked {
        let address = place.home.address();
        // Who writes to a group keeps no window open there, and there is none.
        if is_open(&address, place.used_at.max(last_seen(person, place))) {
            return Some(Way { address, remark: None });
        }
    }
    let remark = asked.map_or(Unasked::Unknown, |it| Unasked::Elsewhere(it.home.channel));
    let private = places.iter().filter(|place| place.is_private());
    let last =
        private.map(|place| (place.home.address(), place.used_at.max(last_seen(person, place))));
    let home = home.and_then(|address| {
        let wrote = door::last_seen(person, address.channel)?;
        Some((address, wrote))
    });
    let mut ways = last.chain(home).filter(|(address, wrote)| is_open(address, *wrote));
    ways.next().map(|(address, _)| Way { address, remark: Some(remark) })
}

/// The place it was asked for. What the private agent says goes to no place where others read along.
fn asked(places: &[Place], id: PlaceId, is_shared: bool) -> Option<&Place> {
    places.iter().find(|place| place.id == id && (is_shared || place.is_private()))
}

/// When they wrote last on the channel of a private place, as far as has been noted.
fn last_seen(person: &Person, place: &Place) -> Timestamp {
    let is_private = place.home.conversation.kind == ConversationKind::Direct;
    let seen = door::last_seen(person, place.home.channel).filter(|_| is_private);
    seen.unwrap_or(place.used_at)
}

/// `false`: the hub stops, or may not write any more.
async fn send(hub: &Arc<Hub>, person: &Person, way: Way, message: Proactive) -> bool {
    let Way { address, remark } = way;
    let chosen = person.lang.as_deref().map(Lang::of);
    let voice = chosen.map(|lang| Voice::on(lang, address.channel));
    let voice = voice.unwrap_or_else(|| hub.voice_at(&address));
    let failed = message.failed.then_some(Unasked::Failed);
    let said = remark.into_iter().chain(failed).map(|remark| remark.say(voice));
    let text = said.chain([message.text]).collect::<Vec<_>>().join("\n\n");
    let plan = ReplyPlan { address, reply_to: None };
    let mut deliveries = notice::compose_parts(hub, None, &plan, vec![Part::text(text)]);
    for (n, delivery) in deliveries.iter_mut().enumerate() {
        // Nobody asks for it again: they are told when it is lost.
        delivery.kind = DeliveryKind::Reply;
        delivery.fleeting = false;
        delivery.id = notice::named(message.at, &AccountName::web(), name(message.id, n));
    }
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    let Some(next) = hub.persist("tell what an agent says", post).await else { return false };
    tracing::info!(id = %message.id, channel = %plan.address.channel, "agent.told");
    outbox::drive(hub, next);
    true
}

fn name(id: ProactiveId, n: usize) -> String {
    format!("proactive:{id}:{n}")
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{
        ChannelKind, Conversation, ConversationId, SenderId, SenderScope, ZakiUserId,
    };
    use zaki_identity::{Actor, Binding, BindingKind, Home, How, Role};

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn place(channel: ChannelKind, kind: ConversationKind, used_at: i64) -> Place {
        let conversation = Conversation::new(ConversationId::new("c"), kind);
        let home = Home { channel, account: "main".parse().unwrap(), conversation };
        let user = ZakiUserId::from_parts(at(1), 1);
        Place { id: PlaceId::derive(user, &home.address()), home, used_at: at(used_at) }
    }

    fn person(wrote: &[(ChannelKind, i64)]) -> Person {
        let binding = |(channel, wrote): &(ChannelKind, i64)| Binding {
            channel: *channel,
            scope: SenderScope::new(""),
            sender: SenderId::new("1"),
            kind: BindingKind::Primary,
            best: None,
            label: None,
            bound_at: at(0),
            how: How::SignUp,
            by: Actor::System,
            last_seen_at: Some(at(*wrote)),
        };
        Person {
            user: ZakiUserId::from_parts(at(1), 1),
            created_at: at(0),
            tier: None,
            role: Role::Member,
            lang: None,
            mode: None,
            model: None,
            session: 1,
            home: None,
            blocked_at: None,
            merged_into: None,
            bindings: wrote.iter().map(binding).collect(),
        }
    }

    fn said(place: Option<PlaceId>, shared: bool) -> Proactive {
        let id = ProactiveId::from_parts(at(5), 1);
        Proactive { id, at: at(5), place, shared, failed: false, text: "tea".into() }
    }

    /// WhatsApp is open for 100 ms after somebody wrote, at 200.
    fn is_open(to: &Address, wrote: Timestamp) -> bool {
        to.channel != ChannelKind::WhatsApp || at(200).since(wrote) < 100
    }

    use ChannelKind::{Slack, Telegram, WhatsApp};
    use ConversationKind::{Direct, Group};

    fn goes(places: &[Place], message: &Proactive, wrote: &[(ChannelKind, i64)]) -> String {
        let Some(Way { address, remark }) = way(&person(wrote), places, None, message, is_open)
        else {
            return "nowhere".into();
        };
        let said = remark.map_or(String::new(), |remark| format!(" {remark:?}"));
        format!("{} {:?}{said}", address.channel, address.conversation.kind)
    }

    #[test]
    fn it_goes_where_it_was_asked_for_however_long_ago() {
        let places = [place(Slack, Direct, 190), place(Telegram, Direct, 1)];
        assert_eq!(goes(&places, &said(Some(places[1].id), false), &[]), "telegram Direct");
        assert_eq!(goes(&places, &said(Some(places[0].id), false), &[]), "slack Direct");
    }

    #[test]
    fn what_is_not_known_or_not_theirs_any_more_goes_where_they_wrote_last_and_says_so() {
        let places = [place(Slack, Direct, 190), place(Telegram, Direct, 1)];
        assert_eq!(goes(&places, &said(None, false), &[]), "slack Direct Unknown");
        let gone = place(WhatsApp, Direct, 1).id;
        assert_eq!(goes(&places, &said(Some(gone), false), &[]), "slack Direct Unknown");
        assert_eq!(goes(&[], &said(Some(gone), false), &[]), "nowhere");
    }

    #[test]
    fn a_window_that_is_closed_is_respected() {
        let places = [place(Telegram, Direct, 1), place(WhatsApp, Direct, 50)];
        let asked = said(Some(places[1].id), false);
        let elsewhere = "telegram Direct Elsewhere(WhatsApp)";
        assert_eq!(goes(&places, &asked, &[(WhatsApp, 60)]), elsewhere);
        assert_eq!(goes(&places, &asked, &[(WhatsApp, 150)]), "whatsapp Direct", "open still");
        assert_eq!(goes(&places[1..], &asked, &[(WhatsApp, 60)]), "nowhere", "it waits for them");
    }

    #[test]
    fn what_the_private_agent_says_goes_to_no_group() {
        let places = [place(Slack, Group, 190), place(Telegram, Direct, 1)];
        let group = Some(places[0].id);
        assert_eq!(goes(&places, &said(group, true), &[]), "slack Group");
        assert_eq!(goes(&places, &said(group, false), &[]), "telegram Direct Unknown");
        assert_eq!(goes(&places[..1], &said(group, false), &[]), "nowhere");
        assert_eq!(goes(&places[..1], &said(None, true), &[]), "nowhere", "of what is not known");
    }
}
