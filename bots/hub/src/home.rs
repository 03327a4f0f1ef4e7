//! Where a person is written to unasked.

use std::sync::Arc;

use zaki_envelope::{
    Address, ChannelKind, Conversation, ConversationId, ConversationKind, Inbound, Part, ZakiUserId,
};
use zaki_identity::{Person, Role};
use zaki_ledger::ReplyPlan;
use zaki_words::{Lang, Say, Voice};

use crate::{clock, hub::Hub, notice::compose_parts, outbox};

/// Makes the place of a private message the person's home, unless they have one, or it is not
/// theirs: a cache may say so still.
pub(crate) async fn settle_in(hub: &Hub, person: &Person, inbound: &Inbound) {
    if person.home.is_some() || inbound.conversation.kind != ConversationKind::Direct {
        return;
    }
    if let Err(error) = hub.directory.settle_in(person.user, inbound, false).await {
        tracing::warn!(%error, "where a person is at home was not kept");
    }
}

/// Whoever lets strangers in is told of them unasked, so they need a home.
pub(crate) async fn let_owner_settle(hub: &Hub, person: &Person, inbound: &Inbound) {
    if person.role == Role::Owner && person.home.is_none() {
        settle_in(hub, person, inbound).await;
        hub.people.forget(person.user);
    }
}

/// Says something to a person at home. Not where `about` was written: there it is answered.
pub(crate) async fn tell(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    about: Option<&Inbound>,
    said: &(impl Say + Sync),
) {
    say(hub, user, about, |voice| vec![Part::text(said.say(voice))]).await;
}

/// The same with something to press.
pub(crate) async fn ask(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    about: Option<&Inbound>,
    said: &(impl Say + Sync),
    choices: impl Fn(Voice) -> Part + Send + Sync,
) {
    say(hub, user, about, |voice| vec![Part::text(said.say(voice)), choices(voice)]).await;
}

async fn say(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    about: Option<&Inbound>,
    parts: impl Fn(Voice) -> Vec<Part> + Send + Sync,
) {
    let Some(person) = hub.directory.person(user).await.ok().flatten() else { return };
    let Some(address) = address(hub, &person) else { return };
    if about.is_some_and(|about| is_same(&address, &Address::of(about))) {
        return;
    }
    let chosen = person.lang.as_deref().map(Lang::of);
    let voice = chosen.map(|lang| Voice::on(lang, address.channel));
    let parts = parts(voice.unwrap_or_else(|| hub.voice_at(&address)));
    post(hub, address, parts).await;
}

/// Where a person is at home, as long as they are somebody.
pub(crate) async fn of(hub: &Hub, user: ZakiUserId) -> Option<Address> {
    let person = hub.directory.person(user).await.ok().flatten()?;
    address(hub, &person)
}

/// Says something where somebody was at home.
pub(crate) async fn tell_at(
    hub: &Arc<Hub>,
    home: &Address,
    about: &Inbound,
    said: &(impl Say + Sync),
) {
    if !is_same(home, &Address::of(about)) {
        let text = said.say(hub.voice_at(home));
        post(hub, home.clone(), vec![Part::text(text)]).await;
    }
}

/// Sends something that answers nothing.
pub(crate) async fn post(hub: &Arc<Hub>, address: Address, parts: Vec<Part>) {
    let deliveries = compose_parts(hub, None, &ReplyPlan { address, reply_to: None }, parts);
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    if let Some(next) = hub.persist("post to somebody's home", post).await {
        outbox::drive(hub, next);
    }
}

/// On which channel a person is at home.
pub(crate) async fn channel_of(hub: &Hub, user: ZakiUserId) -> Option<ChannelKind> {
    let person = hub.directory.person(user).await.ok().flatten()?;
    let home = person.home.map(|home| home.channel);
    home.or_else(|| person.bindings.first().map(|binding| binding.channel))
}

/// Where a person chose to be at home; else where they wrote last, on a platform that names its
/// private conversations like the people they are with.
pub(crate) fn address(hub: &Hub, person: &Person) -> Option<Address> {
    if let Some(home) = &person.home {
        return Some(home.address());
    }
    let named = |channel| matches!(channel, ChannelKind::Telegram | ChannelKind::WhatsApp);
    let bindings = person.bindings.iter().filter(|binding| named(binding.channel));
    let binding = bindings.max_by_key(|binding| (binding.last_seen_at, binding.bound_at))?;
    let account = hub.accounts.first(binding.channel)?.name.clone();
    let id = ConversationId::new(binding.sender.as_str());
    let conversation = Conversation::new(id, ConversationKind::Direct);
    Some(Address { channel: binding.channel, account, conversation, handle: None })
}

fn is_same(one: &Address, other: &Address) -> bool {
    (one.channel, &one.account, &one.conversation.id)
        == (other.channel, &other.account, &other.conversation.id)
}
