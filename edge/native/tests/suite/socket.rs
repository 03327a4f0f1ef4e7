//! The wire over a real socket: cut, silent, crowded.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use reqwest::{Client, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zaki_edge_native::{Edge, EdgeConfig, ModelConfig, RuntimeChoice};
use zaki_envelope::Part;
use zaki_envelope::wire::{SILENCE, SseDecoder, SteerRequest, TurnEvent};

use crate::client::*;

fn config(dir: &tempfile::TempDir) -> EdgeConfig {
    EdgeConfig::new(dir.path(), keys(), RuntimeChoice::Echo, ModelConfig::Offline)
}

/// Sends a signed request from outside.
async fn ask(edge: &Edge, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let client = Client::builder().no_proxy().read_timeout(SILENCE).build().unwrap();
    let url = format!("http://{}{}", edge.local_addr(), head.uri);
    let asked = client.request(head.method, url).headers(head.headers).body(body);
    asked.send().await.unwrap()
}

async fn post(edge: &Edge, n: u128, text: &str) -> Response {
    let body = serde_json::to_vec(&request(turn(n), text)).unwrap();
    ask(edge, signed("POST", &format!("/v1/users/{}/turns", user(1)), body)).await
}

/// Reads until the stream ends, or until `enough` events are there.
async fn read(mut answer: Response, enough: usize) -> Vec<TurnEvent> {
    let (mut decoder, mut events) = (SseDecoder::default(), Vec::new());
    while events.len() < enough
        && let Some(bytes) = answer.chunk().await.unwrap()
    {
        events.extend(decoder.push(&bytes).unwrap());
    }
    events
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_taken_up_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let edge = Edge::start(config(&dir)).await.unwrap();
    let mut events = read(post(&edge, 1, "SLOW:20x20").await, 2).await;
    let path = format!("/v1/users/{}/turns/{}", user(1), turn(1));
    let said = SteerRequest { steer: inbound(1), parts: vec![Part::text("and")] };
    let said = serde_json::to_vec(&said).unwrap();
    let steered = ask(&edge, signed("POST", &format!("{path}/steer"), said)).await;
    assert_eq!(steered.status(), 202);
    for _ in 0..4 {
        let after = events.last().unwrap().seq;
        let more = format!("{path}?after={after}");
        events.extend(read(ask(&edge, signed("GET", &more, vec![])).await, 2).await);
    }
    let after = events.last().unwrap().seq;
    let more = format!("{path}?after={after}");
    events.extend(read(ask(&edge, signed("GET", &more, vec![])).await, usize::MAX).await);
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert!(seqs.is_sorted() && seqs.windows(2).all(|pair| pair[0] != pair[1]), "{seqs:?}");
    assert!(answer(&events).ends_with("word19\n\necho: and"), "{}", answer(&events));
    edge.shutdown().await;
}

#[tokio::test]
async fn a_stream_with_nothing_to_tell_shows_that_it_lives() {
    let dir = tempfile::tempdir().unwrap();
    let edge = Edge::start(config(&dir)).await.unwrap();
    let mut answer = post(&edge, 1, "SLOW:1x60000").await;
    let mut text = String::new();
    // The client gives up after the longest silence that is allowed.
    while !text.contains(": keep-alive\n\n") {
        text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    drop(answer);
    edge.shutdown().await;
}

#[tokio::test]
async fn callers_who_say_nothing_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir);
    config.max_connections = 2;
    config.head_timeout = Duration::from_millis(300);
    let edge = Edge::start(config).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(edge.local_addr()).await.unwrap();
        stream.write_all(b"GET /health HTT").await.unwrap();
        silent.push(stream);
    }
    // All seats are taken by callers who never finish their request; they lose them.
    let events = read(post(&edge, 1, "hello").await, usize::MAX).await;
    assert_eq!(answer(&events), "echo: hello");
    let mut rest = Vec::new();
    let closed = silent[0].read_to_end(&mut rest).await;
    assert!(closed.is_err() || !rest.starts_with(b"HTTP/1.1 200"));
    edge.shutdown().await;
}

#[tokio::test]
async fn one_data_directory_has_one_edge() {
    let dir = tempfile::tempdir().unwrap();
    let edge = Edge::start(config(&dir)).await.unwrap();
    let error = Edge::start(config(&dir)).await.err().unwrap().to_string();
    assert!(error.contains("another edge uses"), "{error}");
    edge.shutdown().await;
    Edge::start(config(&dir)).await.unwrap().shutdown().await;
}
