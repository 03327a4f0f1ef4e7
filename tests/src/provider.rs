//! A model provider that only notes who asked it and with which key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// An OpenAI-compatible provider on loopback; every question is answered with [`ANSWER`].
pub struct Provider {
    url: String,
    desk: Desk,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Desk {
    keys: Arc<Mutex<Vec<String>>>,
    refuses: Arc<AtomicBool>,
}

/// What it says.
pub const ANSWER: &str = "The provider has spoken.";

impl Provider {
    /// Starts it on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let desk = Desk::default();
        let router = Router::new().route("/v1/chat/completions", post(complete));
        let router = router.with_state(desk.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, desk, server })
    }

    /// The base URL to configure.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The `Authorization` of every call so far.
    pub fn keys(&self) -> Vec<String> {
        self.desk.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Provider {
    /// From now on it takes no key, or any.
    pub fn refuse(&self, refuses: bool) {
        self.desk.refuses.store(refuses, Ordering::SeqCst);
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn complete(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Json(ask): Json<Value>,
) -> Response {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    desk.keys
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(key.unwrap_or_default().to_owned());
    if desk.refuses.load(Ordering::SeqCst) {
        let said = format!("no such key: {}", key.unwrap_or_default());
        return (StatusCode::UNAUTHORIZED, said).into_response();
    }
    if ask["stream"] != true {
        let message = json!({"role": "assistant", "content": ANSWER});
        return Json(completion("chat.completion", "message", &message)).into_response();
    }
    let first = completion(
        "chat.completion.chunk",
        "delta",
        &json!({"role": "assistant", "content": ANSWER}),
    );
    let mut last = completion("chat.completion.chunk", "delta", &json!({}));
    last["choices"][0]["finish_reason"] = json!("stop");
    let events = format!("data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n");
    ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response()
}

fn completion(object: &str, field: &str, content: &Value) -> Value {
    let finish = if field == "message" { json!("stop") } else { Value::Null };
    json!({
        "id": "chatcmpl-1", "object": object, "created": 1, "model": "stub",
        "choices": [{"index": 0, field: content, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}
