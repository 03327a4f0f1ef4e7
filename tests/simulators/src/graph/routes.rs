//! The routes of Graph, its names and its check of the token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use super::{Shared, messages};
use crate::common::{Dialect, Route, as_params, lock};

/// Names and refusals of Graph.
pub(super) struct GraphApi {
    pub(super) phone_number_id: String,
}

impl Dialect for GraphApi {
    fn route(&self, parts: &Parts, params: &Value) -> Route {
        let path = parts.uri.path().to_owned();
        let method = match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            ["lookaside", _] => "download",
            [_, _, "messages"] if params["status"] == "read" => "read",
            [_, _, "messages"] => "messages",
            [_, _, "media"] => "upload",
            [_, id] if *id == self.phone_number_id => "phone_number",
            [_, _] if parts.method == Method::GET => "media",
            _ => "other",
        };
        Route { method: method.to_owned(), path }
    }

    fn rate_limited(&self, _after: Duration) -> Response {
        Refusal::throughput().into_response()
    }

    fn broken(&self, status: StatusCode) -> Response {
        Refusal::server(status).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/lookaside/{id}", get(download))
        .route("/{version}/{id}/messages", post(send))
        .route("/{version}/{id}/media", post(upload))
        .route("/{version}/{id}", get(object))
        .fallback(unknown)
        .with_state(shared)
}

async fn unknown() -> Response {
    Refusal::parameter("Unknown path components").into_response()
}

/// What is posted to the number by whoever may.
async fn posted(
    shared: &Shared,
    (version, id): (&str, &str),
    request: Request,
) -> Result<Value, Refusal> {
    let (parts, body) = request.into_parts();
    authorise(shared, &parts.headers)?;
    if !is_version(version) || id != shared.config.phone_number_id {
        return Err(Refusal::no_such_object("post", id));
    }
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Ok(as_params(parts.uri.query(), &parts.headers, body).await)
}

async fn send(
    State(shared): State<Arc<Shared>>,
    Path((version, id)): Path<(String, String)>,
    request: Request,
) -> Result<axum::Json<Value>, Refusal> {
    let params = posted(&shared, (&version, &id), request).await?;
    messages::accept(&shared, &params).map(axum::Json)
}

/// A medium of the business, to be named in a message.
async fn upload(
    State(shared): State<Arc<Shared>>,
    Path((version, id)): Path<(String, String)>,
    request: Request,
) -> Result<axum::Json<Value>, Refusal> {
    let params = posted(&shared, (&version, &id), request).await?;
    if params["messaging_product"] != "whatsapp" || !params["file"].is_object() {
        return Err(Refusal::parameter("The parameter file is required."));
    }
    let mut world = lock(&shared.world);
    let id = format!("{}", 900_000_000 + world.next());
    let sha256 = params["file"]["sha256"].as_str().unwrap_or_default();
    world.uploads.insert(id.clone(), sha256.to_owned());
    Ok(axum::Json(json!({"id": id})))
}

/// A medium's URL, or the facts about the phone number.
async fn object(
    State(shared): State<Arc<Shared>>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<axum::Json<Value>, Refusal> {
    authorise(&shared, &headers)?;
    if is_version(&version) && id == shared.config.phone_number_id {
        return Ok(axum::Json(json!({
            "verified_name": "Zaki",
            "display_phone_number": shared.config.display_phone_number,
            "quality_rating": "GREEN",
            "id": id,
        })));
    }
    let world = lock(&shared.world);
    let media = world.media.get(&id).ok_or_else(|| Refusal::no_such_object("get", &id))?;
    Ok(axum::Json(json!({
        "messaging_product": "whatsapp",
        "url": format!("{}/lookaside/{id}", shared.url),
        "mime_type": media.mime_type,
        "sha256": hex::encode(Sha256::digest(&media.content)),
        "file_size": media.content.len(),
        "id": id,
    })))
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = authorise(&shared, &headers) {
        return refusal.into_response();
    }
    let world = lock(&shared.world);
    match world.media.get(&id) {
        Some(media) => {
            let kind = [(CONTENT_TYPE, media.mime_type.clone())];
            (kind, Body::from(media.content.clone())).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn authorise(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let header = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let Some(token) = header.and_then(|h| h.strip_prefix("Bearer ")) else {
        return Err(Refusal::token("An access token is required to request this resource."));
    };
    if token == shared.config.token {
        Ok(())
    } else {
        Err(Refusal::token("Invalid OAuth access token - Cannot parse access token"))
    }
}

fn is_version(version: &str) -> bool {
    version.strip_prefix('v').is_some_and(|v| v.parse::<f32>().is_ok())
}
