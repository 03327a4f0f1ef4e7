//! Files people shared: `files.info`, and `url_private` for the bot's token; and files the bot
//! shares, in three steps.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Shared;
use super::chat;
use super::refusal::Refusal;
use crate::common::{Act, Sent, lock};

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

/// The first step: where to bring the bytes.
pub(super) fn place(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let text = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
    if text("filename").is_empty() || text("length").parse::<u64>().is_err() {
        return Err(Refusal("invalid_arguments"));
    }
    let mut world = lock(&shared.world);
    let id = format!("F{:09}", world.unique());
    world.uploads.insert(id.clone(), (text("length").parse().unwrap_or(0), None));
    Ok(json!({"file_id": id, "upload_url": format!("{}/upload/{id}", shared.url)}))
}

/// The second: the bytes, as many as were announced.
pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let mut world = lock(&shared.world);
    match world.uploads.get_mut(&id) {
        Some((length, sha256)) if *length == body.len() as u64 => {
            *sha256 = Some(hex::encode(Sha256::digest(&body)));
            format!("OK - {length}").into_response()
        }
        Some(_) => StatusCode::BAD_REQUEST.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The third: people see it.
pub(super) fn complete(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let files = &params["files"];
    let parsed = files.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let files = parsed.as_ref().unwrap_or(files).as_array().cloned().unwrap_or_default();
    let channel = params["channel_id"].as_str().unwrap_or_default();
    let mut world = lock(&shared.world);
    if !world.channels.contains_key(channel) {
        return Err(Refusal("channel_not_found"));
    }
    let hashes: Option<Vec<String>> =
        files.iter().map(|file| world.uploads.get(file["id"].as_str()?)?.1.clone()).collect();
    let hashes = hashes.filter(|all| !all.is_empty()).ok_or(Refusal("file_not_found"))?;
    let ts = world.ts();
    let mut sent = Sent::new(Act::Post, channel, &ts, "");
    sent.thread = params["thread_ts"].as_str().map(str::to_owned);
    sent.files = hashes;
    chat::record(shared, sent, params);
    drop(world);
    Ok(json!({"files": files}))
}
