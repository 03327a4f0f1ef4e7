//! The methods that people see: messages, edits, reactions, typing, answers to buttons.

use std::sync::MutexGuard;

use serde_json::{Value, json};

use super::Chat;
use super::Shared;
use super::markup::{self, Marked};
use super::params::{decoded, int, string};
use super::refusal::Refusal;
use super::text::{MAX_TEXT, detect, units};
use super::world::{World, merge};
use crate::common::{Act, Sent, lock, unix_seconds};

type Locked<'a> = MutexGuard<'a, World>;

pub(super) fn send_message(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (text, entities) = content(params)?;
    let (mut world, chat) = writable_chat(shared, params)?;
    let reply_to = decoded(params, "reply_parameters")
        .and_then(|reply| int(&reply, "message_id"))
        .or_else(|| int(params, "reply_to_message_id"));
    let replied = match reply_to {
        None => Value::Null,
        Some(id) => match world.message(chat.id, id) {
            Some(stored) => stored.value.clone(),
            None if may_reply_to_nothing(params) => Value::Null,
            None => return Err(Refusal::bad_request("message to be replied not found")),
        },
    };
    let thread = int(params, "message_thread_id");
    if thread.is_some() && !chat.has_topics() {
        return Err(Refusal::bad_request("message thread not found"));
    }
    let bot = world.bot.clone();
    let message = world.keep(
        &chat,
        &bot,
        json!({
            "text": text,
            "entities": entities,
            "message_thread_id": thread,
            "is_topic_message": thread.map(|_| true),
            "reply_to_message": replied,
            "reply_markup": decoded(params, "reply_markup"),
        }),
    );
    let mut sent = Sent::new(Act::Post, &chat.id.to_string(), &id_of(&message), &text);
    sent.thread = thread.map(|t| t.to_string());
    sent.reply_to = reply_to.map(|r| r.to_string());
    record(shared, sent, params);
    // Only now, so that the record has the messages in their order.
    drop(world);
    Ok(message)
}

/// `sendPhoto` and its like, with the file in the form.
pub(super) fn send_file(shared: &Shared, params: &Value, field: &str) -> Result<Value, Refusal> {
    let file = &params[field];
    let Some(bytes) = file["bytes"].as_u64() else {
        return Err(Refusal::bad_request(&format!("there is no {field} in the request")));
    };
    if bytes > if field == "photo" { 10_000_000 } else { 50_000_000 } {
        return Err(Refusal::other(413, "Request Entity Too Large"));
    }
    let (mut world, chat) = writable_chat(shared, params)?;
    let thread = int(params, "message_thread_id");
    let bot = world.bot.clone();
    let entry =
        json!({"file_id": file["sha256"], "file_unique_id": file["sha256"], "file_size": bytes});
    let mut content = json!({"message_thread_id": thread, "caption": params["caption"]});
    content[field] = if field == "photo" { json!([entry]) } else { entry };
    let message = world.keep(&chat, &bot, content);
    let mut sent = Sent::new(Act::Post, &chat.id.to_string(), &id_of(&message), "");
    sent.thread = thread.map(|t| t.to_string());
    sent.files = file["sha256"].as_str().map(str::to_owned).into_iter().collect();
    record(shared, sent, params);
    drop(world);
    Ok(message)
}

pub(super) fn edit_message_text(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (text, entities) = content(params)?;
    let (mut world, chat) = writable_chat(shared, params)?;
    let id = message_id(params)?;
    let stored = world
        .message(chat.id, id)
        .ok_or_else(|| Refusal::bad_request("message to edit not found"))?;
    if !stored.mine {
        return Err(Refusal::bad_request("message can't be edited"));
    }
    let markup = decoded(params, "reply_markup").unwrap_or_default();
    let before = &stored.value;
    if before["text"] == text && before["entities"] == entities && before["reply_markup"] == markup
    {
        return Err(Refusal::bad_request(
            "message is not modified: specified new message content and reply markup are exactly \
             the same as a current content and reply markup of the message",
        ));
    }
    if let Some(object) = stored.value.as_object_mut() {
        object.remove("entities");
        object.remove("reply_markup");
    }
    merge(
        &mut stored.value,
        json!({
            "text": text, "entities": entities, "reply_markup": markup,
            "edit_date": unix_seconds(),
        }),
    );
    let message = stored.value.clone();
    drop(world);
    record(shared, Sent::new(Act::Edit, &chat.id.to_string(), &id.to_string(), &text), params);
    Ok(message)
}

pub(super) fn delete_message(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (mut world, chat) = writable_chat(shared, params)?;
    let id = message_id(params)?;
    if !world.forget(chat.id, id) {
        return Err(Refusal::bad_request("message to delete not found"));
    }
    drop(world);
    record(shared, Sent::new(Act::Retract, &chat.id.to_string(), &id.to_string(), ""), params);
    Ok(json!(true))
}

pub(super) fn send_chat_action(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (world, chat) = writable_chat(shared, params)?;
    drop(world);
    let action = string(params, "action");
    let known = ["typing", "upload_", "record_", "choose_", "find_"];
    if !known.iter().any(|k| action.starts_with(k)) {
        return Err(Refusal::bad_request("wrong parameter action in request"));
    }
    let mut sent = Sent::new(Act::Typing, &chat.id.to_string(), "", "");
    sent.thread = int(params, "message_thread_id").map(|t| t.to_string());
    record(shared, sent, params);
    Ok(json!(true))
}

/// A query can be answered once, with at most 200 characters.
pub(super) fn answer_callback_query(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let id = string(params, "callback_query_id");
    let text = string(params, "text");
    if units(&text) > 200 {
        return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
    }
    if !lock(&shared.world).callback_queries.remove(&id) {
        return Err(Refusal::bad_request(
            "query is too old and response timeout expired or query ID is invalid",
        ));
    }
    record(shared, Sent::new(Act::Answer, "", &id, &text), params);
    Ok(json!(true))
}

pub(super) fn set_message_reaction(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (mut world, chat) = writable_chat(shared, params)?;
    let id = message_id(params)?;
    if world.message(chat.id, id).is_none() {
        return Err(Refusal::bad_request("message to react not found"));
    }
    drop(world);
    let reaction = decoded(params, "reaction").unwrap_or_default();
    let emoji = reaction[0]["emoji"].as_str().unwrap_or_default();
    record(shared, Sent::new(Act::React, &chat.id.to_string(), &id.to_string(), emoji), params);
    Ok(json!(true))
}

/// The text after entity parsing, and its entities: given, parsed, or found (null if none).
fn content(params: &Value) -> Result<(String, Value), Refusal> {
    let given = string(params, "text");
    if given.is_empty() {
        return Err(Refusal::bad_request("message text is empty"));
    }
    let unparsable = |why: String| Refusal::bad_request(&format!("can't parse entities: {why}"));
    let marked = match string(params, "parse_mode").to_lowercase().as_str() {
        "" => Marked { text: given, entities: given_entities(params) },
        "html" => markup::html(&given).map_err(unparsable)?,
        "markdownv2" => markup::markdown_v2(&given).map_err(unparsable)?,
        _ => return Err(Refusal::bad_request("unsupported parse_mode")),
    };
    let Marked { text, mut entities } = trimmed(marked);
    if text.is_empty() {
        return Err(Refusal::bad_request("message text is empty"));
    }
    if units(&text) > MAX_TEXT {
        return Err(Refusal::bad_request("message is too long"));
    }
    if entities.is_empty() {
        entities = detect(&text);
    }
    let entities = if entities.is_empty() { Value::Null } else { json!(entities) };
    Ok((text, entities))
}

fn given_entities(params: &Value) -> Vec<Value> {
    let given = decoded(params, "entities").unwrap_or_default();
    given.as_array().cloned().unwrap_or_default()
}

/// Telegram trims the text; entities move and end with it.
fn trimmed(marked: Marked) -> Marked {
    let start = marked.text.trim_start();
    let cut = units(&marked.text) - units(start);
    let text = start.trim_end().to_owned();
    let length = units(&text);
    let place = |mut entity: Value| {
        let offset = usize::try_from(entity["offset"].as_u64()?).ok()?;
        let end = offset + usize::try_from(entity["length"].as_u64()?).ok()?;
        let (from, to) = (offset.saturating_sub(cut), end.saturating_sub(cut).min(length));
        entity["offset"] = json!(from);
        entity["length"] = json!(to.checked_sub(from).filter(|l| *l > 0)?);
        Some(entity)
    };
    let entities = marked.entities.into_iter().filter_map(place).collect();
    Marked { text, entities }
}

fn writable_chat<'a>(shared: &'a Shared, params: &Value) -> Result<(Locked<'a>, Chat), Refusal> {
    if string(params, "chat_id").is_empty() {
        return Err(Refusal::bad_request("chat_id is empty"));
    }
    let world = lock(&shared.world);
    let chat = int(params, "chat_id")
        .and_then(|id| world.chat(id).cloned())
        .ok_or_else(|| Refusal::bad_request("chat not found"))?;
    if let Some(new) = world.moved.get(&chat.id) {
        return Err(Refusal::moved(*new));
    }
    if world.blocked.contains(&chat.id) {
        return Err(Refusal::forbidden("bot was blocked by the user"));
    }
    Ok((world, chat))
}

fn may_reply_to_nothing(params: &Value) -> bool {
    let reply = decoded(params, "reply_parameters").unwrap_or_default();
    reply["allow_sending_without_reply"] == true || params["allow_sending_without_reply"] == true
}

fn message_id(params: &Value) -> Result<i64, Refusal> {
    int(params, "message_id")
        .filter(|id| *id > 0)
        .ok_or_else(|| Refusal::bad_request("message identifier is not specified"))
}

fn id_of(message: &Value) -> String {
    message["message_id"].to_string()
}

fn record(shared: &Shared, mut sent: Sent, params: &Value) {
    sent.raw = params.clone();
    shared.records.show(sent);
}
