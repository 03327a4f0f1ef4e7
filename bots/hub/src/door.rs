//! What is said at the door unasked: owners hear of strangers who wait, and strangers that they are
//! in. It is written down by whoever had them ask or let them in, here, on another replica or from
//! the command line; whichever hub comes to it says it, under ids that are the same for all.

use std::sync::Arc;

use zaki_envelope::{
    Address, ChannelKind, Choice, Conversation, ConversationKind, Part, Timestamp,
};
use zaki_identity::{Admission, Announcement, DirectoryError, Pairing, Person};
use zaki_lane::commands::Command;
use zaki_ledger::ReplyPlan;
use zaki_words::{Access, Button, Lang, Pairings, Say, Voice, Waiting};

use crate::{clock, commands::button, home, hub::Hub, notice, outbox};

/// So many strangers are named at a time.
const NAMED: usize = 10;

/// Says what there is to be said. One look at the store when that is nothing.
pub(crate) async fn tend(hub: &Arc<Hub>) -> Result<(), DirectoryError> {
    let news = hub.directory.news(clock::now()).await?;
    if news.requests {
        announce(hub).await?;
    }
    if news.admissions {
        welcome(hub).await?;
    }
    Ok(())
}

/// Tells all owners of those who wait. Without an owner who can be told, they wait for the first.
async fn announce(hub: &Arc<Hub>) -> Result<(), DirectoryError> {
    let owners = reachable(hub).await?;
    if owners.is_empty() {
        return Ok(());
    }
    let Some(announcement) = hub.directory.announce(clock::now()).await? else { return Ok(()) };
    let Announcement { at, waiting } = &announcement;
    for (owner, address) in owners {
        let voice = voice(hub, &owner, &address);
        let name = format!("waiting:{}:{}", at.as_ms(), owner.user);
        if !say(hub, address, told(waiting, voice), (*at, name)).await {
            return Ok(());
        }
    }
    hub.directory.announced(*at).await
}

/// The owners who may be written to, and where.
async fn reachable(hub: &Hub) -> Result<Vec<(Person, Address)>, DirectoryError> {
    let now = clock::now();
    let owners = hub.directory.owners().await?.into_iter();
    let there = owners.filter_map(|owner| {
        let address = home::address(hub, &owner)?;
        let wrote = last_seen(&owner, address.channel)?;
        is_open(hub, &address, wrote, now).then_some((owner, address))
    });
    Ok(there.collect())
}

/// When somebody last wrote on a channel, as far as has been noted.
pub(crate) fn last_seen(person: &Person, channel: ChannelKind) -> Option<Timestamp> {
    let there = person.bindings.iter().filter(|binding| binding.channel == channel);
    there.map(|binding| binding.last_seen_at.unwrap_or(binding.bound_at)).max()
}

/// Whether somebody who wrote then may be written to unasked.
pub(crate) fn is_open(hub: &Hub, to: &Address, wrote: Timestamp, now: Timestamp) -> bool {
    let Some(account) = hub.accounts.get(to.channel, &to.account) else { return false };
    let window = account.channel.capabilities(to.conversation.kind).window;
    window.is_none_or(|window| now.since(wrote) < i64::try_from(window.as_millis()).unwrap_or(0))
}

/// In the language an owner has chosen, or else in the one that is spoken where they are at home.
fn voice(hub: &Hub, person: &Person, to: &Address) -> Voice {
    let chosen = person.lang.as_deref().map(Lang::of);
    chosen.map_or_else(|| hub.voice_at(to), |lang| Voice::on(lang, to.channel))
}

/// What owners are told: of one stranger with buttons, of several in one message.
fn told(waiting: &[Pairing], voice: Voice) -> Vec<Part> {
    match waiting {
        [one] => {
            let Pairing { code, channel, .. } = one;
            let asked = Pairings::Asked { code, who: one.who(), channel: *channel };
            let choices = Part::Choices { choices: buttons(code, voice) };
            vec![Part::text(asked.say(voice)), choices]
        }
        several => vec![Part::text(list(several, voice))],
    }
}

/// All who wait, for whoever decides.
pub(crate) fn list(waiting: &[Pairing], voice: Voice) -> String {
    let named: Vec<Waiting<'_>> = waiting.iter().take(NAMED).map(spoken).collect();
    let more = waiting.len().saturating_sub(named.len());
    Pairings::Several { waiting: &named, more }.say(voice)
}

fn spoken(pairing: &Pairing) -> Waiting<'_> {
    Waiting { code: &pairing.code, who: pairing.who(), channel: pairing.channel }
}

/// The two commands that the words name, to press.
fn buttons(code: &str, voice: Voice) -> Vec<Choice> {
    vec![
        button(Button::LetIn, &Command::let_in(code), voice),
        button(Button::TurnAway, &Command::turn_away(code), voice),
    ]
}

/// Tells those who were let in that they are, as long as their platform has it.
async fn welcome(hub: &Arc<Hub>) -> Result<(), DirectoryError> {
    for admission in hub.directory.admissions(clock::now()).await? {
        let address = address_of(&admission);
        let is_open = is_open(hub, &address, admission.asked_at, clock::now());
        if !is_open {
            tracing::info!(user = %admission.user, "it is too late to tell them that they are in");
        }
        if !is_open || greet(hub, &admission, address).await {
            hub.directory.welcomed(&admission.id).await?;
        }
    }
    Ok(())
}

async fn greet(hub: &Arc<Hub>, admission: &Admission, address: Address) -> bool {
    let Admission { id, user, channel, locale, asked_at, .. } = admission;
    let chosen = hub.directory.profile(*user).await.ok().flatten().and_then(|person| person.lang);
    let lang = chosen.as_ref().or(locale.as_ref()).map_or(Lang::En, |lang| Lang::of(lang));
    let text = Access::Approved.say(Voice::on(lang, *channel));
    say(hub, address, vec![Part::text(text)], (*asked_at, format!("let in:{id}"))).await
}

fn address_of(admission: &Admission) -> Address {
    let Admission { channel, account, conversation, .. } = admission.clone();
    let conversation = Conversation::new(conversation, ConversationKind::Direct);
    Address { channel, account, conversation, handle: None }
}

/// Says something unasked, by a name: said by another hub or once more, it is the same. Whether it
/// is in the ledger; `false`: the hub stops, or may not write any more.
async fn say(
    hub: &Arc<Hub>,
    address: Address,
    parts: Vec<Part>,
    (at, name): (Timestamp, String),
) -> bool {
    let account = address.account.clone();
    let plan = ReplyPlan { address, reply_to: None };
    let mut deliveries = notice::compose_parts(hub, None, &plan, parts);
    for (n, delivery) in deliveries.iter_mut().enumerate() {
        delivery.id = notice::named(at, &account, format!("{name}:{n}"));
    }
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    let Some(next) = hub.persist("say something at the door", post).await else { return false };
    outbox::drive(hub, next);
    true
}
