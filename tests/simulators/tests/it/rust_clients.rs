//! The two Rust libraries that Zaki itself talks through, which insist on what others let pass:
//! teloxide on every field of `getMe`, twilight-gateway on `zlib-stream` and the resume URL.

use futures::StreamExt as _;
use serde_json::Value;
use teloxide::prelude::*;
use teloxide::{ApiError, RequestError};
use twilight_gateway::{ConfigBuilder, Intents, Message, Shard, ShardId};
use zaki_simulators::discord::{self, Discord, How};
use zaki_simulators::telegram::{self, Telegram};
use zaki_simulators::{Fault, Simulator};

use crate::SOON;

#[tokio::test]
async fn teloxide() {
    let telegram = Telegram::start(telegram::Config::default()).await.unwrap();
    let url = telegram.url().parse().unwrap();
    let bot = Bot::new(telegram.token()).set_api_url(url);
    assert_eq!(bot.get_me().await.unwrap().username(), "zaki_sim_bot");

    telegram.say(&telegram::User::new(7, "Ada"), "hello");
    let sent = bot.send_message(ChatId(7), "hi 😀").await.unwrap();
    assert_eq!(sent.text(), Some("hi 😀"));
    let edited = bot.edit_message_text(ChatId(7), sent.id, "other").await.unwrap();
    assert_eq!(edited.text(), Some("other"));

    let same = bot.edit_message_text(ChatId(7), sent.id, "other").await;
    assert!(matches!(same, Err(RequestError::Api(ApiError::MessageNotModified))), "{same:?}");
    let long = bot.send_message(ChatId(7), "x".repeat(4097)).await;
    assert!(matches!(long, Err(RequestError::Api(ApiError::MessageIsTooLong))), "{long:?}");
    let empty = bot.send_message(ChatId(7), " ").await;
    assert!(matches!(empty, Err(RequestError::Api(ApiError::MessageTextIsEmpty))), "{empty:?}");
    let nowhere = bot.send_message(ChatId(8), "x").await;
    assert!(matches!(nowhere, Err(RequestError::Api(ApiError::ChatNotFound))), "{nowhere:?}");
    telegram.fail(None, 1, Fault::RateLimited { after_ms: 3000 });
    let limited = bot.send_message(ChatId(7), "x").await;
    assert!(matches!(limited, Err(RequestError::RetryAfter(s)) if s.seconds() == 3), "{limited:?}");
    let conflict = {
        telegram.set_webhook("http://127.0.0.1:9/", "s");
        bot.get_updates().await
    };
    assert!(conflict.is_err_and(|e| e.to_string().contains("webhook")));
}

/// The next dispatch of this kind, as raw JSON.
async fn next(shard: &mut Shard, kind: &str) -> Value {
    let found = async {
        loop {
            let Some(Ok(Message::Text(text))) = shard.next().await else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            if event["t"] == kind {
                return event["d"].clone();
            }
        }
    };
    tokio::time::timeout(SOON, found).await.unwrap()
}

#[tokio::test]
async fn twilight_gateway() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let discord = Discord::start(discord::Config::default()).await.unwrap();
    let config = ConfigBuilder::new(discord.token().to_owned(), Intents::DIRECT_MESSAGES)
        .proxy_url(discord.gateway_url())
        .build();
    let mut shard = Shard::with_config(ShardId::ONE, config);
    next(&mut shard, "READY").await;
    let ada = discord::User::new(2_000_000_000_000_000_001, "ada");
    discord.say(&ada, "hällo 😀");
    assert_eq!(next(&mut shard, "MESSAGE_CREATE").await["content"], "hällo 😀");

    discord.drop_sockets();
    discord.say(&ada, "while away");
    assert_eq!(next(&mut shard, "MESSAGE_CREATE").await["content"], "while away");
    next(&mut shard, "RESUMED").await;
    let seen: Vec<_> = discord.connections().all();
    assert!(seen.iter().all(|c| c.compressed), "{seen:?}");
    let how: Vec<_> = seen.iter().map(|c| (c.path.as_str(), c.how)).collect();
    assert_eq!(how, [("/gateway", How::Identified), ("/resume", How::Resumed { replayed: 1 })]);

    discord.invalidate(false);
    next(&mut shard, "READY").await;
    discord.reconnect();
    next(&mut shard, "RESUMED").await;
}
