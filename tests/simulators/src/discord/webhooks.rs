//! What follows an interaction's first answer: `/webhooks/{application}/{token}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::interactions::TOKEN_LIFE;
use super::messages::{apply, check, payload, sent, shown};
use super::refusal::{At, Refusal};
use super::world::{Stage, World, id_of, key};
use crate::common::{Act, lock};

type Answer = Result<axum::Json<Value>, Refusal>;

/// A follow-up. After a deferred answer the first one takes the place of "thinking".
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    At((app, token)): At<(u64, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let params = payload(&headers, body).await;
    check(&params, true)?;
    let mut world = lock(&shared.world);
    let (channel, original, stage) = live(&shared, &world, app, &token)?;
    let message = if stage == Stage::Deferred {
        settle(&mut world, &token);
        unload(&mut world, channel, original);
        apply(&mut world, channel, original, &params)?
    } else {
        let bot = world.bot.clone();
        let message = world.new_message(channel, &bot, shown(&params));
        world.put(channel, &message);
        message
    };
    drop(world);
    shared.records.show(sent(Act::Answer, channel, id_of(&message), &params));
    Ok(axum::Json(message))
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    At((app, token, message)): At<(u64, String, String)>,
) -> Answer {
    let world = lock(&shared.world);
    let (channel, original, _) = live(&shared, &world, app, &token)?;
    match world.message_json(channel, target(&message, original)?) {
        Value::Null => Err(Refusal::unknown_message()),
        found => Ok(axum::Json(found)),
    }
}

pub(super) async fn edit(
    State(shared): State<Arc<Shared>>,
    At((app, token, message)): At<(u64, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let params = payload(&headers, body).await;
    check(&params, false)?;
    let mut world = lock(&shared.world);
    let (channel, original, stage) = live(&shared, &world, app, &token)?;
    let id = target(&message, original)?;
    if id == original && stage == Stage::Deferred {
        settle(&mut world, &token);
        unload(&mut world, channel, original);
    }
    let edited = apply(&mut world, channel, id, &params)?;
    drop(world);
    shared.records.show(sent(Act::Edit, channel, id, &params));
    Ok(axum::Json(edited))
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    At((app, token, message)): At<(u64, String, String)>,
) -> Result<StatusCode, Refusal> {
    let mut world = lock(&shared.world);
    let (channel, original, _) = live(&shared, &world, app, &token)?;
    let id = target(&message, original)?;
    world.messages.remove(&key(channel, id)).ok_or_else(Refusal::unknown_message)?;
    drop(world);
    shared.records.show(sent(Act::Retract, channel, id, &Value::Null));
    Ok(StatusCode::NO_CONTENT)
}

/// Channel, `@original` and stage of a token that may still be used.
fn live(
    shared: &Shared,
    world: &World,
    app: u64,
    token: &str,
) -> Result<(u64, u64, Stage), Refusal> {
    let asked = world.interactions.get(token).ok_or_else(Refusal::bad_webhook_token)?;
    if app != shared.config.application_id
        || asked.stage == Stage::Void
        || asked.made_at.elapsed() > TOKEN_LIFE
    {
        return Err(Refusal::bad_webhook_token());
    }
    if asked.stage == Stage::Waiting {
        return Err(Refusal::unknown_interaction());
    }
    Ok((asked.channel, asked.original, asked.stage))
}

fn target(message: &str, original: u64) -> Result<u64, Refusal> {
    match message {
        "@original" => Ok(original),
        id => id.parse().map_err(|_| Refusal::unknown_message()),
    }
}

fn settle(world: &mut World, token: &str) {
    if let Some(asked) = world.interactions.get_mut(token) {
        asked.stage = Stage::Answered;
    }
}

/// Takes LOADING off.
fn unload(world: &mut World, channel: u64, message: u64) {
    if let Some(stored) = world.messages.get_mut(&key(channel, message)) {
        stored["flags"] = json!(stored["flags"].as_u64().unwrap_or_default() & !128);
    }
}
