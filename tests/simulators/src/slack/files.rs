//! Files people shared: `files.info`, and `url_private` for the bot's token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::refusal::Refusal;
use crate::common::lock;

pub(super) struct File {
    info: Value,
    mime_type: String,
    content: Vec<u8>,
}

/// Keeps a file. Returns its entry for `files`.
pub(super) fn put(shared: &Shared, name: &str, mime_type: &str, content: Vec<u8>) -> Value {
    let mut world = lock(&shared.world);
    let id = format!("F{:09}", world.unique());
    let url = format!("{}/files-pri/{}-{id}/{name}", shared.url, shared.config.team_id);
    let info = json!({
        "id": id, "name": name, "title": name, "mimetype": mime_type, "size": content.len(),
        "mode": "hosted", "is_external": false, "file_access": "visible",
        "url_private": url, "url_private_download": url,
    });
    let file = File { info: info.clone(), mime_type: mime_type.to_owned(), content };
    world.files.insert(id, file);
    info
}

pub(super) fn info(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let id = params["file"].as_str().unwrap_or_default();
    let world = lock(&shared.world);
    let file = world.files.get(id).ok_or(Refusal("file_not_found"))?;
    Ok(json!({"file": file.info}))
}

/// Without the token it is the way to the login page, not an error.
pub(super) async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path((key, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let bearer = format!("Bearer {}", shared.config.bot_token);
    if headers.get(AUTHORIZATION).is_none_or(|v| v.as_bytes() != bearer.as_bytes()) {
        return (StatusCode::FOUND, [(LOCATION, "/login")]).into_response();
    }
    let id = key.rsplit('-').next().unwrap_or_default();
    match lock(&shared.world).files.get(id) {
        Some(file) => {
            let kind = [(CONTENT_TYPE, file.mime_type.clone())];
            (kind, Body::from(file.content.clone())).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
