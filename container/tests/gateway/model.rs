//! A model that does what the last message says: `SAY:text`, `SLOW:<n>x<ms>`,
//! `TOOL:<name>:<json> ENDTOOL`.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router, body::Body, extract::State, http::header, response::IntoResponse, routing::post,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<String>>>);

/// A listening model.
pub(crate) struct Model {
    pub(crate) url: String,
    requests: Requests,
}

impl Model {
    pub(crate) async fn start() -> Self {
        let requests = Requests::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/model/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/model/v1/chat/completions", post(complete))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(requests.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, requests }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.requests.0.lock().unwrap().len()
    }

    /// By which name.
    pub(crate) fn last_name(&self) -> String {
        let request: Value = serde_json::from_str(&self.last_request()).unwrap();
        request["model"].as_str().unwrap().to_owned()
    }

    pub(crate) fn last_request(&self) -> String {
        self.requests.0.lock().unwrap().last().cloned().unwrap()
    }
}

async fn complete(
    State(requests): State<Requests>,
    headers: axum::http::HeaderMap,
    body: String,
) -> impl IntoResponse {
    assert_eq!(headers[header::AUTHORIZATION], format!("Bearer {}", crate::sandbox::TOKEN));
    requests.0.lock().unwrap().push(body.clone());
    let (deltas, gap) = reply(&serde_json::from_str(&body).unwrap());
    let mut chunks: Vec<Value> = deltas
        .into_iter()
        .map(|delta| json!([{"index": 0, "delta": delta, "finish_reason": null}]))
        .collect();
    let is_call = chunks.iter().any(|chunk| chunk.to_string().contains("tool_calls"));
    let finish = if is_call { "tool_calls" } else { "stop" };
    chunks.push(json!([{"index": 0, "delta": {}, "finish_reason": finish}]));
    chunks.push(json!([]));
    let events = stream::iter(chunks).then(move |choices| async move {
        tokio::time::sleep(gap).await;
        let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
        let mut chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1,
                               "model": "stub", "choices": choices});
        if chunk["choices"] == json!([]) {
            chunk["usage"] = usage;
        }
        Ok::<_, Infallible>(format!("data: {chunk}\n\n"))
    });
    let done = stream::iter([Ok("data: [DONE]\n\n".to_owned())]);
    let body = Body::from_stream(events.chain(done));
    ([(header::CONTENT_TYPE, "text/event-stream")], body)
}

fn reply(ask: &Value) -> (Vec<Value>, Duration) {
    let messages = ask["messages"].as_array().unwrap();
    let is_told = |message: &&Value| {
        let text = text(message);
        message["role"] == "user"
            && ["SAY:", "SLOW:", "TOOL:"].iter().any(|word| text.contains(word))
    };
    let at = messages.iter().rposition(|message| is_told(&message)).unwrap_or(0);
    let said = text(&messages[at]);
    let result = messages[at..].iter().rfind(|message| message["role"] == "tool");
    if let Some(result) = result {
        return (vec![words(&format!("tool said: {}", text(result)))], Duration::ZERO);
    }
    if let Some((name, rest)) = after(&said, "TOOL:").and_then(|rest| rest.split_once(':')) {
        let arguments = rest.split(" ENDTOOL").next().unwrap();
        let function = json!({"name": name, "arguments": arguments});
        let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
        return (vec![json!({"tool_calls": [call]})], Duration::ZERO);
    }
    if let Some((count, gap)) = after(&said, "SLOW:").and_then(|rest| rest.split_once('x')) {
        let gap: String = gap.chars().take_while(char::is_ascii_digit).collect();
        let deltas = (0..count.parse().unwrap()).map(|n: u32| words(&format!("word{n} ")));
        return (deltas.collect(), Duration::from_millis(gap.parse().unwrap()));
    }
    let say = after(&said, "SAY:").unwrap_or("nothing to say");
    (vec![words(say.lines().next().unwrap_or_default())], Duration::ZERO)
}

fn words(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.split_once(word).map(|(_, rest)| rest)
}

fn text(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}
