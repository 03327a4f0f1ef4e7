//! The model proxy: whose token, which model, whose key.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use futures::StreamExt;
use serde_json::{Value, json};
use zaki_edge_native::{Edge, ModelConfig, Price};
use zaki_envelope::SessionKey;
use zaki_envelope::wire::{Budget, ErrorCode, TurnEventKind, TurnRequest, Usage, UsageReport};

use crate::client::*;
use crate::sandboxes::*;

const KEY: &str = "sk-nobody-else-may-see-this";

/// Starts an edge with one sandbox, and returns its token. It offers `big` besides, at 10 times the
/// price.
async fn edge(dir: &Path, model: ModelConfig) -> (Edge, String) {
    let mut config = config(dir, idle_runtime(dir));
    config.model = model;
    config.choices = vec!["big".to_owned()];
    let price = |factor| Price::per_million(factor, 2.0 * factor, None).unwrap();
    config.prices = [("the-model".to_owned(), price(1.0)), ("big".to_owned(), price(10.0))].into();
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
    ModelConfig::openai(base_url, KEY, "the-model")
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
    let sql = "SELECT user, calls, input_tokens, output_tokens, cost_micros FROM metered";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    };
    let counted: (String, u32, u32, u32, u32) = database.query_row(sql, [], row).unwrap();
    assert_eq!(counted, (user(1).to_string(), 1, 11, 3, 17));
}

/// What an agent asks its model in a session, as OpenClaw does.
fn prompt(session: u32, stream: bool) -> Value {
    let line = format!("Runtime: agent=main | session=agent:main:hub:dm:{session} | host=h");
    json!({"model": "whatever", "stream": stream,
           "messages": [{"role": "system", "content": format!("You are\n\n{line}")}]})
}

/// Begins turn `n` in session `n`; the sandbox never takes it.
async fn begin(edge: &Edge, n: u32, request: TurnRequest) {
    let session = SessionKey::direct(n);
    let body = serde_json::to_vec(&TurnRequest { session, ..request }).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    events_until(&edge.router(), asked, |_| true).await;
}

/// Ends turn `n`, and returns how.
async fn end(edge: &Edge, n: u128) -> TurnEventKind {
    let path = format!("/v1/users/{}/turns/{}", user(1), turn(n));
    call(&edge.router(), signed("POST", &format!("{path}/abort"), vec![])).await;
    resume(&edge.router(), user(1), turn(n), 0).await.pop().unwrap().kind
}

async fn used(edge: &Edge) -> UsageReport {
    let path = format!("/v1/users/{}/usage", user(1));
    let (status, body) = call(&edge.router(), signed("GET", &path, vec![])).await;
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_call_counts_for_its_turn_and_costs_what_the_turns_model_costs() {
    let dir = directory();
    let (url, seen) = provider().await;
    let (edge, token) = edge(dir.path(), forward(&url)).await;
    begin(&edge, 1, request(turn(1), "small")).await;
    begin(&edge, 2, TurnRequest { model: Some("big".into()), ..request(turn(2), "big") }).await;
    let mut asked = Vec::new();
    // Two calls of the first turn, one of the second, one of no turn at all.
    for session in [1, 2, 1, 9] {
        assert_eq!(ask(&edge, &token, &prompt(session, true)).await.0, 200);
        asked.push(seen.lock().unwrap().pop().unwrap().1["model"].clone());
    }
    assert_eq!(asked, ["the-model", "big", "the-model", "the-model"]);
    let usage = |kind| match kind {
        TurnEventKind::Final { usage, aborted: true, .. } => usage,
        other => panic!("{other:?}"),
    };
    let one = Usage { input_tokens: 11, output_tokens: 3, cost_micros: 17 };
    let big = Usage { cost_micros: 170, ..one };
    assert_eq!(usage(end(&edge, 1).await), one + one);
    assert_eq!(usage(end(&edge, 2).await), big);
    let all = one + one + big + one;
    let mut report = used(&edge).await;
    for _ in 0..200 {
        if report.day == all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        report = used(&edge).await;
    }
    assert_eq!((report.day, report.month), (all, all));
    let unasked = (report.unasked.day, report.unasked.month);
    assert_eq!(unasked, (one, one), "what no turn has told, and nothing else");
    edge.shutdown().await;

    let edge = self::edge(dir.path(), forward(&url)).await.0;
    assert_eq!(used(&edge).await.day, all, "also after a restart");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_turn_ends_with_the_budget_of_its_person() {
    let dir = directory();
    let (url, seen) = provider().await;
    let (edge, token) = edge(dir.path(), forward(&url)).await;
    let budget = Budget { cost_micros: Some(30), ..Budget::default() };
    begin(&edge, 1, TurnRequest { budget, ..request(turn(1), "hello") }).await;
    for status in [200, 200, 400, 400] {
        assert_eq!(ask(&edge, &token, &prompt(1, true)).await.0, status);
    }
    assert_eq!(seen.lock().unwrap().len(), 2, "the provider is not asked");
    let end = end(&edge, 1).await;
    let TurnEventKind::Error { code: ErrorCode::Budget, usage, .. } = end else {
        panic!("{end:?}")
    };
    assert_eq!(usage.cost_micros, 34);
    assert_eq!(ask(&edge, &token, &prompt(9, true)).await.0, 400, "nor outside a turn");
    begin(&edge, 2, request(turn(2), "hello")).await;
    assert_eq!(ask(&edge, &token, &prompt(2, true)).await.0, 200, "its asker knows best");
    edge.shutdown().await;
}

/// A provider that bills and does not say so, because its answer broke off.
#[tokio::test]
async fn a_call_that_breaks_off_is_counted_by_what_passed() {
    async fn answer() -> impl IntoResponse {
        let pieces = (0..5).map(|n| {
            let data = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{n}\"}}}}]}}\n\n");
            Ok::<_, std::io::Error>(data)
        });
        let broken = futures::stream::once(async {
            // What came before is on its way by then.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(std::io::Error::other("cut"))
        });
        axum::body::Body::from_stream(futures::stream::iter(pieces).chain(broken))
    }
    let router = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let dir = directory();
    let (edge, token) = edge(dir.path(), forward(&url)).await;
    begin(&edge, 1, request(turn(1), "hello")).await;
    let body = prompt(1, true);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = format!("http://{}/model/v1/chat/completions", edge.local_addr());
    let answer = client.post(asked).bearer_auth(&token).json(&body).send().await.unwrap();
    let _ = answer.bytes().await;
    let size = serde_json::to_vec(&body).unwrap().len() as u64;
    let counted = async || used(&edge).await.day;
    while counted().await.is_nothing() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let day = counted().await;
    assert_eq!((day.input_tokens, day.output_tokens), (size.div_ceil(4), 5));
    edge.shutdown().await;
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
