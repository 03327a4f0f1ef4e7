//! Slack's retries.

use std::time::Duration;

use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::{Value, json};
use zaki_simulators::slack::{Config, Slack};
use zaki_simulators::{Retry, Simulator};

use crate::SOON;
use crate::receiver::Receiver;

async fn start() -> Slack {
    let retry = Retry::never(Duration::from_secs(3)).every(Duration::from_millis(5), 3);
    Slack::start(Config { retry, ..Config::default() }).await.unwrap()
}

/// Answers the challenge, then always 500; the first time with a wish for no retry, if so told.
async fn failing(no_retry: bool) -> Receiver {
    Receiver::start(move |n, _, _, body| {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        match (n, no_retry) {
            (0, _) => body["challenge"].as_str().unwrap().to_owned().into_response(),
            (1, true) => {
                (StatusCode::INTERNAL_SERVER_ERROR, [("x-slack-no-retry", "1")]).into_response()
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    })
    .await
}

#[tokio::test]
async fn an_event_is_tried_three_times_more_with_the_reason() {
    let slack = start().await;
    let mut hook = failing(false).await;
    slack.set_events_url(&hook.url).await.unwrap();
    hook.next().await;
    let said = slack.say("U0ADA", "hi");
    let mut numbers = Vec::new();
    for _ in 0..4 {
        let received = hook.next().await;
        assert_eq!(received.json()["event_id"], said.event_id);
        numbers.push(received.header("x-slack-retry-num").map(str::to_owned));
        let reason = received.header("x-slack-retry-reason");
        assert_eq!(reason, numbers.last().unwrap().as_ref().map(|_| "http_error"));
    }
    let numbers: Vec<_> = numbers.iter().map(Option::as_deref).collect();
    assert_eq!(numbers, [None, Some("1"), Some("2"), Some("3")]);
}

#[tokio::test]
async fn no_retry_is_heeded() {
    let slack = start().await;
    let hook = failing(true).await;
    slack.set_events_url(&hook.url).await.unwrap();
    let first = slack.say("U0ADA", "one").event_id;
    slack.attempts().wait_for(|a| a.carried(&first), SOON).await.unwrap();
    // An event after it goes through all its tries, in which the first would have had its own.
    let second = slack.say("U0ADA", "two").event_id;
    slack.attempts().wait_for_count(4, |a| a.carried(&second), SOON).await.unwrap();
    assert_eq!(slack.attempts().matching(|a| a.carried(&first)).len(), 1);
}

#[tokio::test]
async fn an_event_can_come_again_as_a_retry() {
    let slack = start().await;
    let mut hook = Receiver::start(|_, _, _, body| {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        body["challenge"].as_str().unwrap_or_default().to_owned()
    })
    .await;
    slack.set_events_url(&hook.url).await.unwrap();
    hook.next().await;
    let said = slack.say("U0ADA", "hi");
    let first = hook.next().await;
    slack.deliver_again(&said.event_id);
    let second = hook.next().await;
    assert_eq!(first.body, second.body);
    assert_eq!(
        (first.header("x-slack-retry-num"), second.header("x-slack-retry-num")),
        (None, Some("1"))
    );
}

#[tokio::test]
async fn an_endpoint_that_does_not_know_the_challenge_is_refused() {
    let slack = start().await;
    let hook = Receiver::start(|_, _, _, _| "ok").await;
    assert!(slack.set_events_url(&hook.url).await.is_err());
}

#[tokio::test]
async fn files_are_for_the_bots_token() {
    let slack = start().await;
    let file = slack.put_file("a.txt", "text/plain", b"hi".to_vec());
    let extra = json!({"subtype": "file_share", "files": [file]});
    let room = slack.direct_channel("U0ADA");
    let said = slack.say_in(&room, "U0ADA", "see", extra);
    assert_eq!(said.event["files"][0]["name"], "a.txt");
    let plain = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().redirect(plain).build().unwrap();
    let url = file["url_private"].as_str().unwrap();
    assert_eq!(client.get(url).send().await.unwrap().status(), 302);
    let fetched = client.get(url).bearer_auth(slack.token()).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), "hi");
    let info = client.get(format!("{}files.info", slack.api_url())).query(&[("file", "F0NO")]);
    let info: Value = info.bearer_auth(slack.token()).send().await.unwrap().json().await.unwrap();
    assert_eq!(info["error"], "file_not_found");
}
