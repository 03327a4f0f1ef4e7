//! WhatsApp's webhook beyond what pywa reaches: batches, repeats, media.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use zaki_simulators::graph::{Config, Contact, Graph, Said};
use zaki_simulators::{Retry, Simulator, signature};

use crate::SOON;
use crate::receiver::Receiver;

async fn start() -> Graph {
    let retry = Retry::never(SOON).every(Duration::from_millis(5), 3);
    Graph::start(Config { retry, ..Config::default() }).await.unwrap()
}

/// Answers the challenge, then `status` to everything.
async fn hook(status: StatusCode) -> Receiver {
    Receiver::start(move |_, method, uri, _| {
        let query = uri.query().unwrap_or_default().to_owned();
        let challenge = query.split('&').find_map(|p| p.strip_prefix("hub.challenge="));
        match method.as_str() {
            "GET" => (StatusCode::OK, challenge.unwrap_or_default().to_owned()),
            _ => (status, String::new()),
        }
    })
    .await
}

#[tokio::test]
async fn a_batch_is_one_post_and_can_come_again_byte_for_byte() {
    let graph = start().await;
    let mut hook = hook(StatusCode::OK).await;
    graph.set_webhook(&hook.url).await.unwrap();
    hook.next().await;
    let (ada, bob) = (Contact::new("3581", "FI.1", "Ada"), Contact::by_user_id("US.2", "Bob"));
    let reaction =
        json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}});
    let ids =
        graph.say_all(&[Said::text(&ada, "a"), Said::text(&bob, "b"), Said::any(&ada, reaction)]);
    let first = hook.next().await;
    let secret = &graph.config().app_secret;
    let signature = signature::meta(secret, &first.body);
    assert_eq!(first.header("x-hub-signature-256"), Some(signature.as_str()));
    let value = &first.json()["entry"][0]["changes"][0]["value"];
    let sent: Vec<_> = value["messages"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
    assert_eq!(sent, ids.iter().collect::<Vec<_>>());
    assert_eq!(value["contacts"].as_array().unwrap().len(), 2);
    assert!(value["messages"][1]["from"].is_null(), "no number is told");
    graph.deliver_again(&ids[1]);
    assert_eq!(hook.next().await.body, first.body);
}

#[tokio::test]
async fn a_failing_webhook_is_tried_a_bounded_number_of_times() {
    let graph = start().await;
    let hook = hook(StatusCode::INTERNAL_SERVER_ERROR).await;
    graph.set_webhook(&hook.url).await.unwrap();
    let id = graph.say(&Contact::by_number("3581", "Ada"), "a");
    let tries = graph.attempts().wait_for_count(4, |a| a.key == id, SOON).await.unwrap();
    assert_eq!(tries.iter().map(|a| a.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_webhook_must_return_the_challenge() {
    let graph = start().await;
    let hook = Receiver::start(|_, _, _, _| "something else").await;
    assert!(graph.set_webhook(&hook.url).await.is_err());
    graph.say(&Contact::by_number("3581", "Ada"), "a");
    assert!(graph.attempts().is_empty());
}

#[tokio::test]
async fn media_is_found_by_id_and_fetched_with_the_token() {
    let graph = start().await;
    let id = graph.put_media("image/jpeg", b"jpeg".to_vec());
    let client = reqwest::Client::new();
    let url = format!("{}/v23.0/{id}", graph.url());
    let found = client.get(url).bearer_auth(graph.token()).send().await.unwrap();
    let found: serde_json::Value = found.json().await.unwrap();
    assert_eq!(found["mime_type"], "image/jpeg");
    let url = found["url"].as_str().unwrap();
    assert_eq!(client.get(url).send().await.unwrap().status(), 401);
    let fetched = client.get(url).bearer_auth(graph.token()).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), "jpeg");
}
