//! Attachments: signed links of Discord's CDN, which go stale.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::Shared;
use crate::common::{lock, unix_seconds};

/// How long a link is good.
const LIFE: u64 = 24 * 60 * 60;

pub(super) struct File {
    name: String,
    mime_type: String,
    content: Vec<u8>,
}

/// Keeps a file. Returns its entry for `attachments`.
pub(super) fn put(shared: &Shared, name: &str, mime_type: &str, content: Vec<u8>) -> Value {
    let mut world = lock(&shared.world);
    let id = world.snowflake().to_string();
    let size = content.len();
    let (name, mime_type) = (name.to_owned(), mime_type.to_owned());
    let (now, then) = (unix_seconds(), unix_seconds() + LIFE);
    let url = format!("{}/attachments/{id}/{name}?ex={then:x}&is={now:x}&hm=51", shared.url);
    let attachment = json!({
        "id": id, "filename": name, "size": size, "content_type": mime_type,
        "url": url, "proxy_url": url,
    });
    world.files.insert(id, File { name, mime_type, content });
    attachment
}

/// Anybody who has the link may fetch it until it is stale.
pub(super) async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path((id, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let expires = query.get("ex").and_then(|ex| u64::from_str_radix(ex, 16).ok());
    let is_fresh = expires.is_some_and(|expires| unix_seconds() < expires);
    let world = lock(&shared.world);
    match world.files.get(&id) {
        Some(file) if is_fresh && file.name == name => {
            let kind = [(CONTENT_TYPE, file.mime_type.clone())];
            (kind, Body::from(file.content.clone())).into_response()
        }
        _ => (StatusCode::NOT_FOUND, "This content is no longer available.").into_response(),
    }
}
