//! Every outbound against the simulated Bot API, which refuses what Telegram refuses.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "short to write, safe to fail"
)]

use std::time::Duration;

use futures::TryStreamExt;
use serde_json::json;
use zaki_channel::testkit::{self, question};
use zaki_channel::{Channel, ChannelError, Receipt, Retry, Support, fit};
use zaki_envelope::{
    Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId, MediaRef,
    MessageId, Outbound, Presence, ReplyHandle, ThreadId, Timestamp,
};
use zaki_simulators::telegram::{self, Chat, User};
use zaki_simulators::{Act, Fault, Simulator};
use zaki_telegram::{Config, Telegram};

struct Bench {
    server: telegram::Telegram,
    bot: Telegram,
    to: Address,
}

const ADA: i64 = 7;

impl Bench {
    async fn new() -> Self {
        let server = telegram::Telegram::start(telegram::Config::default()).await.unwrap();
        let mut config = Config::new(server.token().into());
        server.url().clone_into(&mut config.api_base);
        config.webhook_secret = Some("s3cret".into());
        let bot = Telegram::new("main".parse().unwrap(), config).unwrap();
        server.introduce(&Chat::private(&User::new(ADA, "Ada")));
        let to = address(ADA, None);
        Self { server, bot, to }
    }

    async fn send(&self, outbound: Outbound) -> Result<Receipt, ChannelError> {
        self.bot.send(&self.to, &outbound, DeliveryId::from_parts(Timestamp::from_ms(1), 1)).await
    }

    async fn retry(&self, outbound: Outbound) -> Retry {
        self.send(outbound).await.unwrap_err().retry
    }
}

fn address(chat: i64, thread: Option<i64>) -> Address {
    Address {
        channel: ChannelKind::Telegram,
        account: "main".parse().unwrap(),
        conversation: Conversation {
            id: ConversationId::new(chat.to_string()),
            kind: ConversationKind::Direct,
            thread: thread.map(|thread| ThreadId::new(thread.to_string())),
            space: None,
        },
        handle: None,
    }
}

#[tokio::test]
async fn a_reply_in_a_topic_with_formatting() {
    let mut bench = Bench::new().await;
    let forum = Chat::forum(-1007, "T");
    let update = bench.server.say_in(&forum, &User::new(ADA, "Ada"), "hi", json!({}));
    let asked = bench.server.message_id(update).unwrap();
    bench.to = address(-1007, Some(3));
    let mut pieces = fit(
        Outbound::Post {
            parts: vec![zaki_envelope::Part::text("**bold** & <b>")],
            reply_to: Some(MessageId::new(asked.to_string())),
        },
        &bench.bot.capabilities(ConversationKind::Group),
    );
    let receipt = bench.send(pieces.remove(0)).await.unwrap();
    let sent = bench.server.sent().last().unwrap();
    assert_eq!(sent.text, "bold & <b>");
    assert_eq!((sent.thread.as_deref(), sent.reply_to), (Some("3"), Some(asked.to_string())));
    assert_eq!(receipt.message.unwrap().as_str(), sent.message);
    assert_eq!(sent.raw["link_preview_options"]["is_disabled"], true);
    assert_eq!(bench.server.calls().last().unwrap().method, "sendMessage");
}

#[tokio::test]
async fn a_reply_to_a_message_that_is_gone_is_sent_all_the_same() {
    let bench = Bench::new().await;
    let parts = vec![zaki_envelope::Part::text("hi")];
    let reply_to = Some(MessageId::new("999"));
    bench.send(Outbound::Post { parts, reply_to }).await.unwrap();
}

#[tokio::test]
async fn edits_reactions_typing_and_deletion() {
    let bench = Bench::new().await;
    let target = bench.send(Outbound::post("one")).await.unwrap().message.unwrap();
    let id: i64 = target.as_str().parse().unwrap();
    let edit =
        Outbound::Edit { target: target.clone(), parts: vec![zaki_envelope::Part::text("two")] };
    bench.send(edit.clone()).await.unwrap();
    assert_eq!(bench.server.text_of(ADA, id).unwrap(), "two");
    // The same again is "not modified", which is as it should be.
    assert_eq!(bench.send(edit).await.unwrap().message, Some(target.clone()));
    let react = |emoji: Option<&str>| Outbound::React {
        target: target.clone(),
        emoji: emoji.map(str::to_owned),
    };
    bench.send(react(Some("👍"))).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().text, "👍");
    bench.send(react(None)).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().text, "");
    let typing = Outbound::Presence { presence: Presence::Typing, about: None };
    bench.send(typing).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().act, Act::Typing);
    for _ in 0..2 {
        // A deletion repeated is a deletion done.
        bench.send(Outbound::Retract { target: target.clone() }).await.unwrap();
    }
    assert_eq!(bench.server.text_of(ADA, id), None);
}

#[tokio::test]
async fn a_press_is_answered_by_its_handle() {
    let mut bench = Bench::new().await;
    let ada = User::new(ADA, "Ada");
    let message = bench.send(Outbound::post("sure?")).await.unwrap().message.unwrap();
    let id = message.as_str().parse().unwrap();
    bench.server.press(&Chat::private(&ada), &ada, id, "yes");
    let answer = Outbound::Answer { text: Some("done".into()) };
    bench.send(answer.clone()).await.unwrap();
    assert!(bench.server.sent().matching(|sent| sent.act == Act::Answer).is_empty());
    let updates: serde_json::Value = bench.server.get_updates().await;
    let secret = updates["result"][0]["callback_query"]["id"].as_str().unwrap().to_owned();
    let expires_at = Timestamp::from_ms(i64::MAX);
    bench.to.handle = Some(ReplyHandle { secret, expires_at, uses_left: 1 });
    bench.send(answer.clone()).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().text, "done");
    assert_eq!(bench.retry(answer).await, Retry::Never);
}

/// What the simulator would give a poller.
trait Updates {
    async fn get_updates(&self) -> serde_json::Value;
}

impl Updates for telegram::Telegram {
    async fn get_updates(&self) -> serde_json::Value {
        let url = format!("{}/bot{}/getUpdates", self.url(), self.token());
        let body = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

#[tokio::test]
async fn limits_are_telegrams_own() {
    let bench = Bench::new().await;
    let limit = bench.bot.capabilities(ConversationKind::Direct).text;
    let longest = "😀".repeat(limit.max / 2);
    bench.send(Outbound::post(longest.clone())).await.unwrap();
    assert_eq!(bench.retry(Outbound::post(longest + "!")).await, Retry::Never);
    let much = fit(
        Outbound::post("word ".repeat(5000)),
        &bench.bot.capabilities(ConversationKind::Direct),
    );
    assert!(much.len() > 5);
    for piece in much {
        bench.send(piece).await.unwrap();
    }
    assert_eq!(bench.bot.capabilities(ConversationKind::Channel).typing, Support::Dropped);
}

#[tokio::test]
async fn failures_say_what_may_be_repeated() {
    let bench = Bench::new().await;
    let hi = || Outbound::post("hi");
    bench.server.fail(None, 1, Fault::rate_limited(Duration::from_secs(7)));
    assert_eq!(bench.retry(hi()).await, Retry::AfterMs(7000));
    for fault in [Fault::Status { code: 502 }, Fault::Drop, Fault::LoseAnswer] {
        bench.server.fail(None, 1, fault.clone());
        assert_eq!(bench.retry(hi()).await, Retry::Unknown, "{fault:?}");
    }
    assert_eq!(bench.retry(Outbound::post("<b>open")).await, Retry::Never);
    bench.server.block(&User::new(ADA, "Ada"));
    let blocked = bench.send(hi()).await.unwrap_err();
    assert_eq!(blocked.retry, Retry::Never);
    assert!(blocked.to_string().contains("403"), "{blocked}");
    bench.server.stop();
    assert!(matches!(bench.retry(hi()).await, Retry::AfterMs(_) | Retry::Unknown));
}

impl testkit::Platform for Bench {
    fn address(&self) -> Address {
        self.to.clone()
    }

    fn lose_answer(&self) {
        self.server.fail(Some("sendMessage"), 1, Fault::LoseAnswer);
    }

    fn drop_call(&self) {
        self.server.fail(Some("sendMessage"), 1, Fault::Drop);
    }

    fn shown(&self, text: &str) -> usize {
        self.server.sent().matching(|sent| sent.text == text).len()
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_twice() {
    let bench = Bench::new().await;
    testkit::recourse(&bench.bot, &bench).await;
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_followed() {
    let mut bench = Bench::new().await;
    let group = Chat::basic_group(-5, "G");
    bench.server.introduce(&group);
    bench.to = address(-5, None);
    bench.send(Outbound::post("before")).await.unwrap();
    bench.server.upgrade(&group, &User::new(ADA, "Ada"), -1_005);
    let refused = bench.send(Outbound::post("after")).await.unwrap_err();
    assert_eq!(refused.retry, Retry::Never);
    let moved = refused.moved.unwrap();
    assert_eq!(moved.as_str(), "-1005");
    bench.to.conversation.id = moved;
    bench.send(Outbound::post("after")).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().conversation, "-1005");
}

#[tokio::test]
async fn nothing_listening_means_nothing_sent_and_no_token_in_the_error() {
    let mut config = Config::new("42:S3cret".into());
    config.api_base = "http://127.0.0.1:1".into();
    let bot = Telegram::new("main".parse().unwrap(), config).unwrap();
    let key = DeliveryId::from_parts(Timestamp::from_ms(1), 1);
    let error = bot.send(&address(ADA, None), &Outbound::post("hi"), key).await.unwrap_err();
    assert!(matches!(error.retry, Retry::AfterMs(_)));
    let said = format!("{error} {error:?}");
    assert!(!said.contains("S3cret") && !said.contains("127.0.0.1:1/"), "{said}");
}

#[tokio::test]
async fn an_address_of_somebody_else_is_refused() {
    let mut bench = Bench::new().await;
    for id in ["", "C012AB3CD", "@ada"] {
        bench.to.conversation.id = ConversationId::new(id);
        assert_eq!(bench.retry(Outbound::post("hi")).await, Retry::Never);
    }
}

#[tokio::test]
async fn a_question_has_its_buttons_under_it() {
    let bench = Bench::new().await;
    bench.send(question("May I?")).await.unwrap();
    let call = bench.server.calls().last().unwrap();
    let markup = &call.body["reply_markup"]["inline_keyboard"];
    let yes = json!({"text": "Yes", "callback_data": "zaki:/approve 1"});
    let no = json!({"text": "No", "callback_data": "zaki:/deny 1"});
    assert_eq!((call.status, markup), (200, &json!([[yes, no]])));
    assert_eq!(bench.server.sent().last().unwrap().text, "May I?");
}

#[tokio::test]
async fn commands_are_offered_by_telegrams_clients() {
    let bench = Bench::new().await;
    let link = ("link", "x".repeat(300));
    bench.bot.register_commands(&[("help", "What I can do".to_owned()), link]).await.unwrap();
    let call = bench.server.calls().last().unwrap();
    assert_eq!((call.method.as_str(), call.status), ("setMyCommands", 200));
    assert_eq!(call.body["commands"][0]["command"], "help");
    assert_eq!(call.body["commands"][1]["description"].as_str().unwrap().len(), 256);
}

#[tokio::test]
async fn an_invitation_is_a_link_once_the_bot_knows_its_name() {
    let bench = Bench::new().await;
    let before = bench.bot.invitation("ABCD-2345").unwrap();
    assert_eq!(
        (before.text.as_str(), before.url, before.prefilled),
        ("/link ABCD-2345", None, false)
    );
    bench.bot.learn().await.unwrap();
    let invitation = bench.bot.invitation("ABCD-2345").unwrap();
    let name = telegram::Config::default().username;
    assert_eq!(invitation.url, Some(format!("https://t.me/{name}?start=ABCD-2345")));
    assert!(invitation.prefilled);
    for odd in ["", "a b", "a&b=c", &"a".repeat(65)] {
        assert_eq!(bench.bot.invitation(odd).unwrap().url, None, "{odd:?} is no payload");
    }
    assert!(!format!("{invitation:?}").contains("ABCD"), "a code is not logged");
}

#[tokio::test]
async fn a_file_is_fetched_by_its_id() {
    let bench = Bench::new().await;
    bench.server.put_file("f1", "photos/a.jpg", vec![7; 100_000]);
    let body = bench.bot.fetch(&MediaRef::new("f1")).await.unwrap();
    let chunks: Vec<_> = body.try_collect().await.unwrap();
    assert_eq!(chunks.concat(), vec![7; 100_000]);
    assert!(bench.bot.fetch(&MediaRef::new("none")).await.is_err());
}

#[tokio::test]
async fn the_webhook_is_set_with_its_secret_and_all_kinds() {
    let bench = Bench::new().await;
    bench.bot.set_webhook("https://zaki.example/webhooks/telegram/main").await.unwrap();
    let call = bench.server.calls().matching(|call| call.method == "setWebhook").remove(0);
    assert_eq!(call.body["secret_token"], "s3cret");
    let kinds = call.body["allowed_updates"].as_array().unwrap();
    assert!(kinds.contains(&json!("message_reaction")) && kinds.contains(&json!("chat_member")));
    bench.bot.delete_webhook().await.unwrap();
}
