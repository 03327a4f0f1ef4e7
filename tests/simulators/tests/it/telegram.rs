//! Telegram's webhook, and polling without a client library.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use zaki_simulators::telegram::{Chat, Config, Telegram, User};
use zaki_simulators::{Attempt, Retry, Simulator};

use crate::SOON;
use crate::receiver::Receiver;

async fn start() -> Telegram {
    let retry = Retry::never(SOON).every(Duration::from_millis(5), 3);
    Telegram::start(Config { retry, ..Config::default() }).await.unwrap()
}

async fn call(telegram: &Telegram, method: &str, params: Value) -> Value {
    let url = format!("{}/bot{}/{method}", telegram.url(), telegram.token());
    let response = reqwest::Client::new().post(url).json(&params).send().await.unwrap();
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_webhook_gets_its_secret_and_is_tried_again() {
    let telegram = start().await;
    let statuses = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::OK];
    let mut hook = Receiver::start(move |n, _, _, _| statuses[n.min(1)]).await;
    let set = json!({"url": hook.url, "secret_token": "s3cret"});
    assert_eq!(call(&telegram, "setWebhook", set).await["ok"], true);
    let update = telegram.say(&User::new(7, "Ada"), "hello");
    for _ in 0..2 {
        let received = hook.next().await;
        assert_eq!(received.header("x-telegram-bot-api-secret-token"), Some("s3cret"));
        assert_eq!(received.json()["update_id"], update);
    }
    let accepted = telegram.attempts().wait_for(Attempt::accepted, SOON).await.unwrap();
    assert_eq!((accepted.number, accepted.key), (2, update.to_string()));
}

#[tokio::test]
async fn an_update_that_is_refused_blocks_its_chat_only() {
    let telegram = start().await;
    let bad = |body: &[u8]| String::from_utf8_lossy(body).contains("poison");
    let hook =
        Receiver::start(
            move |_, _, _, body| {
                if bad(body) { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
            },
        )
        .await;
    telegram.set_webhook(&hook.url, "s");
    let (ada, bob) = (User::new(7, "Ada"), User::new(8, "Bob"));
    let poison = telegram.say(&ada, "poison").to_string();
    let after = telegram.say(&ada, "after").to_string();
    let other = telegram.say(&bob, "other").to_string();
    for key in [&other, &after] {
        telegram.attempts().wait_for(|a| &a.key == key && a.accepted(), SOON).await.unwrap();
    }
    let all: Vec<String> = telegram.attempts().all().into_iter().map(|a| a.key).collect();
    let place = |key: &String| all.iter().rposition(|k| k == key).unwrap();
    assert_eq!(all.iter().filter(|k| **k == poison).count(), 4, "bounded tries");
    assert!(place(&poison) < place(&after), "head of line: {all:?}");
}

#[tokio::test]
async fn the_same_update_can_be_delivered_again() {
    let telegram = start().await;
    let mut hook = Receiver::start(|_, _, _, _| StatusCode::OK).await;
    telegram.set_webhook(&hook.url, "s");
    let update = telegram.say(&User::new(7, "Ada"), "hello");
    let first = hook.next().await;
    telegram.attempts().wait_for(Attempt::accepted, SOON).await.unwrap();
    telegram.deliver_again(update);
    assert_eq!(hook.next().await.body, first.body);
}

#[tokio::test]
async fn polling_confirms_by_offset_and_a_second_poller_ends_the_first() {
    let telegram = start().await;
    let ada = User::new(7, "Ada");
    let first = telegram.say(&ada, "one");
    telegram.say(&ada, "two");
    let polled = call(&telegram, "getUpdates", json!({"limit": 1})).await;
    assert_eq!(polled["result"].as_array().unwrap().len(), 1);
    let rest = call(&telegram, "getUpdates", json!({"offset": first + 1})).await;
    assert_eq!(rest["result"][0]["message"]["text"], "two");
    assert_eq!(call(&telegram, "getUpdates", json!({"offset": -1})).await, rest);

    let waiting = tokio::spawn({
        let telegram = telegram.clone();
        async move { call(&telegram, "getUpdates", json!({"offset": first + 2, "timeout": 20})).await }
    });
    loop {
        let second = call(&telegram, "getUpdates", json!({"offset": first + 2})).await;
        assert_eq!(second["result"], json!([]));
        if waiting.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let ended = waiting.await.unwrap();
    assert_eq!(ended["error_code"], 409);
    assert!(ended["description"].as_str().unwrap().contains("other getUpdates"));
}

#[tokio::test]
async fn topics_blocks_and_buttons() {
    let telegram = start().await;
    let (ada, forum) = (User::new(7, "Ada"), Chat::forum(-1_001, "Forum"));
    telegram.say_in(&forum, &ada, "hi", json!({"message_thread_id": 5}));
    let params = json!({"chat_id": -1_001, "text": "there", "message_thread_id": 5});
    let sent = call(&telegram, "sendMessage", params).await;
    assert_eq!(sent["result"]["is_topic_message"], true);
    assert_eq!(telegram.sent().last().unwrap().thread.as_deref(), Some("5"));

    let message = sent["result"]["message_id"].as_i64().unwrap();
    telegram.press(&forum, &ada, message, "yes");
    let updates = call(&telegram, "getUpdates", json!({"offset": -1})).await;
    let query = updates["result"][0]["callback_query"]["id"].clone();
    let answer = json!({"callback_query_id": query});
    assert_eq!(call(&telegram, "answerCallbackQuery", answer.clone()).await["ok"], true);
    assert_eq!(call(&telegram, "answerCallbackQuery", answer).await["error_code"], 400);

    telegram.say(&ada, "hi");
    telegram.block(&ada);
    let refused = call(&telegram, "sendMessage", json!({"chat_id": 7, "text": "hi"})).await;
    assert_eq!(refused["description"], "Forbidden: bot was blocked by the user");
}

#[tokio::test]
async fn files_are_served_to_the_token_only() {
    let telegram = start().await;
    telegram.put_file("f1", "photos/a.jpg", b"jpeg".to_vec());
    let file = call(&telegram, "getFile", json!({"file_id": "f1"})).await;
    let path = file["result"]["file_path"].as_str().unwrap();
    let get = |token: &str| reqwest::get(format!("{}/file/bot{token}/{path}", telegram.url()));
    assert_eq!(get(telegram.token()).await.unwrap().bytes().await.unwrap(), "jpeg");
    assert_eq!(get("1:no").await.unwrap().status(), 401);
}
