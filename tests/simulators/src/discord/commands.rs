//! Registering the application's commands.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::messages::payload;
use super::refusal::Refusal;
use super::world::World;
use crate::common::lock;

type Scope = Path<HashMap<String, String>>;

pub(super) async fn list(State(shared): State<Arc<Shared>>, Path(at): Scope) -> axum::Json<Value> {
    let world = lock(&shared.world);
    axum::Json(json!(world.commands.get(&scope(&at)).cloned().unwrap_or_default()))
}

/// Replaces all commands of the scope.
pub(super) async fn overwrite(
    State(shared): State<Arc<Shared>>,
    Path(at): Scope,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Value>, Refusal> {
    let params = payload(&headers, body).await;
    let Value::Array(given) = params else {
        return Err(Refusal::form("commands", "LIST_TYPE_CONVERT", "Must be an array."));
    };
    let mut world = lock(&shared.world);
    let made = given.iter().map(|c| registered(&mut world, c)).collect::<Result<Vec<_>, _>>()?;
    world.commands.insert(scope(&at), made.clone());
    Ok(axum::Json(json!(made)))
}

/// Adds a command, or replaces the one of its name (200 instead of 201).
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path(at): Scope,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<Value>), Refusal> {
    let params = payload(&headers, body).await;
    let mut world = lock(&shared.world);
    let made = registered(&mut world, &params)?;
    let commands = world.commands.entry(scope(&at)).or_default();
    let before = commands.len();
    commands.retain(|c| c["name"] != made["name"]);
    let status = if commands.len() < before { StatusCode::OK } else { StatusCode::CREATED };
    commands.push(made.clone());
    Ok((status, axum::Json(made)))
}

fn scope(at: &HashMap<String, String>) -> String {
    at.get("guild").cloned().unwrap_or_else(|| "global".to_owned())
}

/// A name of 1 to 32 characters without capitals or blanks; a description of 1 to 100.
fn registered(world: &mut World, given: &Value) -> Result<Value, Refusal> {
    let name = given["name"].as_str().unwrap_or_default();
    let description = given["description"].as_str().unwrap_or_default();
    let is_slash = given["type"].as_u64().unwrap_or(1) == 1;
    let fits =
        |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || matches!(c, '-' | '_' | '\'');
    if !(1..=32).contains(&name.chars().count()) || (is_slash && !name.chars().all(fits)) {
        return Err(Refusal::form(
            "name",
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid",
        ));
    }
    if is_slash && !(1..=100).contains(&description.chars().count()) {
        return Err(Refusal::form(
            "description",
            "BASE_TYPE_BAD_LENGTH",
            "Must be between 1 and 100 in length.",
        ));
    }
    let mut made = given.clone();
    made["id"] = json!(world.snowflake().to_string());
    made["application_id"] = json!(world.bot.id.to_string());
    made["version"] = json!(world.snowflake().to_string());
    made["type"] = json!(given["type"].as_u64().unwrap_or(1));
    for absent in ["default_member_permissions", "name_localizations", "description_localizations"]
    {
        if made[absent].is_null() {
            made[absent] = Value::Null;
        }
    }
    Ok(made)
}
