//! `POST /{version}/{phone_number_id}/messages`: every kind of message, and marking as read.

use std::sync::Arc;

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{Outgoing, Shared, inbound};
use crate::common::{Act, Sent, lock, unix_seconds};

/// Longest `text.body`, in characters.
const MAX_BODY: usize = 4096;
/// Longest caption of an image, video or document.
const MAX_CAPTION: usize = 1024;
/// The window in which free-form messages may be sent, in seconds.
const WINDOW: u64 = 24 * 60 * 60;

pub(super) fn accept(shared: &Arc<Shared>, params: &Value) -> Result<Value, Refusal> {
    if params["messaging_product"] != "whatsapp" {
        return Err(Refusal::parameter("The parameter messaging_product is required."));
    }
    if params["status"] == "read" {
        return mark_read(shared, params);
    }
    let to = recipient(params)?;
    let kind = params["type"].as_str().unwrap_or("text");
    let text = content(kind, params)?;
    let files = files(shared, kind, params)?;
    let id = keep(shared, kind, &to, (&text, files), params);
    follow_up(shared, &to, kind, &id);
    let mut contact = json!({"input": params["to"].as_str().unwrap_or(&to)});
    let known = lock(&shared.world).heard.get(&to).map(|(contact, _)| contact.clone());
    let named = known.as_ref().and_then(|c| c.wa_id.clone());
    match (named, to.contains('.')) {
        (Some(wa_id), _) => contact["wa_id"] = json!(wa_id),
        (None, true) => contact["user_id"] = json!(to),
        (None, false) => contact["wa_id"] = json!(to),
    }
    Ok(json!({
        "messaging_product": "whatsapp",
        "contacts": [contact],
        "messages": [{"id": id}],
    }))
}

/// With `typing_indicator` the person also sees typing, for 25 s or until a message.
fn mark_read(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let id = params["message_id"].as_str().unwrap_or_default();
    let from = sender_of(shared, id)
        .ok_or_else(|| Refusal::parameter("Invalid parameter: message_id does not exist"))?;
    let typing = &params["typing_indicator"];
    if !typing.is_null() && typing["type"] != "text" {
        return Err(Refusal::parameter("Param typing_indicator['type'] must be one of {text}"));
    }
    push(shared, Sent::new(Act::Read, &from, id, ""), params);
    if !typing.is_null() {
        push(shared, Sent::new(Act::Typing, &from, id, ""), params);
    }
    Ok(json!({"success": true}))
}

/// Who wrote the message, read from the body that told of it.
fn sender_of(shared: &Shared, wamid: &str) -> Option<String> {
    let world = lock(&shared.world);
    let body: Value = serde_json::from_str(world.bodies.get(wamid)?).ok()?;
    let messages = body["entry"][0]["changes"][0]["value"]["messages"].as_array()?;
    let message = messages.iter().find(|m| m["id"] == wamid)?;
    let from = message["from"].as_str().or_else(|| message["from_user_id"].as_str())?;
    Some(from.to_owned())
}

/// `to` holds a number or a business-scoped id; `recipient` a business-scoped id.
fn recipient(params: &Value) -> Result<String, Refusal> {
    let given = params["to"].as_str().or_else(|| params["recipient"].as_str());
    let given = given.ok_or_else(|| Refusal::parameter("The parameter to is required."))?;
    if given.contains('.') {
        return Ok(given.to_owned());
    }
    let digits: String = given.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < 5 {
        return Err(Refusal::value("Recipient phone number is not a valid WhatsApp user"));
    }
    Ok(digits)
}

/// Checks the content of a message; its text, for the record.
fn content(kind: &str, params: &Value) -> Result<String, Refusal> {
    let object = &params[kind];
    if !object.is_object() {
        return Err(Refusal::parameter(&format!("The parameter {kind} is required.")));
    }
    match kind {
        "text" => bounded(object, "text", "body", MAX_BODY, true),
        "image" | "video" | "document" => bounded(object, kind, "caption", MAX_CAPTION, false),
        "reaction" => Ok(object["emoji"].as_str().unwrap_or_default().to_owned()),
        "interactive" => interactive(object),
        "audio" | "sticker" | "location" | "contacts" | "template" => Ok(String::new()),
        _ => Err(Refusal::parameter(
            "Param type must be one of {AUDIO, CONTACTS, DOCUMENT, \
             IMAGE, INTERACTIVE, LOCATION, REACTION, STICKER, TEMPLATE, TEXT, VIDEO}",
        )),
    }
}

fn bounded(
    object: &Value,
    kind: &str,
    field: &str,
    max: usize,
    required: bool,
) -> Result<String, Refusal> {
    let text = object[field].as_str().unwrap_or_default();
    if required && text.is_empty() {
        return Err(Refusal::parameter(&format!("The parameter {kind}['{field}'] is required.")));
    }
    if text.chars().count() > max {
        return Err(Refusal::parameter(&format!(
            "Param {kind}['{field}'] must be at most {max} characters long."
        )));
    }
    Ok(text.to_owned())
}

/// At most 3 reply buttons, titles of 1 to 20 characters.
fn interactive(object: &Value) -> Result<String, Refusal> {
    let body = bounded(&object["body"], "interactive", "text", MAX_CAPTION, false)?;
    let none = Vec::new();
    let buttons = object["action"]["buttons"].as_array().unwrap_or(&none);
    if buttons.len() > 3 {
        return Err(Refusal::value(
            "Invalid buttons count. Min allowed buttons: 1, Max allowed: 3",
        ));
    }
    for button in buttons {
        let title = button["reply"]["title"].as_str().unwrap_or_default();
        if title.is_empty() || title.chars().count() > 20 {
            return Err(Refusal::value("Button title length invalid. Min length: 1, Max: 20"));
        }
    }
    Ok(body)
}

/// The medium that a message names; it must have been uploaded.
fn files(shared: &Shared, kind: &str, params: &Value) -> Result<Vec<String>, Refusal> {
    let Some(id) = params[kind]["id"].as_str().filter(|_| is_medium(kind)) else {
        return Ok(Vec::new());
    };
    let world = lock(&shared.world);
    let file = world.uploads.get(id).cloned();
    file.map(|file| vec![file]).ok_or_else(|| Refusal::no_such_object("post", id))
}

fn is_medium(kind: &str) -> bool {
    matches!(kind, "image" | "video" | "audio" | "document" | "sticker")
}

fn keep(
    shared: &Shared,
    kind: &str,
    to: &str,
    (text, files): (&str, Vec<String>),
    params: &Value,
) -> String {
    let mut world = lock(&shared.world);
    let id = inbound::wamid(world.next());
    let tracker = params["biz_opaque_callback_data"].clone();
    world.outgoing.insert(&id, Outgoing { to: to.to_owned(), tracker });
    // Under the lock, so that the record has the messages in their order.
    record(shared, kind, to, &id, (text, files), params);
    id
}

fn record(
    shared: &Shared,
    kind: &str,
    to: &str,
    id: &str,
    (text, files): (&str, Vec<String>),
    params: &Value,
) {
    let mut sent = if kind == "reaction" {
        let target = params["reaction"]["message_id"].as_str().unwrap_or_default();
        Sent::new(Act::React, to, target, text)
    } else {
        Sent::new(Act::Post, to, id, text)
    };
    sent.files = files;
    sent.reply_to = params["context"]["message_id"].as_str().map(str::to_owned);
    push(shared, sent, params);
}

fn push(shared: &Shared, mut sent: Sent, params: &Value) {
    sent.raw = params.clone();
    shared.records.show(sent);
}

/// Statuses: `sent` and `delivered`, or `failed` outside the window.
fn follow_up(shared: &Arc<Shared>, to: &str, kind: &str, id: &str) {
    let heard = lock(&shared.world).heard.get(to).map(|(_, at)| *at);
    let open = heard.is_some_and(|at| unix_seconds().saturating_sub(at) <= WINDOW);
    if kind != "template" && !open {
        let error = json!({
            "code": 131_047,
            "title": "Re-engagement message",
            "message": "Re-engagement message",
            "error_data": {"details": "Message failed to send because more than 24 hours have \
                passed since the customer last replied to this number."},
        });
        inbound::post_status(shared, id, "failed", Some(error));
    } else if shared.config.statuses {
        inbound::post_status(shared, id, "sent", None);
        inbound::post_status(shared, id, "delivered", None);
    }
}
