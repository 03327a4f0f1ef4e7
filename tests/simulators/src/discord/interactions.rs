//! Interactions: slash commands and buttons, given to the endpoint or to the gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::person::member_json;
use super::world::{Asked, Stage};
use super::{Channel, Shared, User, endpoint, gateway};
use crate::common::{Attempt, lock};

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
        Some(url) => Some(endpoint::ask(shared, &url, id, &token, &body).await),
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
