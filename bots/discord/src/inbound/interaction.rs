//! Interactions: slash commands, buttons, menus and forms, whichever way they come.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding>

use serde_json::{Value, json};
use zaki_channel::{Answer, Arrival, Parsed};
use zaki_envelope::{
    Conversation, ConversationId, ConversationKind, Inbound, InboundKind, MessageId, Part, SpaceId,
};

use super::types::{Object, made_at};
use super::{Lost, Moment};
use crate::handle::{self, First};

/// The one command we register; its words are what the person says.
pub(crate) const COMMAND: &str = "zaki";

// Types of interactions.
const PING: u64 = 1;
const APPLICATION_COMMAND: u64 = 2;
const MESSAGE_COMPONENT: u64 = 3;
const AUTOCOMPLETE: u64 = 4;
const MODAL_SUBMIT: u64 = 5;

// Types of responses.
const PONG: u64 = 1;
const MESSAGE: u64 = 4;
const DEFERRED_MESSAGE: u64 = 5;
const DEFERRED_UPDATE: u64 = 6;
const CHOICES: u64 = 8;

/// Only the person who made the interaction sees it.
const EPHEMERAL: u64 = 64;

/// What Discord is told within 3 s, and what there is to do.
pub(super) fn read(body: &Object, moment: &Moment<'_>) -> Result<Parsed, Lost> {
    let data: Object = body.get("data").unwrap_or_default();
    let kind = body.get("type").unwrap_or(0_u64);
    let arrival = |kind: InboundKind, words: Vec<String>, first| {
        let parts = words.into_iter().map(Part::text).collect();
        arrival(body, moment, kind, parts, first)
    };
    Ok(match kind {
        PING => answered(PONG, None),
        AUTOCOMPLETE => answered(CHOICES, Some(json!({"choices": []}))),
        APPLICATION_COMMAND => {
            let name = data.text("name").unwrap_or_default();
            let words = words(&data);
            if name == COMMAND && words.is_empty() {
                return Ok(note("Write what you want to say behind `/zaki`."));
            }
            let words = if words.is_empty() { Vec::new() } else { vec![words.join(" ")] };
            deferred(
                arrival(InboundKind::Command { name }, words, First::FillsIn)?,
                DEFERRED_MESSAGE,
            )
        }
        MESSAGE_COMPONENT => {
            let id = data.text("custom_id").unwrap_or_default();
            let chosen: Vec<String> = data.get("values").unwrap_or_default();
            let words = if chosen.is_empty() { id.clone() } else { chosen.join(", ") };
            let kind = InboundKind::Button { data: id };
            deferred(arrival(kind, vec![words], First::Follows)?, DEFERRED_UPDATE)
        }
        MODAL_SUBMIT => {
            let id = data.text("custom_id").unwrap_or_default();
            let kind = InboundKind::Button { data: id };
            deferred(arrival(kind, fields(&data), First::FillsIn)?, DEFERRED_MESSAGE)
        }
        new => {
            let kind = InboundKind::Other { name: format!("interaction_{new}") };
            let arrival = arrival(kind, Vec::new(), First::Follows)?;
            Parsed { arrivals: vec![arrival], ..note("This is not supported yet.") }
        }
    })
}

fn answered(kind: u64, data: Option<Value>) -> Parsed {
    let mut answer = json!({"type": kind});
    if let Some(data) = data {
        answer["data"] = data;
    }
    Parsed { answer: Answer::json(&answer), ..Parsed::default() }
}

fn deferred(arrival: Arrival, kind: u64) -> Parsed {
    Parsed { arrivals: vec![arrival], ..answered(kind, None) }
}

fn note(text: &str) -> Parsed {
    answered(MESSAGE, Some(json!({"content": text, "flags": EPHEMERAL})))
}

fn arrival(
    body: &Object,
    moment: &Moment<'_>,
    kind: InboundKind,
    parts: Vec<Part>,
    first: First,
) -> Result<Arrival, Lost> {
    let id = body.id("id").ok_or(Lost("an interaction without id"))?;
    let member: Option<Object> = body.get("member");
    let user = member.as_ref().and_then(|member| member.get("user"));
    let user: Option<Object> = user.or_else(|| body.get("user"));
    let sender = user.and_then(|user| user.sender(member.as_ref()));
    let mut sender = sender.ok_or(Lost("an interaction without user"))?;
    // Of whoever made it; `guild_locale` is the server's.
    sender.locale = body.text("locale");
    let under: Option<Object> = body.get("message");
    let inbound = Inbound {
        sent_at: made_at(&id),
        kind,
        parts,
        reply_to: under.and_then(|message| message.id("id")).map(MessageId::new),
        addressed: true,
        ..moment.envelope(&id, conversation(body)?, sender)
    };
    let rights = body.id("application_id").zip(body.text("token"));
    let handle = rights
        .map(|(application, token)| handle::issue(&application, &token, first, moment.received_at));
    Ok(Arrival { inbound, handle })
}

/// `context` 1 is the private channel with the bot; 2 is one between people, with us as a guest.
fn conversation(body: &Object) -> Result<Conversation, Lost> {
    let channel: Option<Object> = body.get("channel");
    let id = body.id("channel_id").or_else(|| channel?.id("id"));
    let kind = match body.get("context") {
        Some(1_u64) => ConversationKind::Direct,
        None if body.id("guild_id").is_none() => ConversationKind::Direct,
        _ => ConversationKind::Group,
    };
    let id = id.ok_or(Lost("an interaction without channel"))?;
    let space = body.id("guild_id").map(SpaceId::new);
    Ok(Conversation { space, ..Conversation::new(ConversationId::new(id), kind) })
}

/// What was typed into a command's options, those of subcommands included.
fn words(data: &Object) -> Vec<String> {
    let options = data.list("options").into_iter();
    options
        .flat_map(|option| {
            let own = option.get("value").and_then(|value| written(&value));
            own.into_iter().chain(words(&option)).collect::<Vec<_>>()
        })
        .collect()
}

/// What was typed into a form: fields stand in rows or labels.
fn fields(data: &Object) -> Vec<String> {
    let own = data.get("value").and_then(|value| written(&value));
    let chosen: Vec<String> = data.get("values").unwrap_or_default();
    let label: Option<Object> = data.get("component");
    let inner = data.list("components").into_iter().chain(label);
    let inner: Vec<String> = inner.flat_map(|component| fields(&component)).collect();
    own.into_iter().chain(chosen).chain(inner).collect()
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
