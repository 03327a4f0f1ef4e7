//! Messages of a channel, typing, reactions, private channels.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::person::User;
use super::refusal::{At, Refusal};
use super::world::{World, id_of, key, timestamp};
use crate::common::{Act, Sent, as_params, lock};

/// Longest content, in Unicode code points.
const MAX_CONTENT: usize = 2000;
/// Longest nonce.
const MAX_NONCE: usize = 25;

type Answer = Result<axum::Json<Value>, Refusal>;

/// JSON, or the `payload_json` of a form with files.
pub(super) async fn payload(headers: &HeaderMap, body: Bytes) -> Value {
    let params = as_params(None, headers, body).await;
    match params["payload_json"].as_str() {
        Some(json) => {
            let mut payload: Value = serde_json::from_str(json).unwrap_or_default();
            let files = (0..10).map(|n| &params[format!("files[{n}]")]);
            let files: Vec<&Value> = files.filter(|file| file.is_object()).collect();
            payload["files"] = json!(files);
            payload
        }
        None => params,
    }
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    At(channel): At<u64>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let params = payload(&headers, body).await;
    check(&params, true)?;
    let nonce = nonce(&params)?;
    let mut world = lock(&shared.world);
    if !world.channels.contains_key(&channel) {
        return Err(Refusal::unknown_channel());
    }
    let nonce_key = nonce.as_ref().map(|n| format!("{channel}/{n}"));
    if let Some(message) = sent_before(&world, &params, channel, nonce_key.as_deref()) {
        return Ok(axum::Json(message));
    }
    let reply_to = referenced(&world, channel, &params)?;
    let bot = world.bot.clone();
    let mut fields = shown(&params);
    fields["nonce"] = params["nonce"].clone();
    if let Some((id, message)) = &reply_to {
        fields["type"] = json!(19);
        fields["message_reference"] =
            json!({"type": 0, "message_id": id.to_string(), "channel_id": channel.to_string()});
        fields["referenced_message"] = message.clone();
    }
    let message = world.new_message(channel, &bot, fields);
    world.put(channel, &message);
    if let Some(nonce_key) = nonce_key {
        world.nonces.insert(&nonce_key, (id_of(&message), std::time::Instant::now()));
    }
    let mut sent = sent(Act::Post, channel, id_of(&message), &params);
    sent.reply_to = reply_to.map(|(id, _)| id.to_string());
    shared.records.show(sent);
    // Only now, so that the record has the messages in their order.
    drop(world);
    Ok(axum::Json(message))
}

/// With `enforce_nonce` the earlier message of the same nonce is the answer.
fn sent_before(
    world: &World,
    params: &Value,
    channel: u64,
    nonce_key: Option<&str>,
) -> Option<Value> {
    if params["enforce_nonce"] != true {
        return None;
    }
    let (earlier, made_at) = world.nonces.get(nonce_key?)?;
    (made_at.elapsed() < world.nonce_lives).then(|| world.message_json(channel, *earlier))
}

fn nonce(params: &Value) -> Result<Option<String>, Refusal> {
    let nonce = match &params["nonce"] {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if nonce.chars().count() > MAX_NONCE {
        return Err(Refusal::too_long("nonce", MAX_NONCE));
    }
    Ok(Some(nonce))
}

fn referenced(
    world: &World,
    channel: u64,
    params: &Value,
) -> Result<Option<(u64, Value)>, Refusal> {
    let reference = &params["message_reference"];
    let Some(id) = snowflake(&reference["message_id"]) else {
        return Ok(None);
    };
    match world.message_json(channel, id) {
        Value::Null if reference["fail_if_not_exists"] == false => Ok(None),
        Value::Null => Err(Refusal::form(
            "message_reference",
            "MESSAGE_REFERENCE_UNKNOWN_MESSAGE",
            "Unknown message",
        )),
        message => Ok(Some((id, message))),
    }
}

fn snowflake(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Content at most 2000 code points; something to show, unless it is an edit.
pub(super) fn check(params: &Value, must_show: bool) -> Result<(), Refusal> {
    let content = params["content"].as_str().unwrap_or_default();
    if content.chars().count() > MAX_CONTENT {
        return Err(Refusal::too_long("content", MAX_CONTENT));
    }
    let filled = |name: &str| params[name].as_array().is_some_and(|a| !a.is_empty());
    let others = ["embeds", "components", "attachments", "files", "sticker_ids"];
    let shows = !content.trim().is_empty() || others.iter().any(|o| filled(o));
    if must_show && !shows && !params["poll"].is_object() {
        return Err(Refusal::empty_message());
    }
    Ok(())
}

/// The parameters that are seen in the message.
pub(super) fn shown(params: &Value) -> Value {
    json!({
        "content": params["content"],
        "embeds": params["embeds"],
        "components": params["components"],
        "flags": params["flags"],
        "tts": params["tts"],
    })
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    At((channel, message)): At<(u64, u64)>,
) -> Answer {
    let world = lock(&shared.world);
    let found = world.messages.get(&key(channel, message));
    found.cloned().map(axum::Json).ok_or_else(Refusal::unknown_message)
}

pub(super) async fn edit(
    State(shared): State<Arc<Shared>>,
    At((channel, message)): At<(u64, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let params = payload(&headers, body).await;
    check(&params, false)?;
    let edited = apply(&mut lock(&shared.world), channel, message, &params)?;
    shared.records.show(sent(Act::Edit, channel, message, &params));
    Ok(axum::Json(edited))
}

/// Puts the parameters into one of the bot's messages.
pub(super) fn apply(
    world: &mut World,
    channel: u64,
    message: u64,
    params: &Value,
) -> Result<Value, Refusal> {
    let bot = world.bot.id.to_string();
    let stored =
        world.messages.get_mut(&key(channel, message)).ok_or_else(Refusal::unknown_message)?;
    if stored["author"]["id"] != bot {
        return Err(Refusal::not_the_author());
    }
    let Value::Object(changes) = shown(params) else {
        return Err(Refusal::unknown_message());
    };
    for (name, value) in changes.into_iter().filter(|(_, v)| !v.is_null()) {
        stored[name] = value;
    }
    stored["edited_timestamp"] = json!(timestamp());
    Ok(stored.clone())
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    At((channel, message)): At<(u64, u64)>,
) -> Result<StatusCode, Refusal> {
    let removed = lock(&shared.world).messages.remove(&key(channel, message));
    removed.ok_or_else(Refusal::unknown_message)?;
    shared.records.show(sent(Act::Retract, channel, message, &Value::Null));
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn typing(
    State(shared): State<Arc<Shared>>,
    At(channel): At<u64>,
) -> Result<StatusCode, Refusal> {
    if !lock(&shared.world).channels.contains_key(&channel) {
        return Err(Refusal::unknown_channel());
    }
    shared.records.show(Sent::new(Act::Typing, &channel.to_string(), "", ""));
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn react(
    State(shared): State<Arc<Shared>>,
    At((channel, message, emoji)): At<(u64, u64, String)>,
) -> Result<StatusCode, Refusal> {
    reaction(&shared, (channel, message), &emoji, true)
}

pub(super) async fn unreact(
    State(shared): State<Arc<Shared>>,
    At((channel, message, emoji)): At<(u64, u64, String)>,
) -> Result<StatusCode, Refusal> {
    reaction(&shared, (channel, message), &emoji, false)
}

/// The bot's own reaction, shown in the message. Setting or removing it twice changes nothing.
fn reaction(
    shared: &Shared,
    (channel, message): (u64, u64),
    emoji: &str,
    set: bool,
) -> Result<StatusCode, Refusal> {
    let mut world = lock(&shared.world);
    let stored = world.messages.get_mut(&key(channel, message));
    let stored = stored.ok_or_else(Refusal::unknown_message)?;
    let (name, id) = emoji.split_once(':').map_or((emoji, None), |(name, id)| (name, Some(id)));
    let shown = json!({
        "emoji": {"id": id, "name": name}, "count": 1, "me": true, "me_burst": false,
        "count_details": {"normal": 1, "burst": 0}, "burst_colors": [],
    });
    let mut reactions = stored["reactions"].as_array().cloned().unwrap_or_default();
    reactions.retain(|reaction| reaction["emoji"] != shown["emoji"]);
    if set {
        reactions.push(shown);
    }
    stored["reactions"] = json!(reactions);
    drop(world);
    let (channel, message) = (channel.to_string(), message.to_string());
    let text = if set { emoji } else { "" };
    shared.records.show(Sent::new(Act::React, &channel, &message, text));
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn channel(State(shared): State<Arc<Shared>>, At(id): At<u64>) -> Answer {
    let world = lock(&shared.world);
    let channel = world.channels.get(&id).ok_or_else(Refusal::unknown_channel)?;
    Ok(axum::Json(channel.to_json()))
}

/// Opens the private channel with somebody; they exist once asked for.
pub(super) async fn create_dm(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let params = payload(&headers, body).await;
    let user = snowflake(&params["recipient_id"]).ok_or_else(Refusal::unknown_user)?;
    let channel = lock(&shared.world).direct(&User::new(user, "somebody"));
    Ok(axum::Json(channel.to_json()))
}

pub(super) fn sent(act: Act, channel: u64, message: u64, params: &Value) -> Sent {
    let text = params["content"].as_str().unwrap_or_default();
    let mut sent = Sent::new(act, &channel.to_string(), &message.to_string(), text);
    let files = params["files"].as_array().into_iter().flatten();
    sent.files = files.filter_map(|file| file["sha256"].as_str().map(str::to_owned)).collect();
    sent.raw = params.clone();
    sent
}
