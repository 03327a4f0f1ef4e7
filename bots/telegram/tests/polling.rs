//! Long polling against the simulated Bot API, end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "short to write, safe to fail")]

mod inbox;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zaki_channel::{ChannelError, Retry, Source};
use zaki_envelope::{InboundKind, plain_text};
use zaki_simulators::telegram::{self, Chat, User};
use zaki_simulators::{Fault, Simulator};
use zaki_telegram::{Config, Poll};

use inbox::Memory;

const SOON: Duration = Duration::from_secs(30);

struct Polling {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ChannelError>>,
}

impl Polling {
    fn of(config: Config, inbox: &Arc<Memory>) -> Self {
        let poll = Poll::new("main".parse().unwrap(), config).unwrap();
        let (stop, inbox) = (CancellationToken::new(), Arc::clone(inbox));
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { poll.run(&*inbox, stop).await }
        });
        Self { stop, task }
    }

    async fn end(self) -> Result<(), ChannelError> {
        self.stop.cancel();
        // Less than the 30 s for which Telegram holds an empty answer back.
        tokio::time::timeout(SOON / 3, self.task).await.expect("it stops").unwrap()
    }
}

async fn server() -> telegram::Telegram {
    telegram::Telegram::start(telegram::Config::default()).await.unwrap()
}

fn config(server: &telegram::Telegram) -> Config {
    let mut config = Config::new(server.token().into());
    server.url().clone_into(&mut config.api_base);
    config
}

fn texts(messages: &[zaki_envelope::Inbound]) -> Vec<String> {
    messages.iter().map(|inbound| plain_text(&inbound.parts)).collect()
}

#[tokio::test]
async fn messages_arrive_once_and_the_offset_outlives_the_program() {
    let server = server().await;
    let inbox = Arc::new(Memory::new());
    let ada = User::new(7, "Ada");
    server.say(&ada, "one");
    let first = Polling::of(config(&server), &inbox);
    assert_eq!(texts(&inbox.messages(1).await), ["one"]);
    let second = server.say(&ada, "two");
    inbox.messages(2).await;
    first.end().await.unwrap();
    let cursor = inbox.stored_cursor().unwrap();
    assert!(cursor.starts_with(&format!("4200000001:{}:", second + 1)), "{cursor}");

    server.say(&ada, "three");
    let again = Polling::of(config(&server), &inbox);
    let messages = inbox.messages(3).await;
    assert_eq!(texts(&messages), ["one", "two", "three"]);
    let expected = format!("telegram:4200000001:{second}");
    assert_eq!(messages[1].dedupe.as_str(), expected);
    again.end().await.unwrap();
}

#[tokio::test]
async fn a_webhook_left_behind_is_removed_and_the_name_is_learned() {
    let server = server().await;
    server.set_webhook("http://127.0.0.1:9/", "old-secret");
    let inbox = Arc::new(Memory::new());
    let polling = Polling::of(config(&server), &inbox);
    let group = Chat::group(-1007, "T");
    server.calls().wait_for(|call| call.method == "deleteWebhook", SOON).await.unwrap();
    server.say_in(&group, &User::new(7, "Ada"), "@zaki_sim_bot hello", json!({}));
    server.say_in(&group, &User::new(7, "Ada"), "just talking", json!({}));
    let messages = inbox.messages(2).await;
    assert_eq!(texts(&messages), ["hello", "just talking"]);
    assert_eq!([messages[0].addressed, messages[1].addressed], [true, false]);
    polling.end().await.unwrap();
}

#[tokio::test]
async fn a_refusing_store_gets_the_same_update_again_in_order() {
    let server = server().await;
    let inbox = Arc::new(Memory::new());
    inbox.refuse(3);
    let ada = User::new(7, "Ada");
    for text in ["one", "two", "three"] {
        server.say(&ada, text);
    }
    let polling = Polling::of(config(&server), &inbox);
    assert_eq!(texts(&inbox.messages(3).await), ["one", "two", "three"]);
    polling.end().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_as_dead_and_blocks_nobody() {
    let server = server().await;
    let inbox = Arc::new(Memory::new());
    server.push("message", &json!({"message_id": "not a number", "text": "poison"}));
    server.push("hologram", &json!({"depth": 3}));
    server.say(&User::new(7, "Ada"), "after it");
    let polling = Polling::of(config(&server), &inbox);
    let messages = inbox.messages(2).await;
    assert_eq!(messages[0].kind, InboundKind::Other { name: "hologram".into() });
    assert_eq!(plain_text(&messages[1].parts), "after it");
    let dead: Vec<_> = inbox.batches().into_iter().flat_map(|batch| batch.parsed.dead).collect();
    assert_eq!(dead.len(), 1);
    assert!(String::from_utf8_lossy(&dead[0].raw).contains("poison"));
    assert!(!dead[0].reason.contains("poison"));
    polling.end().await.unwrap();
}

/// A server that answers every `getUpdates` with `updates`, and everything else with `true`.
async fn odd_server(updates: &'static str) -> String {
    let app = axum::Router::new().fallback(move |uri: http::Uri| async move {
        let result = if uri.path().ends_with("getUpdates") { updates } else { "true" };
        format!(r#"{{"ok":true,"result":{result}}}"#)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn what_is_no_update_at_all_is_kept_too() {
    let updates = r#"[7, {"no": "number"}, {"update_id": 9, "poll": {}}]"#;
    let mut config = Config::new("42:key".into());
    config.api_base = odd_server(updates).await;
    let inbox = Arc::new(Memory::new());
    let polling = Polling::of(config, &inbox);
    inbox.messages(1).await;
    polling.end().await.unwrap();
    let batches = inbox.batches();
    let dead = batches.iter().take(2).map(|batch| batch.parsed.dead.len());
    assert_eq!(dead.collect::<Vec<_>>(), [1, 1]);
    assert_eq!(batches[1].parsed.dead[0].raw, br#"{"no": "number"}"#);
}

#[tokio::test]
async fn trouble_passes() {
    let server = server().await;
    let inbox = Arc::new(Memory::new());
    server.fail(Some("getMe"), 1, Fault::Status { code: 502 });
    server.fail(Some("getUpdates"), 1, Fault::Drop);
    server.fail(Some("getUpdates"), 1, Fault::Status { code: 500 });
    server.say(&User::new(7, "Ada"), "hello");
    let polling = Polling::of(config(&server), &inbox);
    assert_eq!(texts(&inbox.messages(1).await), ["hello"]);
    polling.end().await.unwrap();
}

#[tokio::test]
async fn two_pollers_are_told_apart_from_a_broken_line() {
    let server = server().await;
    let inbox = Arc::new(Memory::new());
    let first = Polling::of(config(&server), &inbox);
    let second = Polling::of(config(&server), &inbox);
    let conflict = server.calls().wait_for(|call| call.status == 409, SOON).await.unwrap();
    assert_eq!(conflict.method, "getUpdates");
    first.end().await.unwrap();
    server.say(&User::new(7, "Ada"), "hello");
    assert_eq!(texts(&inbox.messages(1).await), ["hello"]);
    second.end().await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_ends_it_with_the_mend() {
    let server = server().await;
    let mut config = config(&server);
    config.token = "4200000001:wrong".into();
    let polling = Polling::of(config, &Arc::new(Memory::new()));
    let error = tokio::time::timeout(SOON, polling.task).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    let said = format!("{error} {error:?}");
    assert!(said.contains("@BotFather") && !said.contains("wrong"), "{said}");
}

#[tokio::test]
async fn stopping_does_not_wait_for_the_poll() {
    let server = server().await;
    let polling = Polling::of(config(&server), &Arc::new(Memory::new()));
    server.calls().wait_for(|call| call.method == "deleteWebhook", SOON).await.unwrap();
    polling.end().await.unwrap();
}
