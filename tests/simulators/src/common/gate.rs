//! What stands before every API: records each call and lets faults happen to it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use serde_json::{Value, json};

use super::desk::{Call, Records};
use super::server::HangUp;
use super::{Fault, as_params};

/// The largest request taken (Telegram's and Discord's uploads are below it).
const MAX_REQUEST: usize = 60 * 1024 * 1024;
/// A body above this is recorded by its size only.
const MAX_RECORDED: usize = 256 * 1024;

/// A call by name, and the path to record.
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
}

/// How one platform names its calls and words its refusals.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// `params` is what the call will be recorded with.
    fn route(&self, parts: &Parts, params: &Value) -> Route;
    fn rate_limited(&self, after: Duration) -> Response;
    fn broken(&self, status: StatusCode) -> Response;
}

/// The state of [`gate`].
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) records: Records,
}

/// Middleware around a whole platform.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if request.headers().contains_key(UPGRADE) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST).await else {
        return gate.dialect.broken(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let params = recorded(&parts, &body).await;
    let route = gate.dialect.route(&parts, &params);
    gate.records.arrived.push(route.method.clone());
    let mut call = Call {
        at: SystemTime::now(),
        method: route.method,
        verb: parts.method.to_string(),
        path: route.path,
        headers: parts.headers.clone(),
        body: params,
        status: 0,
        answer: Value::Null,
    };
    call.headers.remove(AUTHORIZATION);
    // Slack's forms may carry the token too.
    if let Some(params) = call.body.as_object_mut() {
        params.remove("token");
    }

    let response = match gate.records.faults.take(&call.method) {
        None => next.run(Request::from_parts(parts, body.into())).await,
        Some(Fault::Delay { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            next.run(Request::from_parts(parts, body.into())).await
        }
        Some(Fault::LoseAnswer) => {
            next.run(Request::from_parts(parts, body.into())).await;
            hang_up()
        }
        Some(Fault::Drop) => hang_up(),
        Some(Fault::RateLimited { after_ms }) => {
            gate.dialect.rate_limited(Duration::from_millis(after_ms))
        }
        Some(Fault::Status { code }) => gate
            .dialect
            .broken(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
    };
    record(&gate, call, response).await
}

async fn recorded(parts: &Parts, body: &Bytes) -> Value {
    if body.len() > MAX_RECORDED {
        return json!({ "omitted_bytes": body.len() });
    }
    as_params(parts.uri.query(), &parts.headers, body.clone()).await
}

async fn record(gate: &Gate, mut call: Call, response: Response) -> Response {
    if response.extensions().get::<HangUp>().is_some() {
        gate.records.calls.push(call);
        return response;
    }
    call.status = response.status().as_u16();
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    if !is_json {
        gate.records.calls.push(call);
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if body.len() <= MAX_RECORDED {
        call.answer = serde_json::from_slice(&body).unwrap_or_default();
    }
    gate.records.calls.push(call);
    Response::from_parts(parts, Body::from(body))
}

fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}
