//! Interactions: slash commands and buttons, over HTTP with a signature or over the gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::messages::{apply, check, payload, sent, shown};
use super::person::member_json;
use super::refusal::Refusal;
use super::world::{Asked, Stage, message_of};
use super::{Channel, Shared, User, gateway, rest};
use crate::common::{Act, Attempt, Post, WebhookRefused, lock, signature, unix_seconds};

/// How long a token lives after the first answer.
pub(super) const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// An interaction somebody made.
#[derive(Clone, Debug)]
pub struct Interaction {
    /// Its id, the key of its [`crate::Attempt`].
    pub id: u64,
    /// Answers go to `/webhooks/{application}/{token}`.
    pub token: String,
    /// How the endpoint took it; absent when it went over the gateway.
    pub attempt: Option<Attempt>,
}

pub(super) fn command_data(shared: &Shared, name: &str, option: (&str, &str)) -> Value {
    let mut world = lock(&shared.world);
    let known = world.commands.values().flatten().find(|c| c["name"] == name);
    let id = known.map(|c| c["id"].clone());
    let id = id.unwrap_or_else(|| json!(world.snowflake().to_string()));
    json!({
        "id": id, "name": name, "type": 1,
        "options": [{"type": 3, "name": option.0, "value": option.1}],
    })
}

/// Makes an interaction and gives it to the endpoint, or to the gateway where none is set.
pub(super) async fn create(
    shared: &Arc<Shared>,
    channel: &Channel,
    user: &User,
    kind: u8,
    data: Value,
    message: Value,
) -> Interaction {
    let (id, token, body, endpoint) = {
        let mut world = lock(&shared.world);
        world.channels.entry(channel.id).or_insert_with(|| channel.clone());
        let (id, original) = (world.snowflake(), world.snowflake());
        let token = format!("aW50ZXJhY3Rpb246{id}.simulated-token");
        let asked = Asked {
            id,
            channel: channel.id,
            stage: Stage::Waiting,
            original,
            made_at: Instant::now(),
        };
        world.interactions.insert(&token, asked);
        let mut body = interaction_json(shared, channel, user, (id, &token));
        body["type"] = json!(kind);
        body["data"] = data;
        if !message.is_null() {
            body["message"] = message;
        }
        (id, token, body, world.endpoint.clone())
    };
    let attempt = match endpoint {
        None => {
            gateway::dispatch(shared, "INTERACTION_CREATE", &|_| Some(body.clone()));
            None
        }
        Some(url) => Some(ask(shared, &url, id, &token, &body).await),
    };
    Interaction { id, token, attempt }
}

fn interaction_json(
    shared: &Shared,
    channel: &Channel,
    user: &User,
    (id, token): (u64, &str),
) -> Value {
    let mut body = json!({
        "id": id.to_string(),
        "application_id": shared.config.application_id.to_string(),
        "token": token,
        "version": 1,
        "channel_id": channel.id.to_string(),
        "channel": channel.to_json(),
        "app_permissions": "2248473465835073",
        "locale": "en-US",
        "entitlements": [],
        "attachment_size_limit": 10_485_760,
    });
    if let Some(guild) = channel.guild {
        let mut member = member_json();
        member["user"] = user.to_json();
        member["permissions"] = json!("2248473465835073");
        body["member"] = member;
        body["guild_id"] = json!(guild.to_string());
        body["guild_locale"] = json!("en-US");
        body["guild"] = json!({"id": guild.to_string(), "locale": "en-US", "features": []});
        body["context"] = json!(0);
        body["authorizing_integration_owners"] = json!({"0": guild.to_string()});
    } else {
        body["user"] = user.to_json();
        body["context"] = json!(1);
        body["authorizing_integration_owners"] = json!({"0": "0"});
    }
    body
}

/// One POST with 3 s to answer: a response in the body, or a 2xx and the callback by REST.
async fn ask(shared: &Arc<Shared>, url: &str, id: u64, token: &str, body: &Value) -> Attempt {
    let post = signed(shared, url, body, true);
    let attempt = shared.poster.post(&id.to_string(), 1, post, shared.config.deadline).await;
    let answer = &attempt.answer;
    let accepted = match (attempt.status, answer["type"].as_u64()) {
        (Some(200), Some(_)) => respond(shared, token, answer).is_ok(),
        (Some(200..=299), None) => true,
        _ => false,
    };
    if !accepted {
        lock(&shared.world).expire(token);
    }
    attempt
}

/// Signed, or with one bit of the signature turned.
fn signed(shared: &Shared, url: &str, body: &Value, good: bool) -> Post {
    let body = Bytes::from(body.to_string());
    let timestamp = unix_seconds().to_string();
    let over = if good { body.clone() } else { [body.as_ref(), b" "].concat().into() };
    let signature = signature::discord(&shared.config.signing_seed, &timestamp, &over);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        "user-agent",
        HeaderValue::from_static("Discord-Interactions/1.0 (+https://discord.com)"),
    );
    for (name, value) in [("x-signature-ed25519", signature), ("x-signature-timestamp", timestamp)]
    {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Post { url: url.to_owned(), headers, body }
}

fn ping(shared: &Shared) -> Value {
    let mut world = lock(&shared.world);
    json!({
        "id": world.snowflake().to_string(),
        "application_id": shared.config.application_id.to_string(),
        "type": 1,
        "token": "simulated-ping",
        "version": 1,
        "entitlements": [],
        "user": world.bot.to_json(),
    })
}

/// PING must be answered with PONG, and a bad signature with 401.
pub(super) async fn set_endpoint(shared: &Arc<Shared>, url: &str) -> Result<(), WebhookRefused> {
    let ping = ping(shared);
    let timeout = shared.config.deadline;
    let good = shared.poster.post("ping", 1, signed(shared, url, &ping, true), timeout).await;
    if good.status != Some(200) || good.answer["type"] != 1 {
        return Err(WebhookRefused(format!("PING was answered with {:?}", good.status)));
    }
    let bad = shared.poster.post("probe", 1, signed(shared, url, &ping, false), timeout).await;
    if bad.status != Some(401) {
        return Err(WebhookRefused(format!("a bad signature was answered with {:?}", bad.status)));
    }
    lock(&shared.world).endpoint = Some(url.to_owned());
    Ok(())
}

pub(super) async fn probe(shared: &Arc<Shared>) -> Option<Attempt> {
    let url = lock(&shared.world).endpoint.clone()?;
    let post = signed(shared, &url, &ping(shared), false);
    Some(shared.poster.post("probe", 1, post, shared.config.deadline).await)
}

/// `PATCH /applications/@me` sets the endpoint too, with the same checks; null removes it.
pub(super) async fn edit_application(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Value>, Refusal> {
    let params = payload(&headers, body).await;
    match params.get("interactions_endpoint_url") {
        Some(Value::String(url)) => set_endpoint(&shared, url).await.map_err(|_| {
            Refusal::form(
                "interactions_endpoint_url",
                "APPLICATION_INTERACTIONS_ENDPOINT_URL_INVALID",
                "The specified interactions endpoint URL could not be verified.",
            )
        })?,
        Some(_) => lock(&shared.world).endpoint = None,
        None => {}
    }
    Ok(axum::Json(rest::application_json(&shared)))
}

#[derive(Deserialize)]
pub(super) struct WithResponse {
    #[serde(default)]
    with_response: bool,
}

/// The first answer by REST. 204, or the message with `with_response=true`.
pub(super) async fn callback(
    State(shared): State<Arc<Shared>>,
    Path((id, token)): Path<(u64, String)>,
    Query(query): Query<WithResponse>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let answer = payload(&headers, body).await;
    let known = lock(&shared.world).interactions.get(&token).is_some_and(|asked| asked.id == id);
    if !known {
        return Err(Refusal::unknown_interaction());
    }
    let message = respond(&shared, &token, &answer)?;
    if !query.with_response {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let kind = &answer["type"];
    let body = json!({
        "interaction": {"id": id.to_string(), "type": 2, "response_message_id": message["id"]},
        "resource": {"type": kind, "message": message},
    });
    Ok(axum::Json(body).into_response())
}

/// Takes the first answer of an interaction. Returns the message it made.
fn respond(shared: &Shared, token: &str, answer: &Value) -> Result<Value, Refusal> {
    let data = &answer["data"];
    let kind = answer["type"].as_u64().unwrap_or_default();
    if matches!(kind, 4 | 7) {
        check(data, kind == 4)?;
    }
    let mut world = lock(&shared.world);
    let bot = world.bot.clone();
    let asked = world.interactions.get_mut(token).ok_or_else(Refusal::unknown_interaction)?;
    match asked.stage {
        Stage::Waiting if asked.made_at.elapsed() <= shared.config.deadline => {}
        Stage::Waiting | Stage::Void => return Err(Refusal::unknown_interaction()),
        _ => return Err(Refusal::already_acknowledged()),
    }
    asked.stage = match kind {
        4 | 6 | 7 => Stage::Answered,
        5 => Stage::Deferred,
        1 | 8 | 9 => Stage::Done,
        _ => {
            return Err(Refusal::form("type", "BASE_TYPE_CHOICES", "Not a valid type."));
        }
    };
    let (channel, original) = (asked.channel, asked.original);
    if matches!(kind, 4 | 5) {
        let mut fields = shown(data);
        if kind == 5 {
            // LOADING: "Zaki is thinking…"
            fields["flags"] = json!(128 | data["flags"].as_u64().unwrap_or_default());
        }
        let message = message_of(original, channel, &bot, fields);
        world.put(channel, &message);
        drop(world);
        let act = if kind == 4 { Act::Answer } else { Act::Typing };
        shared.records.sent.push(sent(act, channel, original, data));
        return Ok(message);
    }
    if kind == 7 {
        let edited = apply(&mut world, channel, original, data);
        drop(world);
        shared.records.sent.push(sent(Act::Edit, channel, original, data));
        return edited.or(Ok(Value::Null));
    }
    Ok(Value::Null)
}
