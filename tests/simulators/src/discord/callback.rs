//! The first answer to an interaction, in the endpoint's response or by REST.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::messages::{apply, check, payload, sent, shown};
use super::refusal::{At, Refusal};
use super::world::{Stage, message_of};
use crate::common::{Act, lock};

#[derive(Deserialize)]
pub(super) struct WithResponse {
    #[serde(default)]
    with_response: bool,
}

/// The first answer by REST. 204, or the message with `with_response=true`.
pub(super) async fn callback(
    State(shared): State<Arc<Shared>>,
    At((id, token)): At<(u64, String)>,
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
pub(super) fn respond(shared: &Shared, token: &str, answer: &Value) -> Result<Value, Refusal> {
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
        shared.records.show(sent(act, channel, original, data));
        return Ok(message);
    }
    if kind == 7 {
        let edited = apply(&mut world, channel, original, data);
        drop(world);
        shared.records.show(sent(Act::Edit, channel, original, data));
        return edited.or(Ok(Value::Null));
    }
    Ok(Value::Null)
}
