//! The model proxy: whose token, which model, whose key.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use zaki_edge_native::{Edge, ModelConfig};

use crate::client::*;
use crate::sandboxes::*;

const KEY: &str = "sk-nobody-else-may-see-this";

/// Starts an edge with one sandbox, and returns its token.
async fn edge(dir: &Path, model: ModelConfig) -> (Edge, String) {
    let mut config = config(dir, idle_runtime(dir));
    config.model = model;
    let edge = Edge::start(config).await.unwrap();
    let wake = signed("POST", &format!("/v1/users/{}/wake", user(1)), vec![]);
    call(&edge.router(), wake).await;
    let found = until("a container", || containers(dir).pop()).await;
    let token = until("its token", || found.variable("ZAKI_SANDBOX_TOKEN")).await;
    (edge, token)
}

async fn ask(edge: &Edge, token: &str, body: &Value) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/model/v1/chat/completions", edge.local_addr());
    let answer = client.post(url).bearer_auth(token).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A provider that notes what it is sent and answers with a usage.
async fn provider() -> (String, Arc<Mutex<Vec<(String, Value)>>>) {
    type Seen = Arc<Mutex<Vec<(String, Value)>>>;
    async fn answer(State(seen): State<Seen>, request: Request) -> impl IntoResponse {
        let key =
            request.headers().get(header::AUTHORIZATION).unwrap().to_str().unwrap().to_owned();
        let extra = request.headers().contains_key("x-from-sandbox");
        assert!(!extra, "only the body comes from the sandbox");
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        seen.lock().unwrap().push((key, body));
        let usage = "data: {\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3}}\n\n";
        ([(header::CONTENT_TYPE, "text/event-stream")], usage)
    }
    let seen = Seen::default();
    let router = axum::Router::new().fallback(answer).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

fn forward(base_url: &str) -> ModelConfig {
    ModelConfig::Forward {
        base_url: base_url.to_owned(),
        api_key: KEY.into(),
        model: "the-model".into(),
    }
}

#[tokio::test]
async fn the_offline_model_answers_a_sandbox() {
    let dir = directory();
    let (edge, token) = edge(dir.path(), ModelConfig::Offline).await;
    let body = json!({"model": "offline", "messages": [{"role": "user", "content": "hi"}]});
    let (status, answer) = ask(&edge, &token, &body).await;
    assert_eq!(status, 200);
    assert!(answer.contains("[offline model] You said"), "{answer}");
    let told = json!({"messages": [{"role": "user", "content": "FAIL:429"}]});
    assert_eq!(ask(&edge, &token, &told).await.0, 429);
    assert_eq!(ask(&edge, "another", &body).await.0, 401);
    edge.shutdown().await;
}

#[tokio::test]
async fn a_real_provider_gets_the_key_and_the_sandbox_does_not() {
    let dir = directory();
    let (url, seen) = provider().await;
    let (edge, token) = edge(dir.path(), forward(&url)).await;
    let body = json!({"model": "a-dearer-one", "stream": true, "messages": []});
    let (status, answer) = ask(&edge, &token, &body).await;
    assert_eq!(status, 200);
    assert!(answer.contains("prompt_tokens") && !answer.contains(KEY));
    let (key, sent) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(key, format!("Bearer {KEY}"));
    assert_eq!(sent["model"], "the-model", "a sandbox cannot choose");
    assert_eq!(sent["stream_options"]["include_usage"], true);
    let container = containers(dir.path()).pop().unwrap();
    assert!(!container.arguments.concat().contains(KEY));
    edge.shutdown().await;

    let database = dir.path().join("data/private/edge.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT calls, input_tokens, output_tokens FROM usage";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let counted: (u32, u32, u32) = database.query_row(sql, [], row).unwrap();
    assert_eq!(counted, (1, 11, 3));
}

#[tokio::test]
async fn an_unreachable_provider_is_an_error_the_agent_can_read() {
    let dir = directory();
    let (edge, token) = edge(dir.path(), forward("http://127.0.0.1:1/v1")).await;
    let (status, answer) = ask(&edge, &token, &json!({"messages": []})).await;
    assert_eq!(status, 502);
    assert!(answer.contains("server_error") && !answer.contains(KEY), "{answer}");
    edge.shutdown().await;
}
