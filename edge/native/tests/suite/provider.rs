//! A provider of models that does what a test tells it, and notes what it was sent.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Semaphore;
use zaki_edge_native::ProviderConfig;

/// The key of every provider.
pub(crate) const KEY: &str = "sk-nobody-else-may-see-this";

/// What it does with calls.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Answers with this body, streamed.
    Answer(String),
    /// Answers in these pieces, each when a permit is given.
    Paced(Vec<String>, Arc<Semaphore>),
    /// Refuses, and repeats the key, as some do.
    Status(u16, Option<&'static str>),
    /// Takes the call and says nothing.
    Silent,
    /// Sends this and hangs up.
    BreaksOff(String),
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Clone)]
pub(crate) struct Stand {
    /// Where it is, without a path.
    pub(crate) origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    manner: Arc<Mutex<Manner>>,
}

impl Stand {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let stand = Self { origin, seen: Arc::default(), manner: Arc::new(Mutex::new(manner)) };
        let router = axum::Router::new().fallback(answer).with_state(stand.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The calls so far, which are forgotten with that.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub(crate) fn config(&self) -> ProviderConfig {
        ProviderConfig::new(format!("{}/v1/", self.origin), Some(KEY.into()))
    }
}

async fn answer(State(stand): State<Stand>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let seen = Seen {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap(),
    };
    stand.seen.lock().unwrap().push(seen);
    let manner = stand.manner.lock().unwrap().clone();
    match manner {
        Manner::Answer(text) => streamed(Body::from(text)),
        Manner::Paced(pieces, gate) => {
            streamed(Body::from_stream(stream::iter(pieces).then(move |piece| {
                let gate = gate.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok::<_, std::io::Error>(piece)
                }
            })))
        }
        Manner::Status(status, later) => {
            let status = StatusCode::from_u16(status).unwrap();
            let mut response = (status, format!("no: {KEY}")).into_response();
            if let Some(later) = later {
                response.headers_mut().insert(header::RETRY_AFTER, later.parse().unwrap());
            }
            response
        }
        Manner::Silent => std::future::pending().await,
        Manner::BreaksOff(text) => {
            let cut = stream::once(async {
                // What came before is on its way by then.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                Err(std::io::Error::other("cut"))
            });
            let text = stream::iter((!text.is_empty()).then_some(Ok(text)));
            streamed(Body::from_stream(text.chain(cut)))
        }
    }
}

fn streamed(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// A whole answer by OpenAI's interface, of 11 tokens read and 3 written.
pub(crate) fn openai(text: &str) -> String {
    let piece = |rest: Value| format!("data: {rest}\n\n");
    let said = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let usage = serde_json::json!({"choices": [], "usage":
        {"prompt_tokens": 11, "completion_tokens": 3}});
    [piece(said), piece(usage), "data: [DONE]\n\n".to_owned()].concat()
}

/// The same by Anthropic's: of 1,005 tokens read, 900 from its cache and 100 put there.
pub(crate) fn anthropic(text: &str) -> String {
    let event = |name: &str, mut rest: Value| {
        rest["type"] = name.into();
        format!("event: {name}\ndata: {rest}\n\n")
    };
    let start = serde_json::json!({"message": {"id": "msg_1", "type": "message",
        "role": "assistant", "model": "claude", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1,
        "cache_creation_input_tokens": 100, "cache_read_input_tokens": 900}}});
    let block = serde_json::json!({"index": 0, "content_block": {"type": "text", "text": ""}});
    let delta = serde_json::json!({"index": 0, "delta": {"type": "text_delta", "text": text}});
    let end = serde_json::json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": 3}});
    [
        event("message_start", start),
        event("content_block_start", block),
        event("content_block_delta", delta),
        event("content_block_stop", serde_json::json!({"index": 0})),
        event("message_delta", end),
        event("message_stop", serde_json::json!({})),
    ]
    .concat()
}
