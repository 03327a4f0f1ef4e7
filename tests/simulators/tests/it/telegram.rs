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

#[tokio::test]
async fn an_album_is_messages_of_one_group() {
    let telegram = start().await;
    let ada = User::new(7, "Ada");
    let ids = telegram.album(&Chat::private(&ada), &ada, "look", 3);
    let updates = call(&telegram, "getUpdates", json!({})).await;
    let messages: Vec<&Value> =
        updates["result"].as_array().unwrap().iter().map(|update| &update["message"]).collect();
    assert_eq!((ids.len(), messages.len()), (3, 3));
    let group = messages[0]["media_group_id"].as_str().unwrap();
    assert!(messages.iter().all(|message| message["media_group_id"] == group));
    assert_eq!((&messages[0]["caption"], &messages[1]["caption"]), (&json!("look"), &json!(null)));
    let file = json!({"file_id": messages[2]["photo"][0]["file_id"]});
    assert_eq!(call(&telegram, "getFile", file).await["ok"], true);
    let other = telegram.album(&Chat::private(&ada), &ada, "", 2);
    let updates = call(&telegram, "getUpdates", json!({"offset": other[0]})).await;
    assert_ne!(updates["result"][0]["message"]["media_group_id"], group);
}

#[tokio::test]
async fn a_supergroup_takes_a_groups_place() {
    let telegram = start().await;
    let group = Chat::basic_group(-5, "G");
    let (new, ids) = telegram.upgrade(&group, &User::new(7, "Ada"), -1_005);
    let updates = call(&telegram, "getUpdates", json!({"offset": ids[0]})).await;
    let told = &updates["result"];
    assert_eq!(told[0]["message"]["migrate_to_chat_id"], -1_005);
    assert_eq!(told[1]["message"]["migrate_from_chat_id"], -5);
    let write = |id: i64| json!({"chat_id": id, "text": "hi"});
    let refused = call(&telegram, "sendMessage", write(-5)).await;
    assert_eq!(refused["error_code"], 400);
    assert_eq!(refused["parameters"]["migrate_to_chat_id"], -1_005);
    assert_eq!(call(&telegram, "sendMessage", write(new.id)).await["ok"], true);
}

#[tokio::test]
async fn writing_too_fast_or_twice_is_noted() {
    let telegram = start().await;
    telegram.introduce(&Chat::private(&User::new(7, "Ada")));
    let write = json!({"chat_id": 7, "text": "hi"});
    call(&telegram, "sendMessage", write.clone()).await;
    assert!(telegram.excesses(1.0).is_empty() && telegram.repeats().is_empty());
    for _ in 0..3 {
        call(&telegram, "sendMessage", write.clone()).await;
    }
    let over = telegram.excesses(1000.0);
    assert!(over.iter().all(|it| it.conversation == "7" && it.count == 1), "{over:?}");
    assert_eq!((over.len(), telegram.repeats()[0].messages.len()), (1, 4));
}
