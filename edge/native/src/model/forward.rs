//! The real provider behind the proxy: the key goes on here, the answer streams through, the usage
//! is read from what passes by.

use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Deserializer, Value, json};
use zaki_envelope::wire::Usage;

use super::{Meter, failure};
use crate::EdgeError;

const CONNECT: Duration = Duration::from_secs(10);
/// A model may think this long between two pieces.
const SILENCE: Duration = Duration::from_mins(10);
/// Usage stands at the end of an answer; as much of the end is looked at, in bytes.
const TAIL: usize = 16 * 1024;

/// An OpenAI-compatible provider.
pub(crate) struct Provider {
    client: Client,
    url: String,
    key: SecretString,
    model: String,
}

impl Provider {
    pub(crate) fn new(base: &str, key: SecretString, model: String) -> Result<Self, EdgeError> {
        let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        Ok(Self {
            client: client.redirect(reqwest::redirect::Policy::none()).build()?,
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            key,
            model,
        })
    }

    /// Passes the request on with the key, and the answer back. Nothing else of the sandbox's
    /// request than its body reaches the provider.
    pub(crate) async fn forward(&self, mut request: Value, meter: Meter) -> Response {
        self.settle_model(&mut request);
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

    /// A sandbox uses the model of the config and no dearer one; streams tell their usage.
    fn settle_model(&self, request: &mut Value) {
        let Some(fields) = request.as_object_mut() else {
            return;
        };
        fields.insert("model".to_owned(), json!(self.model));
        if fields.get("stream").and_then(Value::as_bool) == Some(true) {
            let options = fields.entry("stream_options").or_insert_with(|| json!({}));
            if let Some(options) = options.as_object_mut() {
                options.insert("include_usage".to_owned(), json!(true));
            }
        }
    }
}

fn pass(answer: reqwest::Response, meter: Meter) -> Response {
    let status = StatusCode::from_u16(answer.status().as_u16());
    let mut response = status.unwrap_or(StatusCode::BAD_GATEWAY).into_response();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    *response.body_mut() = Body::from_stream(metered(answer.bytes_stream(), meter));
    response
}

/// The stream as it is; when it ends, or its reader goes, the usage it told is counted.
fn metered<E: Send + 'static>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    meter: Meter,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    let mut tail = Tail { bytes: BytesMut::new(), meter };
    stream.inspect(move |piece| {
        if let Ok(bytes) = piece {
            tail.push(bytes);
        }
    })
}

struct Tail {
    bytes: BytesMut,
    meter: Meter,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * TAIL {
            let surplus = self.bytes.len() - TAIL;
            drop(self.bytes.split_to(surplus));
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.meter.count(usage(&self.bytes).unwrap_or_default());
    }
}

/// The last `"usage":{…}` in the bytes. Inside a text its quotes would be escaped.
fn usage(bytes: &[u8]) -> Option<Usage> {
    let text = String::from_utf8_lossy(bytes);
    let places = text.rmatch_indices("\"usage\":");
    let mut found = places.filter_map(|(at, key)| {
        let value = text.get(at + key.len()..)?;
        let value = Deserializer::from_str(value).into_iter::<Value>().next()?.ok()?;
        let count = |name| value.get(name).and_then(Value::as_u64);
        Some(Usage {
            input_tokens: count("prompt_tokens")?,
            output_tokens: count("completion_tokens")?,
        })
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_found_in_json_and_in_streams() {
        let told = Some(Usage { input_tokens: 5, output_tokens: 7 });
        let json = br#"{"choices":[],"usage": {"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
        assert_eq!(usage(json), told);
        let sse = b"data: {\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";
        assert_eq!(usage(sse), told);
        let quoted = br#"{"content":"\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}"}"#;
        assert_eq!(usage(quoted), None);
        assert_eq!(usage(b"\xff\"usage\":{"), None);
    }
}
