//! The real provider behind the proxy: the key goes on here, the answer streams through the meter.

use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Meter, failure};
use crate::EdgeError;

const CONNECT: Duration = Duration::from_secs(10);
/// A model may think this long between two pieces.
const SILENCE: Duration = Duration::from_mins(10);

/// An OpenAI-compatible provider.
pub(crate) struct Provider {
    client: Client,
    url: String,
    key: SecretString,
}

impl Provider {
    pub(crate) fn new(base: &str, key: SecretString) -> Result<Self, EdgeError> {
        let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        Ok(Self {
            client: client.redirect(reqwest::redirect::Policy::none()).build()?,
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            key,
        })
    }

    /// Passes the request on with the key, and the answer back. Nothing else of the sandbox's
    /// request than its body reaches the provider.
    pub(crate) async fn forward(&self, mut request: Value, meter: Meter) -> Response {
        ask_for_usage(&mut request);
        let call = self.client.post(&self.url).bearer_auth(self.key.expose_secret());
        match call.json(&request).send().await {
            Ok(answer) => pass(answer, meter),
            Err(error) => {
                // The address may hold what is nobody's business; the key is in a header.
                tracing::warn!(error = %error.without_url(), "model.unreachable");
                failure(StatusCode::BAD_GATEWAY, "the model provider cannot be reached")
            }
        }
    }
}

/// Streams tell their usage.
fn ask_for_usage(request: &mut Value) {
    let Some(fields) = request.as_object_mut() else {
        return;
    };
    if fields.get("stream").and_then(Value::as_bool) == Some(true) {
        let options = fields.entry("stream_options").or_insert_with(|| json!({}));
        if let Some(options) = options.as_object_mut() {
            options.insert("include_usage".to_owned(), json!(true));
        }
    }
}

fn pass(answer: reqwest::Response, mut meter: Meter) -> Response {
    if answer.status().is_success() {
        meter.answered();
    }
    let status = StatusCode::from_u16(answer.status().as_u16());
    let mut response = status.unwrap_or(StatusCode::BAD_GATEWAY).into_response();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    // When the stream ends, or its reader goes, the meter counts what was told.
    *response.body_mut() = Body::from_stream(answer.bytes_stream().inspect(move |piece| {
        if let Ok(bytes) = piece {
            meter.passed(bytes);
        }
    }));
    response
}
