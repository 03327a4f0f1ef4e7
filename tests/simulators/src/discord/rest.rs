//! The routes of the REST API, who may call them, and the names calls are recorded under:
//! `get_gateway`, `get_current_user`, `get_application`, `create_dm`, `create_message`,
//! `get_message`, `edit_message`, `delete_message`, `typing`, `create_reaction`,
//! `delete_reaction`, `interaction_callback`, `create_followup`, `get_original`, `edit_original`,
//! `delete_original`, `get_followup`, `edit_followup`, `delete_followup`, `get_commands`,
//! `put_commands`, `create_command`, `fetch_attachment`; `other` for everything else.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::refusal::{Refusal, bucket, rate_limited};
use super::{Shared, callback, commands, endpoint, files, gateway, messages, webhooks};
use crate::common::{Dialect, Route, lock};

/// Names and refusals of the REST API.
pub(super) struct Rest;

impl Dialect for Rest {
    fn route(&self, parts: &Parts, _params: &Value) -> Route {
        let path = parts.uri.path().to_owned();
        Route { method: name(&parts.method, &path).to_owned(), path }
    }

    fn rate_limited(&self, after: Duration) -> Response {
        rate_limited(after)
    }

    fn broken(&self, status: StatusCode) -> Response {
        Refusal::server(status).into_response()
    }
}

fn name(verb: &Method, path: &str) -> &'static str {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).skip(2).collect();
    match (verb.as_str(), segments.as_slice()) {
        ("GET", ["gateway", ..]) => "get_gateway",
        ("GET", ["users", "@me"]) => "get_current_user",
        ("GET", ["applications" | "oauth2", .., "@me"]) => "get_application",
        ("POST", ["users", "@me", "channels"]) => "create_dm",
        ("POST", ["channels", _, "messages"]) => "create_message",
        ("GET", ["channels", _, "messages", _]) => "get_message",
        ("PATCH", ["channels", _, "messages", _]) => "edit_message",
        ("DELETE", ["channels", _, "messages", _]) => "delete_message",
        ("POST", ["channels", _, "typing"]) => "typing",
        ("PUT", ["channels", _, "messages", _, "reactions", ..]) => "create_reaction",
        ("DELETE", ["channels", _, "messages", _, "reactions", ..]) => "delete_reaction",
        ("POST", ["interactions", _, _, "callback"]) => "interaction_callback",
        ("POST", ["webhooks", _, _]) => "create_followup",
        ("GET", ["webhooks", _, _, "messages", "@original"]) => "get_original",
        ("PATCH", ["webhooks", _, _, "messages", "@original"]) => "edit_original",
        ("DELETE", ["webhooks", _, _, "messages", "@original"]) => "delete_original",
        ("GET", ["webhooks", _, _, "messages", _]) => "get_followup",
        ("PATCH", ["webhooks", _, _, "messages", _]) => "edit_followup",
        ("DELETE", ["webhooks", _, _, "messages", _]) => "delete_followup",
        ("GET", ["applications", .., "commands"]) => "get_commands",
        ("PUT", ["applications", .., "commands"]) => "put_commands",
        ("POST", ["applications", .., "commands"]) => "create_command",
        _ if path.starts_with("/attachments/") => "fetch_attachment",
        _ => "other",
    }
}

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let commands = get(commands::list).put(commands::overwrite).post(commands::create);
    let as_bot = Router::new()
        .route("/gateway/bot", get(gateway_bot))
        .route("/users/@me", get(current_user))
        .route("/users/@me/channels", post(messages::create_dm))
        .route("/applications/@me", get(application).patch(endpoint::edit_application))
        .route("/oauth2/applications/@me", get(application))
        .route("/applications/{app}/commands", commands.clone())
        .route("/applications/{app}/guilds/{guild}/commands", commands)
        .route("/channels/{channel}", get(messages::channel))
        .route("/channels/{channel}/messages", post(messages::create))
        .route(
            "/channels/{channel}/messages/{message}",
            get(messages::get).patch(messages::edit).delete(messages::delete),
        )
        .route("/channels/{channel}/typing", post(messages::typing))
        .route(
            "/channels/{channel}/messages/{message}/reactions/{emoji}/@me",
            put(messages::react).delete(messages::unreact),
        )
        .layer(from_fn_with_state(Arc::clone(shared), bot_only));
    // These carry their right in the path.
    let by_token = Router::new()
        .route("/gateway", get(gateway_url))
        .route("/interactions/{id}/{token}/callback", post(callback::callback))
        .route("/webhooks/{app}/{token}", post(webhooks::create))
        .route(
            "/webhooks/{app}/{token}/messages/{message}",
            get(webhooks::get).patch(webhooks::edit).delete(webhooks::delete),
        );
    let api = as_bot
        .merge(by_token)
        .fallback(|| async { Refusal::not_found() })
        .layer(from_fn_with_state(Arc::clone(shared), polite));
    Router::new()
        .nest("/api/v10", api)
        .route("/attachments/{id}/{name}", get(files::fetch))
        // Files of up to 10 MiB come with a message.
        .layer(DefaultBodyLimit::disable())
        .merge(gateway::router())
        .with_state(Arc::clone(shared))
}

/// A valid `User-Agent` in, the bucket's headers out.
async fn polite(State(_): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let agent = text(request.headers(), USER_AGENT);
    if !agent.starts_with("DiscordBot (") {
        return Refusal::bad_user_agent().into_response();
    }
    let name = name(request.method(), &format!("/api/v10{}", request.uri().path()));
    let mut response = next.run(request).await;
    bucket(response.headers_mut(), name, 49, Duration::from_secs(1));
    response
}

async fn bot_only(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let given = text(request.headers(), AUTHORIZATION);
    if given.strip_prefix("Bot ") == Some(&shared.config.token) {
        next.run(request).await
    } else {
        Refusal::unauthorized().into_response()
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> &str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

async fn gateway_url(State(shared): State<Arc<Shared>>) -> axum::Json<Value> {
    axum::Json(json!({"url": gateway::url(&shared.url)}))
}

async fn gateway_bot(State(shared): State<Arc<Shared>>) -> axum::Json<Value> {
    let used = lock(&shared.world).identifies;
    axum::Json(json!({
        "url": gateway::url(&shared.url),
        "shards": 1,
        "session_start_limit": {
            "total": 1000, "remaining": 1000_u32.saturating_sub(used),
            "reset_after": 86_400_000, "max_concurrency": 1,
        },
    }))
}

async fn current_user(State(shared): State<Arc<Shared>>) -> axum::Json<Value> {
    let mut user = lock(&shared.world).bot.to_json();
    user["mfa_enabled"] = json!(false);
    user["verified"] = json!(true);
    user["email"] = Value::Null;
    user["flags"] = json!(0);
    axum::Json(user)
}

async fn application(State(shared): State<Arc<Shared>>) -> axum::Json<Value> {
    axum::Json(application_json(&shared))
}

pub(super) fn application_json(shared: &Shared) -> Value {
    let world = lock(&shared.world);
    json!({
        "id": shared.config.application_id.to_string(),
        "name": "Zaki",
        "icon": null,
        "description": "",
        "summary": "",
        "bot_public": false,
        "bot_require_code_grant": false,
        "verify_key": crate::common::signature::discord_public_key(&shared.config.signing_seed),
        "interactions_endpoint_url": world.endpoint,
        "bot": world.bot.to_json(),
        "flags": 0,
        "rpc_origins": [],
        "redirect_uris": [],
        "team": null,
    })
}
