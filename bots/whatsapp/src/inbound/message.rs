//! One message or one status.

use serde_json::value::RawValue;
use zaki_channel::Arrival;
use zaki_envelope::{
    ConversationKind, InboundKind, MediaKind, MediaRef, MessageId, Part, SenderId, StatusKind,
};

use super::payload::{Card, Location, Media, Message, Status, StatusError};
use super::seed::{Seed, group, time};

/// Reads a message; nothing arrives for what the business itself wrote.
pub(super) fn message(seed: &Seed<'_>, raw: &RawValue) -> Result<Option<Arrival>, &'static str> {
    let message: Message =
        serde_json::from_str(raw.get()).map_err(|_| "a message that is no object")?;
    if message.id.is_empty() {
        return Err("a message without an id");
    }
    let ours = &seed.metadata.display_phone_number;
    if !message.from.is_empty() && message.from == *ours {
        return Ok(None);
    }
    let sender = seed.people().person(&message.from_user_id, &message.from);
    let mut sender = sender.ok_or("a message from nobody")?;
    // A changed number: the new ids are the same person's.
    let renewed = [&message.system.user_id, &message.system.wa_id];
    for id in renewed.into_iter().filter(|id| !id.is_empty()) {
        let id = SenderId::new(id.as_str());
        if id != sender.id && !sender.aliases.contains(&id) {
            sender.aliases.push(id);
        }
    }
    let kind = kind(&message)?;
    let mut inbound = seed.inbound(&key(&message, &kind), sender, kind);
    inbound.sent_at = time(&message.timestamp);
    inbound.message = Some(MessageId::new(&message.id));
    inbound.reply_to = id(&message.context.id);
    inbound.parts = parts(&message);
    if !message.group_id.is_empty() {
        inbound.conversation = group(&message.group_id);
    }
    let is_direct = inbound.conversation.kind == ConversationKind::Direct;
    let answers_us = !ours.is_empty() && message.context.from == *ours;
    inbound.addressed = seed.is_for_us() && (is_direct || answers_us);
    Ok(Some(inbound.into()))
}

/// One key for each message; changes of one add what they are and when.
fn key(message: &Message, kind: &InboundKind) -> String {
    let id = &message.id;
    let at = time(&message.timestamp).map_or(0, zaki_envelope::Timestamp::as_secs);
    match kind {
        InboundKind::Edit { .. } => format!("{id}:edit:{at}"),
        InboundKind::Delete { .. } => format!("{id}:revoke:{at}"),
        _ => id.clone(),
    }
}

fn kind(message: &Message) -> Result<InboundKind, &'static str> {
    let interactive = &message.interactive;
    Ok(match (message.kind.as_str(), interactive.kind.as_str()) {
        ("reaction", _) => InboundKind::Reaction {
            target: id(&message.reaction.message_id).ok_or("a reaction to nothing")?,
            emoji: message.reaction.emoji.clone(),
            removed: message.reaction.emoji.is_empty(),
        },
        ("edit", _) => InboundKind::Edit {
            target: id(&message.edit.original_message_id).ok_or("an edit of nothing")?,
        },
        ("revoke", _) => InboundKind::Delete {
            target: id(&message.revoke.original_message_id).ok_or("a revocation of nothing")?,
        },
        ("system", _) => InboundKind::Membership {
            change: match message.system.kind.as_str() {
                "" => "system".to_owned(),
                change => change.to_owned(),
            },
        },
        ("button", _) => button(&message.button.payload),
        ("interactive", "button_reply") => button(&interactive.button_reply.id),
        ("interactive", "list_reply") => button(&interactive.list_reply.id),
        ("interactive", "nfm_reply") => button(&interactive.nfm_reply.response_json),
        ("interactive", other) if !other.is_empty() => {
            InboundKind::Other { name: format!("interactive.{other}") }
        }
        _ => InboundKind::Message,
    })
}

fn button(data: &str) -> InboundKind {
    InboundKind::Button { data: data.to_owned() }
}

fn id(text: &str) -> Option<MessageId> {
    (!text.is_empty()).then(|| MessageId::new(text))
}

/// The content; a kind we do not know is kept by its name.
fn parts(message: &Message) -> Vec<Part> {
    let interactive = &message.interactive;
    match message.kind.as_str() {
        "text" => words(&message.text.body),
        "image" => media(message.image.as_ref(), MediaKind::Image, "image"),
        "video" => media(message.video.as_ref(), MediaKind::Video, "video"),
        "document" => media(message.document.as_ref(), MediaKind::Document, "document"),
        "sticker" => media(message.sticker.as_ref(), MediaKind::Sticker, "sticker"),
        "audio" => {
            let voice = message.audio.as_ref().is_some_and(|audio| audio.voice);
            let kind = if voice { MediaKind::Voice } else { MediaKind::Audio };
            media(message.audio.as_ref(), kind, "audio")
        }
        "location" => vec![location(message.location.as_ref())],
        "contacts" => message.contacts.iter().map(contact).collect(),
        "button" => words(&message.button.text),
        "interactive" => match interactive.kind.as_str() {
            "button_reply" => words(&interactive.button_reply.title),
            "list_reply" => words(&interactive.list_reply.title),
            "nfm_reply" => words(&interactive.nfm_reply.response_json),
            "" => vec![Part::unsupported("interactive")],
            other => vec![Part::unsupported(format!("interactive.{other}"))],
        },
        "order" => {
            let mut parts = words(&message.order.text);
            parts.push(Part::unsupported("order"));
            parts
        }
        "system" => words(&message.system.body),
        "edit" => message.edit.message.as_deref().map_or_else(Vec::new, parts),
        "reaction" | "revoke" => Vec::new(),
        "unsupported" if !message.unsupported.kind.is_empty() => {
            vec![Part::unsupported(&message.unsupported.kind)]
        }
        "" => vec![Part::unsupported("unknown")],
        other => vec![Part::unsupported(other)],
    }
}

fn words(text: &str) -> Vec<Part> {
    if text.is_empty() { Vec::new() } else { vec![Part::text(text)] }
}

/// A file and its caption.
fn media(media: Option<&Media>, kind: MediaKind, name: &str) -> Vec<Part> {
    let Some(media) = media.filter(|media| !media.id.is_empty()) else {
        return vec![Part::unsupported(name)];
    };
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut parts = vec![Part::Media {
        kind,
        reference: MediaRef::new(&media.id),
        mime: some(&media.mime_type),
        name: some(&media.filename),
        size: None,
    }];
    parts.extend(words(&media.caption));
    parts
}

fn location(location: Option<&Location>) -> Part {
    let point = location.and_then(|l| Some((l, l.latitude?, l.longitude?)));
    let Some((location, latitude, longitude)) = point else {
        return Part::unsupported("location");
    };
    let names = [location.name.as_str(), location.address.as_str()];
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    Part::Location { latitude, longitude, name: (!names.is_empty()).then(|| names.join(", ")) }
}

fn contact(card: &Card) -> Part {
    let names = [&card.name.formatted_name, &card.name.first_name];
    let name = names.into_iter().find(|name| !name.is_empty());
    let number = |phone: &super::payload::Phone| {
        let numbers = [&phone.phone, &phone.wa_id];
        numbers.into_iter().find(|number| !number.is_empty()).cloned()
    };
    Part::Contact {
        name: name.cloned().unwrap_or_default(),
        phones: card.phones.iter().filter_map(number).collect(),
    }
}

/// Reads a status. It hands back what we sent along with the message: the delivery's id.
pub(super) fn status(seed: &Seed<'_>, raw: &RawValue) -> Result<Option<Arrival>, &'static str> {
    let status: Status =
        serde_json::from_str(raw.get()).map_err(|_| "a status that is no object")?;
    let target = id(&status.id).ok_or("a status without an id")?;
    let kind = match status.status.as_str() {
        "sent" => Some(StatusKind::Sent),
        "delivered" => Some(StatusKind::Delivered),
        "read" | "played" => Some(StatusKind::Read),
        "failed" => Some(StatusKind::Failed),
        _ => None,
    };
    let kind = match kind {
        Some(kind) => InboundKind::Status {
            target: target.clone(),
            status: kind,
            delivery: status.biz_opaque_callback_data.parse().ok(),
            reason: status.errors.first().map(reason),
        },
        None => InboundKind::Other { name: format!("status.{}", status.status) },
    };
    let is_group = status.recipient_type == "group";
    let people = seed.people();
    let recipient = if is_group {
        people.person(&status.recipient_participant_user_id, &status.recipient_participant_id)
    } else {
        people.person(&status.recipient_user_id, &status.recipient_id)
    };
    let recipient = recipient.unwrap_or_else(|| people.nobody());
    let key = format!("status:{}:{}", status.id, status.status);
    let mut inbound = seed.inbound(&key, recipient, kind);
    if is_group {
        inbound.conversation = group(&status.recipient_id);
    }
    inbound.sent_at = time(&status.timestamp);
    inbound.message = Some(target);
    Ok(Some(inbound.into()))
}

/// `131047 Re-engagement message`: the number decides, the title tells a person.
fn reason(error: &StatusError) -> String {
    let title = [&error.title, &error.message].into_iter().find(|text| !text.is_empty());
    let title = title.map_or("", String::as_str);
    let code = if error.code.is_null() { String::new() } else { error.code.to_string() };
    format!("{code} {title}").trim().to_owned()
}
