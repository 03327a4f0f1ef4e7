//! The gateway's events.
//! <https://discord.com/developers/docs/events/gateway-events#receive-events>

use zaki_envelope::{
    Conversation, ConversationId, ConversationKind, Inbound, InboundKind, MessageId, Sender,
    SpaceId,
};

use super::types::{Object, made_at, nameless};
use super::{Lost, Moment, content};

/// Message types people write: default, reply, and the visible trace of a command.
const WRITTEN: [u64; 2] = [0, 19];
/// A reply, and not a message passed on (1).
const REPLY: u64 = 0;

/// What an event says; nothing for those that are of no use and for the bot's own.
pub(super) fn read(
    name: &str,
    seq: u64,
    d: &Object,
    moment: &Moment<'_>,
) -> Result<Vec<Inbound>, Lost> {
    let one = |inbound: Option<Inbound>| Ok(inbound.into_iter().collect());
    match name {
        "MESSAGE_CREATE" => one(created(d, moment)?),
        "MESSAGE_UPDATE" => one(edited(d, moment)?),
        "MESSAGE_DELETE" => {
            let id = d.id("id").ok_or(Lost("a deletion without id"))?;
            one(Some(deleted(&id, d, moment)?))
        }
        "MESSAGE_DELETE_BULK" => {
            let ids: Vec<String> = d.get("ids").unwrap_or_default();
            ids.iter().map(|id| deleted(id, d, moment)).collect()
        }
        "MESSAGE_REACTION_ADD" => one(reaction(seq, d, moment, false)?),
        "MESSAGE_REACTION_REMOVE" => one(reaction(seq, d, moment, true)?),
        _ => Ok(Vec::new()),
    }
}

fn created(d: &Object, moment: &Moment<'_>) -> Result<Option<Inbound>, Lost> {
    let id = d.id("id").ok_or(Lost("a message without id"))?;
    let Some(message) = message(&id, d, moment, &id)? else {
        return Ok(None);
    };
    let kind = match d.get("type").unwrap_or(0_u64) {
        kind if WRITTEN.contains(&kind) => InboundKind::Message,
        // Somebody joined, pinned, boosted…: told by Discord, written by nobody.
        kind => InboundKind::Other { name: format!("message_type_{kind}") },
    };
    Ok(Some(Inbound { kind, ..message }))
}

/// Discord also "updates" a message when it unfolds a link; then nobody edited it.
fn edited(d: &Object, moment: &Moment<'_>) -> Result<Option<Inbound>, Lost> {
    let id = d.id("id").ok_or(Lost("an edit without id"))?;
    let Some(at) = d.text("edited_timestamp") else {
        return Ok(None);
    };
    let message = message(&id, d, moment, &format!("{id}:{at}"))?;
    let kind = InboundKind::Edit { target: MessageId::new(id) };
    Ok(message.map(|message| Inbound { kind, sent_at: None, ..message }))
}

/// What both have in common. `None` for the bot's own and for what Discord shows nothing of.
fn message(id: &str, d: &Object, moment: &Moment<'_>, key: &str) -> Result<Option<Inbound>, Lost> {
    let author: Option<Object> = d.get("author");
    let member: Option<Object> = d.get("member");
    let sender = author.and_then(|author| author.sender(member.as_ref()));
    let mut sender = sender.ok_or(Lost("a message without author"))?;
    if moment.is_bot(sender.id.as_str()) {
        return Ok(None);
    }
    sender.is_bot |= d.id("webhook_id").is_some();
    let conversation = conversation(d)?;
    let content = content::read(d, moment.bot);
    let reply = reply(d);
    let to_bot = reply.as_ref().is_some_and(|reply| moment.is_bot(&reply.author));
    let direct = conversation.kind == ConversationKind::Direct;
    let addressed = direct || content.calls_bot || to_bot;
    if content.parts.is_empty() && !addressed {
        return Ok(None);
    }
    Ok(Some(Inbound {
        sent_at: made_at(id),
        message: Some(MessageId::new(id)),
        parts: if content.parts.is_empty() { vec![nothing(d)] } else { content.parts },
        reply_to: reply.map(|reply| MessageId::new(reply.id)),
        addressed,
        ..moment.envelope(key, conversation, sender)
    }))
}

/// A message for the bot that holds nothing we know; told by its type.
fn nothing(d: &Object) -> zaki_envelope::Part {
    let kind = d.get("type").unwrap_or(0_u64);
    zaki_envelope::Part::unsupported(format!("message_type_{kind}"))
}

struct Reply {
    id: String,
    author: String,
}

fn reply(d: &Object) -> Option<Reply> {
    let reference: Object = d.get("message_reference")?;
    if reference.get("type").unwrap_or(REPLY) != REPLY {
        return None;
    }
    let original: Option<Object> = d.get("referenced_message");
    let author = original.and_then(|original| original.get::<Object>("author")?.id("id"));
    Some(Reply { id: reference.id("message_id")?, author: author.unwrap_or_default() })
}

/// Discord does not say who deleted it.
fn deleted(id: &str, d: &Object, moment: &Moment<'_>) -> Result<Inbound, Lost> {
    Ok(Inbound {
        kind: InboundKind::Delete { target: MessageId::new(id) },
        ..moment.envelope(&format!("{id}:delete"), conversation(d)?, nameless("0"))
    })
}

/// The same reaction may come and go, so the event's number is part of the key.
fn reaction(
    seq: u64,
    d: &Object,
    moment: &Moment<'_>,
    removed: bool,
) -> Result<Option<Inbound>, Lost> {
    let lost = Lost("a reaction without message or user");
    let (Some(target), Some(user)) = (d.id("message_id"), d.id("user_id")) else {
        return Err(lost);
    };
    if moment.is_bot(&user) {
        return Ok(None);
    }
    let emoji: Object = d.get("emoji").unwrap_or_default();
    let emoji = emoji.text("name").or_else(|| emoji.id("id")).unwrap_or_default();
    let member: Option<Object> = d.get("member");
    let known = member.as_ref().and_then(|member| member.get::<Object>("user"));
    let sender: Option<Sender> = known.and_then(|user| user.sender(member.as_ref()));
    let sender = sender.filter(|sender| sender.id.as_str() == user);
    let sign = if removed { '-' } else { '+' };
    let key = format!("{target}:{user}:{sign}{emoji}:{seq}");
    let sender = sender.unwrap_or_else(|| nameless(user));
    let kind = InboundKind::Reaction { target: MessageId::new(target), emoji, removed };
    Ok(Some(Inbound { kind, ..moment.envelope(&key, conversation(d)?, sender) }))
}

/// Threads are channels of their own. Bots are in no private groups, so without a server it is
/// the private channel with one person.
fn conversation(d: &Object) -> Result<Conversation, Lost> {
    let id = d.id("channel_id").ok_or(Lost("an event without channel"))?;
    let space = d.id("guild_id").map(SpaceId::new);
    let kind = if space.is_some() { ConversationKind::Group } else { ConversationKind::Direct };
    Ok(Conversation { space, ..Conversation::new(ConversationId::new(id), kind) })
}
