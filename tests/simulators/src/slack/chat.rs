//! The methods that people see: messages, edits, reactions, answers to commands.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use super::refusal::Refusal;
use crate::common::{Act, Sent, lock, unix_seconds};

/// `chat.postMessage` cuts a longer text, in characters.
const MAX_TEXT: usize = 40_000;
/// `chat.update` refuses a longer text, in characters.
const MAX_UPDATE: usize = 4_000;
/// Blocks of one message.
const MAX_BLOCKS: usize = 50;

pub(super) fn post_message(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (text, truncated) = cut(string(params, "text"));
    let blocks = decoded(params, "blocks");
    check_content(params, &text, blocks.as_ref())?;
    let config = &shared.config;
    let mut world = lock(&shared.world);
    let given = string(params, "channel");
    // A user's id stands for the private chat with them.
    let channel = if world.users.contains_key(&given) { world.direct(&given) } else { given };
    if !world.channels.contains_key(&channel) {
        return Err(Refusal("channel_not_found"));
    }
    let thread = string(params, "thread_ts");
    let ts = world.ts();
    let mut message = json!({
        "user": config.bot_user_id,
        "type": "message",
        "ts": ts,
        "bot_id": config.bot_id,
        "app_id": config.app_id,
        "text": text,
        "team": config.team_id,
    });
    for (name, value) in [
        ("blocks", blocks),
        ("metadata", decoded(params, "metadata")),
        ("thread_ts", (!thread.is_empty()).then(|| json!(thread))),
    ] {
        if let Some(value) = value {
            message[name] = value;
        }
    }
    world.keep(&channel, &ts, message.clone());
    let mut sent = Sent::new(Act::Post, &channel, &ts, &text);
    sent.thread = (!thread.is_empty()).then_some(thread);
    record(shared, sent, params);
    // Only now, so that the record has the messages in their order.
    drop(world);
    let mut answer = json!({"channel": channel, "ts": ts, "message": message});
    if truncated {
        answer["warning"] = json!("message_truncated");
        answer["response_metadata"] = json!({"warnings": ["message_truncated"]});
    }
    Ok(answer)
}

pub(super) fn update(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (channel, ts) = (string(params, "channel"), string(params, "ts"));
    let text = string(params, "text");
    let blocks = decoded(params, "blocks");
    check_content(params, &text, blocks.as_ref())?;
    if text.chars().count() > MAX_UPDATE {
        return Err(Refusal("msg_too_long"));
    }
    let mut world = lock(&shared.world);
    let found = world.channels.get_mut(&channel).ok_or(Refusal("channel_not_found"))?;
    let message = found.messages.get_mut(&ts).ok_or(Refusal("message_not_found"))?;
    if message["bot_id"] != shared.config.bot_id {
        return Err(Refusal("cant_update_message"));
    }
    message["text"] = json!(text);
    message["edited"] = json!({"user": shared.config.bot_user_id, "ts": ts});
    if let Some(blocks) = blocks {
        message["blocks"] = blocks;
    }
    let message = message.clone();
    drop(world);
    record(shared, Sent::new(Act::Edit, &channel, &ts, &text), params);
    Ok(json!({"channel": channel, "ts": ts, "text": text, "message": message}))
}

pub(super) fn delete(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let (channel, ts) = (string(params, "channel"), string(params, "ts"));
    let mut world = lock(&shared.world);
    let found = world.channels.get_mut(&channel).ok_or(Refusal("channel_not_found"))?;
    let message = found.messages.get(&ts).ok_or(Refusal("message_not_found"))?;
    if message["bot_id"] != shared.config.bot_id {
        return Err(Refusal("cant_delete_message"));
    }
    found.messages.remove(&ts);
    drop(world);
    record(shared, Sent::new(Act::Retract, &channel, &ts, ""), params);
    Ok(json!({"channel": channel, "ts": ts}))
}

/// The bot's reactions are kept in the message as Slack shows them.
pub(super) fn react(shared: &Shared, params: &Value, add: bool) -> Result<Value, Refusal> {
    let (channel, ts) = (string(params, "channel"), string(params, "timestamp"));
    let name = string(params, "name");
    if name.is_empty() {
        return Err(Refusal("invalid_name"));
    }
    let mut world = lock(&shared.world);
    let found = world.channels.get_mut(&channel).ok_or(Refusal("channel_not_found"))?;
    let message = found.messages.get_mut(&ts).ok_or(Refusal("message_not_found"))?;
    let mut reactions = message["reactions"].as_array().cloned().unwrap_or_default();
    let at = reactions.iter().position(|r| r["name"] == name);
    match (at, add) {
        (Some(_), true) => return Err(Refusal("already_reacted")),
        (None, false) => return Err(Refusal("no_reaction")),
        (None, true) => {
            let users = [&shared.config.bot_user_id];
            reactions.push(json!({"name": name, "count": 1, "users": users}));
        }
        (Some(at), false) => drop(reactions.remove(at)),
    }
    message["reactions"] = json!(reactions);
    drop(world);
    let emoji = if add { name.as_str() } else { "" };
    record(shared, Sent::new(Act::React, &channel, &ts, emoji), params);
    Ok(json!({}))
}

/// `POST response_url`: 5 uses in 30 minutes.
pub(super) async fn respond(
    State(shared): State<Arc<Shared>>,
    Path((team, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let params: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut world = lock(&shared.world);
    let Some(url) = world.response_urls.get_mut(&format!("{team}/{id}")) else {
        return refuse_response("no_such_url");
    };
    if unix_seconds() > url.expires_at {
        return refuse_response("expired_url");
    }
    if url.uses_left == 0 {
        return refuse_response("used_url");
    }
    url.uses_left -= 1;
    let channel = url.channel.clone();
    let ts = world.ts();
    drop(world);
    let text = string(&params, "text");
    record(&shared, Sent::new(Act::Answer, &channel, &ts, &text), &params);
    "ok".into_response()
}

fn refuse_response(error: &str) -> Response {
    (StatusCode::NOT_FOUND, axum::Json(json!({"ok": false, "error": error}))).into_response()
}

fn check_content(params: &Value, text: &str, blocks: Option<&Value>) -> Result<(), Refusal> {
    let blocks = match blocks {
        Some(Value::Array(blocks)) => blocks.len(),
        Some(_) => return Err(Refusal("invalid_blocks_format")),
        None => 0,
    };
    if blocks > MAX_BLOCKS {
        return Err(Refusal("invalid_blocks"));
    }
    if text.is_empty() && blocks == 0 && decoded(params, "attachments").is_none() {
        return Err(Refusal("no_text"));
    }
    Ok(())
}

fn cut(text: String) -> (String, bool) {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => (text.get(..at).unwrap_or_default().to_owned(), true),
        None => (text, false),
    }
}

fn string(params: &Value, name: &str) -> String {
    params[name].as_str().unwrap_or_default().to_owned()
}

/// An object or array, given as one or, in a form, as JSON text.
fn decoded(params: &Value, name: &str) -> Option<Value> {
    match &params[name] {
        Value::Null => None,
        Value::String(text) => Some(serde_json::from_str(text).unwrap_or_default()),
        other => Some(other.clone()),
    }
}

pub(super) fn record(shared: &Shared, mut sent: Sent, params: &Value) {
    sent.raw = params.clone();
    if let Some(raw) = sent.raw.as_object_mut() {
        raw.remove("token");
    }
    shared.records.show(sent);
}
