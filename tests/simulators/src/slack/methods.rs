//! The Web API: which methods there are, who may call them, what they answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::world::channel_json;
use super::{Shared, chat, files, history};
use crate::common::{Dialect, Route, as_params, lock};

/// Names and refusals of the Web API.
pub(super) struct WebApi;

impl Dialect for WebApi {
    fn route(&self, parts: &Parts, _params: &Value) -> Route {
        let path = parts.uri.path().to_owned();
        let method = match path.strip_prefix("/api/") {
            Some(method) => method.to_owned(),
            None if path.starts_with("/files-pri/") => "file".to_owned(),
            None if path.starts_with("/upload/") => "upload".to_owned(),
            None => "response_url".to_owned(),
        };
        Route { method, path }
    }

    fn rate_limited(&self, after: Duration) -> Response {
        let body = axum::Json(json!({"ok": false, "error": "ratelimited"}));
        let mut response = (StatusCode::TOO_MANY_REQUESTS, body).into_response();
        let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        response
    }

    fn broken(&self, status: StatusCode) -> Response {
        let error = match status {
            StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
            _ => "internal_error",
        };
        (status, axum::Json(json!({"ok": false, "error": error}))).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/{method}", any(answer))
        .route("/files-pri/{key}/{name}", get(files::fetch))
        .route("/upload/{id}", post(files::upload).layer(DefaultBodyLimit::disable()))
        .route("/response/{team}/{id}", post(chat::respond))
        .with_state(shared)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Body::empty().into_response();
    };
    let params = as_params(parts.uri.query(), &parts.headers, body).await;
    let result = authorise(&shared, &parts, &params).and_then(|()| call(&shared, &method, &params));
    match result {
        Ok(mut answer) => {
            answer["ok"] = json!(true);
            axum::Json(answer).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The token comes as a bearer, or as the parameter `token` of a form.
fn authorise(shared: &Shared, parts: &Parts, params: &Value) -> Result<(), Refusal> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let bearer = header.and_then(|h| h.strip_prefix("Bearer ")).map(str::trim);
    match bearer.or_else(|| params["token"].as_str()) {
        None | Some("") => Err(Refusal("not_authed")),
        Some(token) if token == shared.config.bot_token => Ok(()),
        Some(_) => Err(Refusal("invalid_auth")),
    }
}

fn call(shared: &Shared, method: &str, params: &Value) -> Result<Value, Refusal> {
    match method {
        "api.test" => Ok(json!({})),
        "auth.test" => Ok(auth_test(shared)),
        "chat.postMessage" => chat::post_message(shared, params),
        "chat.update" => chat::update(shared, params),
        "chat.delete" => chat::delete(shared, params),
        "reactions.add" => chat::react(shared, params, true),
        "reactions.remove" => chat::react(shared, params, false),
        "conversations.open" => open(shared, params),
        "conversations.info" => info(shared, params),
        "conversations.history" => history::history(shared, params),
        "conversations.replies" => history::replies(shared, params),
        "files.info" => files::info(shared, params),
        "files.getUploadURLExternal" => files::place(shared, params),
        "files.completeUploadExternal" => files::complete(shared, params),
        "users.info" => user(shared, params),
        _ => Err(Refusal("unknown_method")),
    }
}

fn auth_test(shared: &Shared) -> Value {
    let config = &shared.config;
    json!({
        "url": "https://zaki-sim.slack.com/",
        "team": "Zaki Sim",
        "user": config.bot_name,
        "team_id": config.team_id,
        "user_id": config.bot_user_id,
        "bot_id": config.bot_id,
        "is_enterprise_install": false,
    })
}

/// One user's private chat; several users' (`mpim`) is not simulated.
fn open(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let users = params["users"].as_str().unwrap_or_default();
    let mut world = lock(&shared.world);
    if users.is_empty() {
        return Err(Refusal("users_list_not_supplied"));
    }
    if !world.users.contains_key(users) {
        return Err(Refusal("user_not_found"));
    }
    let id = world.direct(users);
    Ok(json!({"channel": {"id": id}}))
}

fn info(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let id = params["channel"].as_str().unwrap_or_default();
    let world = lock(&shared.world);
    let channel = world.channels.get(id).ok_or(Refusal("channel_not_found"))?;
    Ok(json!({"channel": channel_json(id, channel)}))
}

fn user(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let id = params["user"].as_str().unwrap_or_default();
    let world = lock(&shared.world);
    let name = world.users.get(id).ok_or(Refusal("user_not_found"))?;
    Ok(json!({"user": {
        "id": id,
        "team_id": shared.config.team_id,
        "name": name,
        "real_name": name,
        "deleted": false,
        "is_bot": id == shared.config.bot_user_id,
        "profile": {"display_name": name, "real_name": name},
    }}))
}
