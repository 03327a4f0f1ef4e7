//! The Interactions Endpoint URL: signed POSTs, the PING handshake, bad signatures on purpose.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::callback::respond;
use super::messages::payload;
use super::refusal::Refusal;
use super::{Shared, rest};
use crate::common::{Attempt, Post, WebhookRefused, lock, signature, unix_seconds};

/// One POST with 3 s to answer: a response in the body, or a 2xx and the callback by REST.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    url: &str,
    id: u64,
    token: &str,
    body: &Value,
) -> Attempt {
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
pub(super) async fn set(shared: &Arc<Shared>, url: &str) -> Result<(), WebhookRefused> {
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
        Some(Value::String(url)) => set(&shared, url).await.map_err(|_| {
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
