//! Codes that are used, and what their users are asked: whether two people are one, and whether a
//! stranger wants to share the assistant of whoever has given them a code.

use std::sync::Arc;

use zaki_envelope::{ChannelKind, Inbound, Part, Timestamp, ZakiUserId};
use zaki_identity::{
    BindingKind, Confirmed, DirectoryError, JOINING_MS, LinkCode, Person, Question, Redeemed,
};
use zaki_lane::commands::{Command, Link, Secret};
use zaki_words::{self as words, Linking, Voice};

use super::{Answer, Order, Silence, attempt, button, link::retire, said};
use crate::{clock, home, hub::Hub, voice::voice};

/// Uses a code for whoever wrote it, who may be a stranger.
pub(super) async fn redeem(hub: &Arc<Hub>, inbound: &Inbound, secret: &Secret) -> Answer {
    let (code, now) = (LinkCode::typed(secret.expose()), clock::now());
    // Before it: whatever becomes of the code, the answer is in the language they had.
    let voice = voice_of(hub, inbound).await?;
    let redeem = || hub.directory.redeem(inbound, &code, now);
    let done = attempt(hub, "redeem a code", redeem).await?;
    answer(hub, inbound, voice, done).await
}

/// Whoever was nobody when they used a code answers what they were asked then. `None`: they were
/// not, so it is for somebody known.
pub(super) async fn answer_link(hub: &Arc<Hub>, inbound: &Inbound, what: &Link) -> Option<Answer> {
    match what {
        Link::Confirm(question) => accept(hub, inbound, question.as_deref()).await,
        Link::Cancel(question) => reject(hub, inbound, question.as_deref()).await,
        Link::Offer | Link::Redeem(_) => Ok(None),
    }
    .map_or_else(|silence| Some(Err(silence)), |said| said.map(Ok))
}

async fn accept(
    hub: &Arc<Hub>,
    inbound: &Inbound,
    question: Option<&str>,
) -> Result<Option<Vec<Part>>, Silence> {
    let accept = || hub.directory.accept(inbound, question, clock::now());
    match attempt(hub, "share an assistant", accept).await? {
        None => Ok(None),
        Some(done) => {
            let voice = voice_of(hub, inbound).await?;
            answer(hub, inbound, voice, done).await.map(Some)
        }
    }
}

async fn reject(
    hub: &Arc<Hub>,
    inbound: &Inbound,
    question: Option<&str>,
) -> Result<Option<Vec<Part>>, Silence> {
    let reject = || hub.directory.reject(inbound, question, clock::now());
    let Some(giver) = attempt(hub, "share no assistant", reject).await? else { return Ok(None) };
    let there = Linking::DeclinedThere { other: inbound.channel };
    home::tell(hub, giver, Some(inbound), &there).await;
    said(&Linking::Declined, voice_of(hub, inbound).await?).map(Some)
}

/// How to talk to whoever wrote, who may be nobody.
async fn voice_of(hub: &Hub, inbound: &Inbound) -> Result<Voice, Silence> {
    let (channel, sender) = (inbound.channel, &inbound.sender);
    let find = || hub.directory.find(channel, &sender.scope, &sender.id);
    Ok(match attempt(hub, "find a sender", find).await? {
        Some(user) => hub.voice(user, inbound).await,
        None => voice(None, inbound),
    })
}

/// What is said to what a code has led to.
async fn answer(hub: &Arc<Hub>, inbound: &Inbound, voice: Voice, done: Redeemed) -> Answer {
    let now = clock::now();
    match done {
        Redeemed::Joined { user, .. } => joined(hub, user, inbound).await,
        Redeemed::Confirm { into, from } => ask_both(hub, into, from, inbound).await,
        Redeemed::Asked { user } => invited(hub, user, inbound, voice).await,
        Redeemed::Already { .. } => said(&Linking::Already, voice),
        Redeemed::Invited { .. } => said(&words::Access::WelcomeInvited, voice),
        Redeemed::Refused => said(&Linking::Refused, voice),
        Redeemed::TooMany { until } => said(&Linking::TooMany { until, now }, voice),
    }
}

/// A stranger is asked whether they want what a code leads to.
async fn invited(hub: &Arc<Hub>, giver: ZakiUserId, inbound: &Inbound, voice: Voice) -> Answer {
    let now = clock::now();
    let read = || hub.directory.proposal(inbound, now);
    let Some(proposal) = attempt(hub, "read a proposal", read).await? else {
        return said(&Linking::Refused, voice);
    };
    let read = || hub.directory.person(giver);
    let giver = attempt(hub, "read a person", read).await?;
    let who = giver.as_ref().and_then(shown_name);
    let mut asked = said(&Linking::Invited { who, until: proposal.until, now }, voice)?;
    asked.push(yes_or_no(&proposal.id, voice));
    Ok(asked)
}

/// What a person calls themselves where others see it, and nothing that leads to them: where they
/// wrote last.
fn shown_name(person: &Person) -> Option<&str> {
    let shown = person.bindings.iter().filter(|binding| {
        let is_id = binding.label.as_deref() == Some(binding.sender.as_str());
        binding.kind == BindingKind::Primary && binding.label.is_some() && !is_id
    });
    let latest = shown.max_by_key(|binding| (binding.last_seen_at, binding.bound_at))?;
    latest.label.as_deref()
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
    let read = || hub.directory.question(from, now);
    let question = attempt(hub, "read a question", read).await?;
    // Settled by the other side already: then so is this.
    let Some(question) = question else { return Err(Silence::Said) };
    ask_there(hub, &question, Some(inbound), inbound.channel, now).await;
    let other = home::channel_of(hub, into).await.unwrap_or(inbound.channel);
    let voice = hub.voice(from, inbound).await;
    let mut asked = said(&Linking::Confirm { stays: false, other, until, now }, voice)?;
    asked.push(yes_or_no(&question.id, voice));
    Ok(asked)
}

/// Asks whoever has made a code, where they are at home, whether they are one with somebody who has
/// used it on another channel.
pub(crate) async fn ask_there(
    hub: &Arc<Hub>,
    question: &Question,
    about: Option<&Inbound>,
    other: ChannelKind,
    now: Timestamp,
) {
    let until = now.plus_ms(JOINING_MS);
    let there = Linking::Confirm { stays: true, other, until, now };
    let buttons = |voice| yes_or_no(&question.id, voice);
    home::ask(hub, question.into, about, &there, buttons).await;
}

/// The two answers to a question, to press: to this one, and to none that is asked later.
fn yes_or_no(question: &str, voice: Voice) -> Part {
    let answer = |label, answer: fn(Option<String>) -> Link| {
        button(label, &Command::Link(answer(Some(question.to_owned()))), voice)
    };
    let yes = answer(words::Button::Join, Link::Confirm);
    let no = answer(words::Button::Leave, Link::Cancel);
    Part::Choices { choices: vec![yes, no] }
}

/// `/link yes`, or the button of a question.
pub(super) async fn confirm(order: &Order<'_>, question: Option<&str>) -> Answer {
    let Order { hub, inbound, now, .. } = *order;
    let me = order.user();
    // Asked before: whoever becomes somebody else is at home nowhere any more.
    let partner = hub.directory.partner(me).await.ok().flatten();
    let there = match partner {
        Some(partner) => home::of(hub, partner).await,
        None => None,
    };
    let confirm = || yes(hub, me, question, now);
    match order.attempt("confirm a link", confirm).await? {
        Confirmed::Nothing => order.say(&Linking::Nothing),
        Confirmed::Waiting { other } => {
            let other = home::channel_of(hub, other).await.unwrap_or(inbound.channel);
            order.say(&Linking::Waiting { other })
        }
        Confirmed::Merged { into, from, restorable_until } => {
            retire(hub, from);
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

async fn yes(
    hub: &Hub,
    user: ZakiUserId,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Confirmed, DirectoryError> {
    match question {
        Some(question) => hub.directory.confirm_question(user, question, now).await,
        None => hub.directory.confirm(user, now).await,
    }
}

/// `/link no`, or the other button.
pub(super) async fn decline(order: &Order<'_>, question: Option<&str>) -> Answer {
    let Order { hub, inbound, now, .. } = *order;
    let me = order.user();
    let decline = || no(hub, me, question, now);
    match order.attempt("decline a link", decline).await? {
        Some(other) => {
            let there = Linking::DeclinedThere { other: inbound.channel };
            home::tell(hub, other, Some(inbound), &there).await;
            order.say(&Linking::Declined)
        }
        None => order.say(&Linking::Nothing),
    }
}

async fn no(
    hub: &Hub,
    user: ZakiUserId,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Option<ZakiUserId>, DirectoryError> {
    match question {
        Some(question) => hub.directory.decline_question(user, question, now).await,
        None => hub.directory.decline(user, now).await,
    }
}

/// What the platform shows of whoever wrote.
fn label_of(inbound: &Inbound) -> Option<String> {
    let sender = &inbound.sender;
    sender.handle.clone().or_else(|| sender.display_name.clone())
}
