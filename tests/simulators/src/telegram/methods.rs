//! The methods: which there are, how they are called, what they answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::params::{boolean, decoded, int, string};
use super::refusal::Refusal;
use super::{Shared, send, updates};
use crate::common::{Dialect, Route, as_params, lock};

/// Names and refusals of the Bot API.
pub(super) struct BotApi;

impl Dialect for BotApi {
    /// `/bot<token>/sendMessage` is recorded as `/sendMessage`.
    fn route(&self, parts: &Parts, _params: &Value) -> Route {
        let path = parts.uri.path();
        let is_file = path.starts_with("/file/");
        let method = path.rsplit('/').next().unwrap_or_default();
        let method = if is_file { "file" } else { method };
        Route { method: method.to_owned(), path: format!("/{method}") }
    }

    fn rate_limited(&self, after: Duration) -> Response {
        let seconds = after.as_millis().div_ceil(1000).max(1);
        let description = format!("Too Many Requests: retry after {seconds}");
        let body = json!({
            "ok": false, "error_code": 429, "description": description,
            "parameters": {"retry_after": u64::try_from(seconds).unwrap_or(u64::MAX)},
        });
        let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
        if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(http::header::RETRY_AFTER, value);
        }
        response
    }

    fn broken(&self, status: StatusCode) -> Response {
        let why = status.canonical_reason().unwrap_or("Internal Server Error");
        Refusal::other(status.as_u16(), why).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/file/{bot}/{*path}", get(download))
        .route("/{bot}/{method}", any(answer))
        .with_state(shared)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path((bot, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    if let Err(refusal) = authorise(&shared, &bot) {
        return refusal.into_response();
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let params = as_params(parts.uri.query(), &parts.headers, body).await;
    let result = match method.to_lowercase().as_str() {
        "getupdates" => {
            let limit = usize::try_from(int(&params, "limit").unwrap_or(100)).unwrap_or(100);
            let timeout = u64::try_from(int(&params, "timeout").unwrap_or(0)).unwrap_or(0);
            allow(&shared, &params);
            updates::get_updates(&shared, int(&params, "offset").unwrap_or(0), limit, timeout).await
        }
        "setwebhook" => set_webhook(&shared, &params),
        "deletewebhook" => {
            drop_pending(&shared, &params);
            updates::set_webhook(&shared, "", None, 40);
            Ok(json!(true))
        }
        method => call(&shared, method, &params),
    };
    match result {
        Ok(result) => axum::Json(json!({"ok": true, "result": result})).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn authorise(shared: &Shared, bot: &str) -> Result<(), Refusal> {
    let token = bot.strip_prefix("bot").ok_or_else(|| Refusal::other(404, "Not Found"))?;
    let (id, key) = token.split_once(':').unwrap_or((token, ""));
    if id.parse::<u64>().is_err() || key.is_empty() {
        return Err(Refusal::other(401, "Unauthorized: invalid token specified"));
    }
    if token == shared.config.token { Ok(()) } else { Err(Refusal::other(401, "Unauthorized")) }
}

/// Every method that answers at once; `method` is in lower case.
pub(super) fn call(shared: &Shared, method: &str, params: &Value) -> Result<Value, Refusal> {
    match method {
        "getme" => Ok(get_me(shared)),
        "getwebhookinfo" => Ok(webhook_info(shared)),
        "sendmessage" => send::send_message(shared, params),
        "sendphoto" => send::send_file(shared, params, "photo"),
        "senddocument" => send::send_file(shared, params, "document"),
        "sendanimation" => send::send_file(shared, params, "animation"),
        "sendvideo" => send::send_file(shared, params, "video"),
        "sendaudio" => send::send_file(shared, params, "audio"),
        "sendvoice" => send::send_file(shared, params, "voice"),
        "editmessagetext" => send::edit_message_text(shared, params),
        "deletemessage" => send::delete_message(shared, params),
        "sendchataction" => send::send_chat_action(shared, params),
        "answercallbackquery" => send::answer_callback_query(shared, params),
        "setmessagereaction" => send::set_message_reaction(shared, params),
        "getfile" => get_file(shared, params),
        "setmycommands" => {
            let commands = decoded(params, "commands")
                .ok_or_else(|| Refusal::bad_request("parameter \"commands\" is required"))?;
            lock(&shared.world).commands = commands;
            Ok(json!(true))
        }
        "getmycommands" => Ok(lock(&shared.world).commands.clone()),
        "deletemycommands" => {
            lock(&shared.world).commands = json!([]);
            Ok(json!(true))
        }
        _ => Err(Refusal::other(404, "Not Found: method not found")),
    }
}

/// All the flags of Bot API 10: clients insist on some of them.
fn get_me(shared: &Shared) -> Value {
    let mut me = lock(&shared.world).bot.to_json();
    super::world::merge(
        &mut me,
        json!({
            "can_join_groups": true,
            "can_read_all_group_messages": false,
            "supports_inline_queries": false,
            "can_connect_to_business": false,
            "has_main_web_app": false,
            "has_topics_enabled": false,
            "allows_users_to_create_topics": false,
            "can_manage_bots": false,
        }),
    );
    me
}

fn set_webhook(shared: &Arc<Shared>, params: &Value) -> Result<Value, Refusal> {
    let url = string(params, "url");
    if !url.is_empty() && !url.starts_with("http://127.0.0.1") && !url.starts_with("https://") {
        return Err(Refusal::bad_request("bad webhook: An HTTPS URL must be provided for webhook"));
    }
    let secret = string(params, "secret_token");
    if secret.len() > 256 {
        return Err(Refusal::bad_request("secret token is too long"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !secret.chars().all(allowed) {
        return Err(Refusal::bad_request("secret token contains illegal characters"));
    }
    allow(shared, params);
    drop_pending(shared, params);
    let connections = usize::try_from(int(params, "max_connections").unwrap_or(40)).unwrap_or(40);
    updates::set_webhook(shared, &url, (!secret.is_empty()).then_some(secret), connections);
    Ok(json!(true))
}

fn allow(shared: &Shared, params: &Value) {
    if let Some(kinds) = decoded(params, "allowed_updates")
        .and_then(|kinds| serde_json::from_value::<Vec<String>>(kinds).ok())
    {
        lock(&shared.world).allowed_updates = Some(kinds);
    }
}

fn drop_pending(shared: &Shared, params: &Value) {
    if boolean(params, "drop_pending_updates") {
        lock(&shared.world).pending.clear();
    }
}

fn webhook_info(shared: &Shared) -> Value {
    let world = lock(&shared.world);
    let mut info = json!({
        "url": world.webhook.as_ref().map_or("", |w| w.url.as_str()),
        "has_custom_certificate": false,
        "pending_update_count": world.pending.len(),
    });
    if let Some(webhook) = &world.webhook {
        info["max_connections"] = json!(webhook.max_connections);
        info["ip_address"] = json!("127.0.0.1");
        if let Some((at, why)) = &webhook.last_error {
            info["last_error_date"] = json!(at);
            info["last_error_message"] = json!(why);
        }
    }
    if let Some(kinds) = &world.allowed_updates {
        info["allowed_updates"] = json!(kinds);
    }
    info
}

fn get_file(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let id = string(params, "file_id");
    let world = lock(&shared.world);
    let file = world.files.get(&id).ok_or_else(|| {
        Refusal::bad_request("wrong file_id or the file is temporarily unavailable")
    })?;
    Ok(json!({
        "file_id": id, "file_unique_id": format!("u{id}"),
        "file_size": file.content.len(), "file_path": file.path,
    }))
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path((bot, path)): Path<(String, String)>,
) -> Response {
    if let Err(refusal) = authorise(&shared, &bot) {
        return refusal.into_response();
    }
    let world = lock(&shared.world);
    match world.files.values().find(|file| file.path == path) {
        Some(file) => Body::from(file.content.clone()).into_response(),
        None => Refusal::other(404, "Not Found").into_response(),
    }
}
