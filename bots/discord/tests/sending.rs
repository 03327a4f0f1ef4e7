//! Every outbound against the simulated Discord, which refuses what Discord refuses; and
//! interactions over HTTP, from the signed request to the answer.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "short to write, safe to fail"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use zaki_channel::testkit;
use zaki_channel::{
    Arrival, Channel, ChannelError, Parse, Receipt, Recourse, Request, Retry, Webhook, fit,
};
use zaki_discord::{Config, Discord, Hook};
use zaki_envelope::{
    Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId, MediaRef,
    MessageId, Outbound, Part, Presence, Timestamp,
};
use zaki_simulators::discord::{self, Channel as Place, Interaction, User};
use zaki_simulators::{Act, Fault, Simulator};

const SOON: Duration = Duration::from_secs(30);

struct Bench {
    server: discord::Discord,
    bot: Discord,
    to: Address,
}

fn ada() -> User {
    User::new(7_000_000_000_000_000_007, "ada")
}

fn config(server: &discord::Discord) -> Config {
    let mut config = Config::new(server.token().into());
    config.api_base = format!("{}/api/v10", server.url());
    config.public_key = Some(server.public_key());
    config
}

fn key(n: u128) -> DeliveryId {
    DeliveryId::from_parts(Timestamp::from_ms(1_795_000_000_000), n)
}

impl Bench {
    async fn new() -> Self {
        let server = discord::Discord::start(discord::Config::default()).await.unwrap();
        let bot = Discord::new("main".parse().unwrap(), config(&server)).unwrap();
        let id = server.direct(&ada()).id.to_string();
        let conversation = Conversation::new(ConversationId::new(id), ConversationKind::Direct);
        let account = "main".parse().unwrap();
        let channel = ChannelKind::Discord;
        Self { server, bot, to: Address { channel, account, conversation, handle: None } }
    }

    async fn send(&self, outbound: Outbound) -> Result<Receipt, ChannelError> {
        self.bot.send(&self.to, &outbound, key(1)).await
    }

    async fn retry(&self, outbound: Outbound) -> Retry {
        self.send(outbound).await.unwrap_err().retry
    }

    fn reads(&self, message: &MessageId) -> Option<String> {
        let channel = self.to.conversation.id.as_str().parse().unwrap();
        self.server.text_of(channel, message.as_str().parse().unwrap())
    }

    fn called(&self) -> String {
        self.server.calls().last().unwrap().method
    }

    /// Takes the handle an arrival brought, as the ledger hands it out.
    fn hold(&mut self, arrival: &Arrival) {
        self.to = Address::of(&arrival.inbound);
        self.to.handle.clone_from(&arrival.handle);
    }

    fn use_up(&mut self) {
        self.to.handle.as_mut().unwrap().uses_left -= 1;
    }
}

impl testkit::Platform for Bench {
    fn address(&self) -> Address {
        self.to.clone()
    }

    fn lose_answer(&self) {
        self.server.fail(Some("create_message"), 1, Fault::LoseAnswer);
    }

    fn drop_call(&self) {
        self.server.fail(Some("create_message"), 1, Fault::Drop);
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
async fn a_message_pings_nobody_and_is_made_once() {
    let bench = Bench::new().await;
    let asked = bench.server.say(&ada(), "hi").message["id"].as_str().unwrap().to_owned();
    let reply = Outbound::Post {
        parts: vec![Part::text("@everyone **hi**")],
        reply_to: Some(MessageId::new(asked.clone())),
    };
    let first = bench.send(reply.clone()).await.unwrap();
    let sent = bench.server.sent().last().unwrap();
    assert_eq!(sent.text, "@everyone **hi**");
    assert_eq!(sent.reply_to, Some(asked));
    assert_eq!(sent.raw["allowed_mentions"]["parse"], json!([]));
    assert_eq!(sent.raw["flags"], 4);
    assert_eq!(sent.raw["nonce"].as_str().unwrap().len(), 25);
    let again = bench.send(reply.clone()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.server.sent().matching(|sent| sent.act == Act::Post).len(), 1);
    bench.bot.send(&bench.to, &reply, key(2)).await.unwrap();
    assert_eq!(bench.server.sent().matching(|sent| sent.act == Act::Post).len(), 2);
}

#[tokio::test]
async fn a_reply_to_a_message_that_is_gone_is_sent_all_the_same() {
    let bench = Bench::new().await;
    let reply_to = Some(MessageId::new("999"));
    bench.send(Outbound::Post { parts: vec![Part::text("hi")], reply_to }).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_may_be_repeated_without_a_second_message() {
    let bench = Bench::new().await;
    bench.server.fail(Some("create_message"), 1, Fault::LoseAnswer);
    assert_eq!(bench.retry(Outbound::post("hi")).await, Retry::Unknown);
    bench.send(Outbound::post("hi")).await.unwrap();
    assert_eq!(bench.server.sent().matching(|sent| sent.act == Act::Post).len(), 1);
}

#[tokio::test]
async fn edits_reactions_typing_and_deletion() {
    let bench = Bench::new().await;
    let target = bench.send(Outbound::post("one")).await.unwrap().message.unwrap();
    let edit = Outbound::Edit { target: target.clone(), parts: vec![Part::text("two")] };
    assert_eq!(bench.send(edit).await.unwrap().message, Some(target.clone()));
    assert_eq!(bench.reads(&target).unwrap(), "two");
    let react = Outbound::React { target: target.clone(), emoji: Some("👍".into()) };
    bench.send(react).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().text, "👍");
    bench.send(Outbound::React { target: target.clone(), emoji: None }).await.unwrap();
    let typing = Outbound::Presence { presence: Presence::Typing, about: None };
    bench.send(typing).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().act, Act::Typing);
    for _ in 0..2 {
        // A deletion repeated is a deletion done.
        bench.send(Outbound::Retract { target: target.clone() }).await.unwrap();
    }
    assert_eq!(bench.reads(&target), None);
}

#[tokio::test]
async fn limits_are_discords_own() {
    let bench = Bench::new().await;
    let capabilities = bench.bot.capabilities(ConversationKind::Direct);
    let longest = "😀".repeat(capabilities.text.max);
    bench.send(Outbound::post(longest.clone())).await.unwrap();
    assert_eq!(bench.retry(Outbound::post(longest + "!")).await, Retry::Never);
    for (n, piece) in (100..).zip(fit(Outbound::post("word ".repeat(3000)), &capabilities)) {
        bench.bot.send(&bench.to, &piece, key(n)).await.unwrap();
    }
}

#[tokio::test]
async fn failures_say_what_may_be_repeated() {
    let mut bench = Bench::new().await;
    let hi = || Outbound::post("hi");
    bench.server.fail(None, 1, Fault::rate_limited(Duration::from_millis(1500)));
    assert_eq!(bench.retry(hi()).await, Retry::AfterMs(1500));
    let tried = bench.server.calls().matching(|call| call.status == 429).len();
    assert_eq!(tried, 1, "one attempt is one request");
    for fault in [Fault::Status { code: 502 }, Fault::Drop] {
        bench.server.fail(None, 1, fault.clone());
        assert_eq!(bench.retry(hi()).await, Retry::Unknown, "{fault:?}");
    }
    for id in ["", "0", "x/../y", "999"] {
        bench.to.conversation.id = ConversationId::new(id);
        assert_eq!(bench.retry(hi()).await, Retry::Never, "{id:?}");
    }
    let mut wrong = config(&bench.server);
    wrong.token = "wr0ng.token".into();
    let bot = Discord::new("main".parse().unwrap(), wrong).unwrap();
    let error = bot.send(&bench.to, &hi(), key(1)).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    let said = format!("{error} {error:?}");
    assert!(said.contains("page Bot") && !said.contains("wr0ng"), "{said}");
}

#[tokio::test]
async fn nothing_listening_means_nothing_sent() {
    let mut config = Config::new("t".into());
    config.api_base = "http://127.0.0.1:1/api/v10".into();
    let bench = Bench::new().await;
    let bot = Discord::new("main".parse().unwrap(), config).unwrap();
    let error = bot.send(&bench.to, &Outbound::post("hi"), key(1)).await.unwrap_err();
    assert!(matches!(error.retry, Retry::AfterMs(_)));
}

/// The webhook on a socket, as the hub serves it; what arrived is kept.
struct Endpoint {
    url: String,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Endpoint {
    async fn of(config: Config) -> Self {
        let hook = Arc::new(Hook::new("main".parse().unwrap(), config));
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&arrivals);
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let (hook, kept) = (Arc::clone(&hook), Arc::clone(&kept));
            async move { receive(&hook, &kept, &headers, &body) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/discord/main", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, arrivals }
    }

    fn last(&self) -> Arrival {
        self.arrivals.lock().unwrap().last().cloned().unwrap()
    }
}

fn receive(hook: &Hook, kept: &Mutex<Vec<Arrival>>, headers: &HeaderMap, body: &[u8]) -> Response {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = Timestamp::from_ms(since.as_millis().try_into().unwrap());
    let request = Request { method: &Method::POST, route: "", query: "", headers, body };
    let Ok(verified) = request.verify(&hook.proof(), now) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let parsed = hook.parse(verified, now).unwrap();
    kept.lock().unwrap().extend(parsed.arrivals);
    ([(header::CONTENT_TYPE, parsed.answer.content_type)], parsed.answer.body).into_response()
}

async fn asked(bench: &mut Bench) -> (Endpoint, Interaction) {
    let endpoint = Endpoint::of(config(&bench.server)).await;
    bench.server.set_interactions_endpoint(&endpoint.url).await.unwrap();
    let channel = bench.server.direct(&ada());
    let interaction = bench.server.command(&channel, &ada(), "zaki", ("message", "hello")).await;
    assert_eq!(interaction.attempt.as_ref().unwrap().answer, json!({"type": 5}));
    bench.hold(&endpoint.last());
    (endpoint, interaction)
}

#[tokio::test]
async fn a_command_over_http_is_deferred_then_filled_in_then_followed_up() {
    let mut bench = Bench::new().await;
    asked(&mut bench).await;
    let first = bench.send(Outbound::post("one")).await.unwrap().message.unwrap();
    assert_eq!(bench.called(), "edit_original");
    let edit = Outbound::Edit { target: first.clone(), parts: vec![Part::text("one!")] };
    bench.send(edit).await.unwrap();
    assert_eq!(bench.called(), "edit_followup");
    assert_eq!(bench.reads(&first).unwrap(), "one!");
    bench.use_up();
    let second = bench.send(Outbound::post("two")).await.unwrap().message.unwrap();
    assert_eq!(bench.called(), "create_followup");
    assert_ne!(first, second);
    let raw = bench.server.sent().last().unwrap().raw;
    assert_eq!(raw["allowed_mentions"]["parse"], json!([]));
    for _ in 0..5 {
        bench.use_up();
    }
    bench.send(Outbound::post("three")).await.unwrap();
    assert_eq!(bench.called(), "create_message");
}

#[tokio::test]
async fn a_first_answer_that_may_be_there_is_filled_in_again_and_a_further_one_is_not() {
    let mut bench = Bench::new().await;
    asked(&mut bench).await;
    let post = Outbound::post("one");
    bench.server.fail(Some("edit_original"), 1, Fault::LoseAnswer);
    assert_eq!(bench.retry(post.clone()).await, Retry::Unknown);
    assert!(matches!(bench.bot.recourse(&bench.to, &post), Recourse::Repeat { .. }));
    let message = bench.send(post.clone()).await.unwrap().message.unwrap();
    assert_eq!(bench.reads(&message).unwrap(), "one");
    let shown = bench.server.sent().matching(zaki_simulators::Sent::has_text);
    let messages: std::collections::BTreeSet<_> =
        shown.into_iter().map(|sent| sent.message).collect();
    assert_eq!(messages.len(), 1, "it is one message");
    // Soon it would be an ordinary message.
    let expires_at = bench.to.handle.as_ref().unwrap().expires_at;
    bench.to.handle.as_mut().unwrap().expires_at = zaki_channel::now().plus_ms(60_000);
    assert_eq!(bench.bot.recourse(&bench.to, &post), Recourse::None);
    bench.to.handle.as_mut().unwrap().expires_at = expires_at;
    bench.use_up();
    assert_eq!(bench.bot.recourse(&bench.to, &post), Recourse::None);
}

#[tokio::test]
async fn bad_signatures_are_refused_as_discord_demands() {
    let mut bench = Bench::new().await;
    let (endpoint, _) = asked(&mut bench).await;
    assert_eq!(bench.server.probe().await.unwrap().status, Some(401));
    assert_eq!(endpoint.arrivals.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_expired_interaction_becomes_an_ordinary_message() {
    let mut bench = Bench::new().await;
    let (_endpoint, interaction) = asked(&mut bench).await;
    bench.server.expire(&interaction);
    bench.send(Outbound::post("late")).await.unwrap();
    assert_eq!(bench.called(), "create_message");
    let target = bench.send(Outbound::post("late")).await.unwrap().message.unwrap();
    let edit = Outbound::Edit { target, parts: vec![Part::text("later")] };
    bench.send(edit).await.unwrap();
    assert_eq!(bench.called(), "edit_message");
    bench.send(Outbound::Answer { text: None }).await.unwrap();
}

#[tokio::test]
async fn an_answer_faster_than_the_acknowledgement_waits_for_it() {
    let mut bench = Bench::new().await;
    // By the gateway, where nobody has acknowledged it yet.
    let channel = bench.server.direct(&ada());
    let made = bench.server.command(&channel, &ada(), "zaki", ("message", "hello")).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = Timestamp::from_ms(now.as_millis().try_into().unwrap());
    let application = bench.server.config().application_id;
    bench.to.handle = Some(zaki_envelope::ReplyHandle {
        secret: format!("{application}/{}", made.token),
        expires_at: now.plus_ms((15 * 60 - 10) * 1000),
        uses_left: 6,
    });
    assert!(matches!(bench.retry(Outbound::post("quick")).await, Retry::AfterMs(_)));
    assert!(bench.server.sent().matching(zaki_simulators::Sent::is_post).is_empty());
    // Much later it will never be acknowledged.
    bench.to.handle.as_mut().unwrap().expires_at = now.plus_ms(60_000);
    bench.send(Outbound::post("slow")).await.unwrap();
    assert_eq!(bench.called(), "create_message");
}

#[tokio::test]
async fn a_press_leaves_the_message_with_the_button_alone() {
    let mut bench = Bench::new().await;
    let (endpoint, _) = asked(&mut bench).await;
    let question = bench.send(Outbound::post("sure?")).await.unwrap().message.unwrap();
    let channel = bench.server.direct(&ada());
    let id = question.as_str().parse().unwrap();
    let press = bench.server.press(&channel, &ada(), id, "yes").await;
    assert_eq!(press.attempt.unwrap().answer, json!({"type": 6}));
    bench.hold(&endpoint.last());
    bench.send(Outbound::Answer { text: None }).await.unwrap();
    bench.send(Outbound::post("good")).await.unwrap();
    assert_eq!(bench.called(), "create_followup");
    assert_eq!(bench.reads(&question).unwrap(), "sure?");
}

#[tokio::test]
async fn a_command_can_be_closed_without_a_message() {
    let mut bench = Bench::new().await;
    asked(&mut bench).await;
    bench.send(Outbound::Answer { text: None }).await.unwrap();
    assert_eq!(bench.called(), "delete_original");
}

#[tokio::test]
async fn the_command_is_registered_with_its_option() {
    let bench = Bench::new().await;
    let help = ("help", "x".repeat(200));
    bench.bot.register_commands(&[help]).await.unwrap();
    let put = |call: &zaki_simulators::Call| call.method == "put_commands";
    let call = bench.server.calls().wait_for(put, SOON).await.unwrap();
    assert_eq!(call.status, 200);
    assert_eq!(call.body[0]["name"], "zaki");
    assert_eq!(call.body[0]["options"][0]["name"], "message");
    assert_eq!(call.body[0]["options"][0]["required"], true);
    assert_eq!(call.body[1]["name"], "help");
    assert_ne!(call.body[1]["options"][0]["required"], true, "it needs no words");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error() {
    let bench = Bench::new().await;
    for reference in ["", "attachment/1/2", "attachment/1/2/3", "https://x.example/a"] {
        assert!(bench.bot.fetch(&MediaRef::new(reference)).await.is_err(), "{reference:?}");
    }
}

#[tokio::test]
async fn a_file_is_fetched_by_the_ids_of_its_message() {
    let bench = Bench::new().await;
    let endpoint = Router::new().fallback(|| async { "bytes of a file" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.png", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, endpoint).await });
    let files = json!({"attachments": [{"id": "9", "filename": "a.png", "url": url}]});
    let place = bench.server.direct(&ada());
    let said = bench.server.say_in(&place, &ada(), "look", files);
    let reference = format!("attachment/{}/{}/9", place.id, said.message["id"].as_str().unwrap());
    let body = bench.bot.fetch(&MediaRef::new(reference)).await.unwrap();
    let chunks: Vec<_> = futures::TryStreamExt::try_collect(body).await.unwrap();
    assert_eq!(chunks.concat(), b"bytes of a file");
}

#[tokio::test]
async fn a_guild_is_answered_in_its_channel() {
    let mut bench = Bench::new().await;
    let hall = Place::in_guild(3_000, 3_001, "hall");
    bench.server.add_channel(&hall);
    bench.to.conversation.id = ConversationId::new("3001");
    bench.send(Outbound::post("hello all")).await.unwrap();
    assert_eq!(bench.server.sent().last().unwrap().conversation, "3001");
}
