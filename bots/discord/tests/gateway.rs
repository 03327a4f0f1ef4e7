//! The gateway against the simulated Discord: messages, resumes, interactions, the ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "short to write, safe to fail")]

mod inbox;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zaki_channel::{Channel, ChannelError, Retry, Source};
use zaki_discord::{Config, Discord, Gateway};
use zaki_envelope::{
    Address, ConversationKind, DeliveryId, Inbound, InboundKind, Outbound, Timestamp, plain_text,
};
use zaki_simulators::discord::{self, Channel as Place, Connected, How, User, intents};
use zaki_simulators::{Fault, Simulator};

use inbox::Memory;

const SOON: Duration = Duration::from_secs(30);

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ChannelError>>,
}

impl Running {
    fn of(config: Config, inbox: &Arc<Memory>) -> Self {
        // Two tests may race to be the first; either's is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let gateway = Gateway::new("main".parse().unwrap(), config).unwrap();
        let (stop, inbox) = (CancellationToken::new(), Arc::clone(inbox));
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { gateway.run(&*inbox, stop).await }
        });
        Self { stop, task }
    }

    async fn end(self) -> Result<(), ChannelError> {
        self.stop.cancel();
        self.ended().await
    }

    async fn ended(self) -> Result<(), ChannelError> {
        tokio::time::timeout(SOON, self.task).await.expect("it ends").unwrap()
    }
}

async fn server(config: discord::Config) -> discord::Discord {
    discord::Discord::start(config).await.unwrap()
}

fn config(server: &discord::Discord) -> Config {
    let mut config = Config::new(server.token().into());
    config.api_base = format!("{}/api/v10", server.url());
    config
}

fn ada() -> User {
    User::new(7_000_000_000_000_000_007, "ada")
}

fn hall() -> Place {
    Place::in_guild(3_000, 3_001, "hall")
}

fn texts(messages: &[Inbound]) -> Vec<String> {
    messages.iter().map(|inbound| plain_text(&inbound.parts)).collect()
}

async fn connected(server: &discord::Discord, count: usize) -> Vec<Connected> {
    server.connections().wait_for_count(count, |_| true, SOON).await.unwrap()
}

#[tokio::test]
async fn direct_messages_and_mentions_arrive() {
    let server = server(discord::Config::default()).await;
    server.add_channel(&hall());
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    assert_eq!(connected(&server, 1).await[0].how, How::Identified);
    let direct = server.say(&ada(), "hello");
    server.say_in(&hall(), &ada(), "not for the bot", json!({}));
    server.say_in(&hall(), &ada(), "@zaki what is up?", json!({}));
    let messages = inbox.messages(2).await;
    assert_eq!(texts(&messages), ["hello", "what is up?"]);
    assert!(messages.iter().all(|message| message.addressed));
    let kinds = [&messages[0], &messages[1]].map(|message| message.conversation.kind);
    assert_eq!(kinds, [ConversationKind::Direct, ConversationKind::Group]);
    let id = direct.message["id"].as_str().unwrap();
    assert_eq!(messages[0].dedupe.as_str(), format!("discord:{id}"));
    assert_eq!(messages[0].sender.id.as_str(), ada().id.to_string());
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_dropped_socket_resumes_at_the_resume_url_and_misses_nothing() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    server.say(&ada(), "one");
    inbox.messages(1).await;
    server.drop_sockets();
    server.say(&ada(), "two");
    assert_eq!(texts(&inbox.messages(2).await), ["one", "two"]);
    let connections = connected(&server, 2).await;
    assert_eq!(connections[1].path, "/resume");
    assert!(matches!(connections[1].how, How::Resumed { .. }));
    assert_eq!(connections[0].session, connections[1].session);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_restarted_program_resumes_its_session_from_the_stored_cursor() {
    let server = server(discord::Config::default()).await;
    server.add_channel(&hall());
    let inbox = Arc::new(Memory::new());
    let first = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    server.say(&ada(), "one");
    inbox.messages(1).await;
    first.end().await.unwrap();

    // While nobody listens; and who we are must be known without READY.
    server.say(&ada(), "two");
    server.say_in(&hall(), &ada(), "@zaki three", json!({}));
    let second = Running::of(config(&server), &inbox);
    assert_eq!(texts(&inbox.messages(3).await), ["one", "two", "three"]);
    let connections = connected(&server, 2).await;
    assert_eq!(connections[1].path, "/resume");
    assert_eq!(connections[1].how, How::Resumed { replayed: 2 });
    assert_eq!(connections[0].session, connections[1].session);
    second.end().await.unwrap();
}

#[tokio::test]
async fn what_the_store_refused_is_replayed_after_a_restart() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let first = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    server.say(&ada(), "one");
    inbox.messages(1).await;
    inbox.refuse(u32::MAX);
    server.say(&ada(), "two");
    inbox.until_refused(1).await;
    first.end().await.unwrap();
    inbox.refuse(0);
    let second = Running::of(config(&server), &inbox);
    assert_eq!(texts(&inbox.messages(2).await), ["one", "two"]);
    second.end().await.unwrap();
}

#[tokio::test]
async fn what_comes_while_the_store_is_busy_is_stored_together_and_in_order() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    inbox.refuse(u32::MAX);
    server.say(&ada(), "0");
    inbox.until_refused(1).await;
    let said: Vec<_> = (0..=40).map(|n| n.to_string()).collect();
    for text in &said[1..] {
        server.say(&ada(), text);
    }
    // Time enough for all of them to come.
    inbox.until_refused(4).await;
    inbox.refuse(0);
    assert_eq!(texts(&inbox.messages(said.len()).await), said);
    let batches = inbox.batches();
    assert!(batches.len() < said.len() / 2, "{} commits", batches.len());
    assert_eq!(inbox.stored_cursor(), batches.last().unwrap().cursor);
    let raw: Vec<_> = batches.iter().map(|batch| String::from_utf8_lossy(&batch.raw)).collect();
    let lines: usize = raw.iter().map(|raw| raw.lines().count()).sum();
    assert!(lines >= said.len(), "each event is kept as it came");
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_lost_session_starts_anew() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    server.say(&ada(), "one");
    inbox.messages(1).await;
    server.invalidate(false);
    let connections = connected(&server, 2).await;
    assert_eq!(connections[1].how, How::Identified);
    server.say(&ada(), "two");
    assert_eq!(texts(&inbox.messages(2).await), ["one", "two"]);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_stored_cursor_of_no_use_starts_anew() {
    let server = server(discord::Config::default()).await;
    for stored in [
        "garbage".to_owned(),
        json!({"session_id": "gone", "seq": 5, "resume_url": server.resume_url(), "bot_id": "1"})
            .to_string(),
        json!({"session_id": "gone", "seq": 5, "resume_url": "ws://127.0.0.1:1", "bot_id": "1"})
            .to_string(),
    ] {
        let inbox = Arc::new(Memory::new());
        inbox.set_cursor(&stored);
        let before = server.connections().matching(|it| it.how == How::Identified).len();
        let running = Running::of(config(&server), &inbox);
        let anew = server.connections();
        anew.wait_for_count(before + 1, |it| it.how == How::Identified, SOON).await.unwrap();
        server.say(&ada(), "hello");
        inbox.messages(1).await;
        running.end().await.unwrap();
    }
}

#[tokio::test]
async fn without_an_endpoint_commands_come_by_the_gateway_and_are_answered_by_rest() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let config = config(&server);
    let bot = Discord::new("main".parse().unwrap(), config.clone()).unwrap();
    bot.register_commands(&[]).await.unwrap();
    let running = Running::of(config, &inbox);
    connected(&server, 1).await;
    let channel = server.direct(&ada());
    server.command(&channel, &ada(), "zaki", ("message", "hello")).await;
    let callback = |call: &zaki_simulators::Call| call.method == "interaction_callback";
    let callback = server.calls().wait_for(callback, SOON).await.unwrap();
    assert_eq!((callback.status, &callback.body), (204, &json!({"type": 5})));
    let message = inbox.messages(1).await.remove(0);
    assert_eq!(message.kind, InboundKind::Command { name: "zaki".into() });
    assert_eq!(plain_text(&message.parts), "hello");

    let mut to = Address::of(&message);
    to.handle = inbox.handles().pop();
    let key = DeliveryId::from_parts(Timestamp::from_ms(1), 1);
    bot.send(&to, &Outbound::post("hi Ada"), key).await.unwrap();
    let original = server.calls().last().unwrap();
    assert_eq!((original.method.as_str(), original.status), ("edit_original", 200));
    running.end().await.unwrap();
}

#[tokio::test]
async fn an_interaction_is_acknowledged_only_once_it_is_stored() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    server.say(&ada(), "settle");
    inbox.messages(1).await;
    inbox.refuse(u32::MAX);
    let channel = server.direct(&ada());
    server.command(&channel, &ada(), "zaki", ("message", "hello")).await;
    // Time enough for an answer that did not wait.
    inbox.until_refused(2).await;
    let answered = || server.calls().matching(|call| call.method == "interaction_callback").len();
    assert_eq!(answered(), 0);
    inbox.refuse(0);
    inbox.messages(2).await;
    let callback = |call: &zaki_simulators::Call| call.method == "interaction_callback";
    server.calls().wait_for(callback, SOON).await.unwrap();
    running.end().await.unwrap();
}

#[tokio::test]
async fn trouble_before_the_first_connection_passes() {
    let server = server(discord::Config::default()).await;
    server.fail(Some("get_gateway"), 2, Fault::Status { code: 503 });
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_ends_it_with_the_mend() {
    let server = server(discord::Config::default()).await;
    let mut wrong = config(&server);
    wrong.token = "wr0ng.token".into();
    let error = Running::of(wrong, &Arc::new(Memory::new())).ended().await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    let said = format!("{error} {error:?}");
    assert!(said.contains("page Bot") && !said.contains("wr0ng"), "{said}");
}

#[tokio::test]
async fn intents_that_are_not_switched_on_end_it_with_the_mend() {
    let setup = discord::Config { privileged_intents: false, ..Default::default() };
    let server = server(setup).await;
    let mut greedy = config(&server);
    greedy.message_content = true;
    let error = Running::of(greedy, &Arc::new(Memory::new())).ended().await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert!(error.to_string().contains("Message Content Intent"), "{error}");

    let inbox = Arc::new(Memory::new());
    let modest = Running::of(config(&server), &inbox);
    server.say(&ada(), "hello");
    connected(&server, 1).await;
    modest.end().await.unwrap();
}

#[tokio::test]
async fn with_the_intent_all_messages_of_a_server_are_read() {
    let server = server(discord::Config::default()).await;
    server.add_channel(&hall());
    let inbox = Arc::new(Memory::new());
    let mut all = config(&server);
    all.message_content = true;
    let running = Running::of(all, &inbox);
    connected(&server, 1).await;
    server.say_in(&hall(), &ada(), "just talking", json!({}));
    let message = inbox.messages(1).await.remove(0);
    assert_eq!((plain_text(&message.parts).as_str(), message.addressed), ("just talking", false));
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_flood_of_events_of_no_use_still_moves_the_cursor() {
    let server = server(discord::Config::default()).await;
    let inbox = Arc::new(Memory::new());
    let running = Running::of(config(&server), &inbox);
    connected(&server, 1).await;
    for n in 0..120 {
        server.dispatch("PRESENCE_UPDATE", intents::GUILDS, &json!({"n": n}));
    }
    inbox.until(|batches| batches.len() >= 2).await;
    let batches = inbox.batches();
    assert!(batches.iter().all(|batch| batch.raw.is_empty() && batch.parsed.arrivals.is_empty()));
    let cursor: serde_json::Value = serde_json::from_str(&inbox.stored_cursor().unwrap()).unwrap();
    assert!(cursor["seq"].as_u64().unwrap() > 100, "{cursor}");
    running.end().await.unwrap();
}
