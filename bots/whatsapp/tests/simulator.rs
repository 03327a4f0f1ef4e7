//! The sending half against a simulated Graph, and what comes back of it.

#![allow(clippy::unwrap_used, reason = "an assertion may end a test")]

use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::json;
use zaki_channel::testkit::{self, question};
use zaki_channel::{Channel, ChannelError, Parse, Receipt, Retry, Verified, fit};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId,
    Inbound, InboundKind, MediaRef, MessageId, Outbound, Part, Presence, StatusKind, Timestamp,
};
use zaki_simulators::graph::{Config as World, Contact, Graph};
use zaki_simulators::{Act, Attempt, Fault, Simulator as _};
use zaki_whatsapp::{Config, Reader, WhatsApp};

const KEY: DeliveryId = DeliveryId::from_parts(Timestamp::from_secs(1_795_000_000), 7);

async fn start() -> (Graph, WhatsApp) {
    let graph = Graph::start(World::default()).await.unwrap();
    let whatsapp = channel(graph.url(), graph.token());
    (graph, whatsapp)
}

fn channel(base: &str, token: &str) -> WhatsApp {
    numbered(base, token, &World::default().phone_number_id)
}

fn numbered(base: &str, token: &str, number: &str) -> WhatsApp {
    let mut config = Config::new(token.into(), number, "s".into(), "v".into());
    base.clone_into(&mut config.api_base);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    WhatsApp::new(account(), &config, http)
}

fn account() -> AccountName {
    "main".parse().unwrap()
}

fn ann() -> Contact {
    Contact::new("4915100000001", "DE.1349", "Ann")
}

fn address(id: &str) -> Address {
    Address {
        channel: ChannelKind::WhatsApp,
        account: account(),
        conversation: Conversation::new(ConversationId::new(id), ConversationKind::Direct),
        handle: None,
    }
}

async fn say(whatsapp: &WhatsApp, to: &str, text: &str) -> Result<Receipt, ChannelError> {
    whatsapp.send(&address(to), &Outbound::post(text), KEY).await
}

fn retry<T>(result: Result<T, ChannelError>) -> Retry {
    result.map(|_| ()).unwrap_err().retry
}

#[tokio::test]
async fn numbers_and_business_scoped_ids_go_into_fields_of_their_own() {
    let (graph, whatsapp) = start().await;
    let receipt = say(&whatsapp, "DE.1349", "*hi*").await.unwrap();
    let sent = graph.sent().last().unwrap();
    assert_eq!(receipt.message.unwrap().as_str(), sent.message);
    assert_eq!(sent.raw["recipient"], "DE.1349");
    assert!(sent.raw["to"].is_null());
    assert_eq!(sent.raw["biz_opaque_callback_data"], KEY.to_string());
    assert_eq!(sent.raw["text"]["preview_url"], false);
    say(&whatsapp, "4915100000001", "hi").await.unwrap();
    let sent = graph.sent().last().unwrap();
    assert_eq!(sent.raw["to"], "4915100000001");
    assert!(sent.raw["recipient"].is_null());
}

#[tokio::test]
async fn a_message_is_answered_reacted_to_and_shown_as_being_worked_on() {
    let (graph, whatsapp) = start().await;
    let wamid = MessageId::new(graph.say(&ann(), "hello"));
    let to = address("DE.1349");
    let typing = Outbound::Presence { presence: Presence::Typing, about: Some(wamid.clone()) };
    whatsapp.send(&to, &typing, KEY).await.unwrap();
    let acts: Vec<Act> = graph.sent().all().iter().map(|sent| sent.act).collect();
    assert_eq!(acts, [Act::Read, Act::Typing]);
    let reply = Outbound::Post { parts: vec![Part::text("hi")], reply_to: Some(wamid.clone()) };
    whatsapp.send(&to, &reply, KEY).await.unwrap();
    assert_eq!(graph.sent().last().unwrap().reply_to.as_deref(), Some(wamid.as_str()));
    for emoji in [Some("👍".to_owned()), None] {
        let react = Outbound::React { target: wamid.clone(), emoji: emoji.clone() };
        whatsapp.send(&to, &react, KEY).await.unwrap();
        let sent = graph.sent().last().unwrap();
        assert_eq!((sent.act, sent.text), (Act::React, emoji.unwrap_or_default()));
    }
    let calls = graph.calls().len();
    let nothing = Outbound::Presence { presence: Presence::Typing, about: None };
    whatsapp.send(&to, &nothing, KEY).await.unwrap();
    assert_eq!(graph.calls().len(), calls);
}

#[tokio::test]
async fn long_replies_arrive_whole() {
    let (graph, whatsapp) = start().await;
    let capabilities = whatsapp.capabilities(ConversationKind::Direct);
    let pieces = fit(Outbound::post("😀😀 ".repeat(4000)), &capabilities);
    for piece in &pieces {
        whatsapp.send(&address("DE.1349"), piece, KEY).await.unwrap();
    }
    let words: usize = graph.sent().all().iter().map(|s| s.text.split(' ').count()).sum();
    assert_eq!(words, 4000);
}

#[tokio::test]
async fn failures_say_whether_the_call_may_be_repeated() {
    let (graph, whatsapp) = start().await;
    graph.fail(None, 1, Fault::rate_limited(Duration::from_secs(1)));
    assert_eq!(retry(say(&whatsapp, "DE.1", "x").await), Retry::AfterMs(2_000));
    for fault in [Fault::Status { code: 503 }, Fault::Drop, Fault::LoseAnswer] {
        graph.fail(Some("messages"), 1, fault.clone());
        let lost = say(&whatsapp, "DE.1", "x").await;
        assert_eq!(retry(lost), Retry::Unknown, "{fault:?}");
    }
    assert_eq!(retry(say(&whatsapp, "12", "x").await), Retry::Never);
    let stranger = channel(graph.url(), "wrong");
    assert_eq!(retry(say(&stranger, "DE.1", "x").await), Retry::Never);
    // A port that was just free: nothing listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = channel(&format!("http://{closed}"), "t");
    assert_eq!(retry(say(&nowhere, "DE.1", "x").await), Retry::AfterMs(1_000));
}

#[tokio::test]
async fn a_token_that_is_no_good_is_told_at_the_start() {
    let (graph, whatsapp) = start().await;
    whatsapp.check().await.unwrap();
    let refused = channel(graph.url(), "wrong").check().await.unwrap_err();
    assert_eq!(refused.retry, Retry::Never);
    assert!(refused.to_string().contains("make one for a system user"), "{refused}");
    // Graph says the same of a number that is none and of one that may not be read.
    numbered(graph.url(), graph.token(), "1").check().await.unwrap();
    graph.fail(Some("phone_number"), 1, Fault::Status { code: 503 });
    assert_eq!(retry(whatsapp.check().await), Retry::Unknown);
}

#[tokio::test]
async fn a_question_has_its_buttons_under_it_unless_it_is_long() {
    let (graph, whatsapp) = start().await;
    graph.say(&ann(), "hello");
    let to = address(&ann().user_id.unwrap());
    whatsapp.send(&to, &question("May I?"), KEY).await.unwrap();
    let call = graph.calls().last().unwrap();
    let buttons = &call.body["interactive"]["action"]["buttons"];
    assert_eq!((call.status, &buttons[0]["reply"]["id"]), (200, &json!("zaki:/approve 1")));
    assert_eq!(call.body["interactive"]["body"]["text"], "May I?");
    assert_eq!(call.body["biz_opaque_callback_data"], KEY.to_string());
    whatsapp.send(&to, &question(&"May I? ".repeat(200)), KEY).await.unwrap();
    assert_eq!(graph.calls().last().unwrap().body["type"], "text");
}

#[tokio::test]
async fn an_invitation_stands_in_the_chat_once_the_number_is_known() {
    let (graph, whatsapp) = start().await;
    let before = whatsapp.invitation("ABCD-2345").unwrap();
    assert_eq!((before.text.as_str(), before.url), ("/link ABCD-2345", None));
    whatsapp.check().await.unwrap();
    let invitation = whatsapp.invitation("ABCD-2345").unwrap();
    let number = &graph.config().display_phone_number;
    let url = format!("https://wa.me/{number}?text=%2Flink%20ABCD-2345");
    assert_eq!((invitation.url, invitation.prefilled), (Some(url), true));
    // A number whose facts may not be read is still one to write to.
    let unread = numbered(graph.url(), graph.token(), "1");
    unread.check().await.unwrap();
    assert_eq!(unread.invitation("A").unwrap().url, None);
}

#[tokio::test]
async fn the_number_of_an_invitation_is_its_digits() {
    let world = World { display_phone_number: "+1 555-078-3881".to_owned(), ..World::default() };
    let graph = Graph::start(world).await.unwrap();
    let whatsapp = channel(graph.url(), graph.token());
    whatsapp.check().await.unwrap();
    let url = whatsapp.invitation("A").unwrap().url.unwrap();
    assert!(url.starts_with("https://wa.me/15550783881?"), "{url}");
}

struct Bench {
    graph: Graph,
    /// Graph's webhook: what it reports is read from the simulator's record.
    _hook: tokio::task::JoinHandle<()>,
}

impl Bench {
    async fn new(graph: Graph) -> Self {
        let (url, hook) = webhook().await;
        graph.set_webhook(&url).await.unwrap();
        // Whoever never wrote is not written to.
        graph.say(&ann(), "hello");
        Self { graph, _hook: hook }
    }

    async fn status(&self, wanted: impl Fn(&InboundKind) -> bool) -> Option<Inbound> {
        let read = |attempt: &Attempt| {
            let reader = Reader::inspect().unwrap();
            let bytes = Verified::trusted("", &attempt.body);
            let arrivals = reader.parse(bytes, zaki_channel::now()).unwrap().arrivals;
            arrivals.into_iter().map(|arrival| arrival.inbound).find(|it| wanted(&it.kind))
        };
        let within = Duration::from_secs(10);
        let attempt = self.graph.attempts().wait_for(|it| read(it).is_some(), within).await.ok()?;
        read(&attempt)
    }
}

#[async_trait]
impl testkit::Platform for Bench {
    fn address(&self) -> Address {
        address("DE.1349")
    }

    fn lose_answer(&self) {
        self.graph.fail(Some("messages"), 1, Fault::LoseAnswer);
    }

    fn drop_call(&self) {
        self.graph.fail(Some("messages"), 1, Fault::Drop);
    }

    fn shown(&self, text: &str) -> usize {
        self.graph.sent().matching(|sent| sent.text == text).len()
    }

    async fn report(&self, key: DeliveryId) -> Option<Inbound> {
        let names = |kind: &InboundKind| matches!(kind, InboundKind::Status { delivery, .. } if *delivery == Some(key));
        self.status(names).await
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_twice() {
    let (graph, whatsapp) = start().await;
    testkit::recourse(&whatsapp, &Bench::new(graph).await).await;
}

#[tokio::test]
async fn a_message_that_fails_after_it_was_taken_is_told_by_its_status() {
    let (graph, whatsapp) = start().await;
    let bench = Bench::new(graph).await;
    bench.graph.close_window(&ann());
    say(&whatsapp, "DE.1349", "too late").await.unwrap();
    let is_failed =
        |kind: &InboundKind| matches!(kind, InboundKind::Status { status: StatusKind::Failed, .. });
    let failed = bench.status(is_failed).await.unwrap();
    let InboundKind::Status { delivery, reason, .. } = failed.kind else { unreachable!() };
    assert_eq!(delivery, Some(KEY));
    assert_eq!(reason.as_deref(), Some("131047 Re-engagement message"));
}

/// A server that answers a GET with its challenge, and a POST with nothing.
async fn webhook() -> (String, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serve = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 65_536];
            let length = stream.read(&mut bytes).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes[..length]);
            let challenge = text.split("hub.challenge=").nth(1);
            let body = challenge.and_then(|rest| rest.split(['&', ' ']).next()).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
            let answer = format!("{head}connection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    };
    (url, tokio::spawn(serve))
}

#[tokio::test]
async fn errors_hold_neither_text_nor_token() {
    let (graph, whatsapp) = start().await;
    for fault in [Fault::Drop, Fault::Status { code: 400 }] {
        graph.fail(None, 1, fault);
        let error = say(&whatsapp, "DE.1", "hush").await.unwrap_err();
        let printed = format!("{error:?} {error}");
        assert!(!printed.contains("hush") && !printed.contains(graph.token()), "{printed}");
    }
}

#[tokio::test]
async fn media_are_fetched_by_their_id() {
    let (graph, whatsapp) = start().await;
    let id = graph.put_media("image/png", b"pixels".to_vec());
    let body = whatsapp.fetch(&MediaRef::new(id)).await.unwrap();
    let chunks: Vec<_> = body.try_collect().await.unwrap();
    assert_eq!(chunks.concat(), b"pixels");
    let calls = graph.calls().len();
    for media in ["", "../106/messages", "1?x=2"] {
        let fetched = whatsapp.fetch(&MediaRef::new(media)).await;
        assert_eq!(retry(fetched), Retry::Never, "{media:?}");
    }
    assert_eq!(graph.calls().len(), calls, "no other object is asked for");
    assert_eq!(retry(whatsapp.fetch(&MediaRef::new("404")).await), Retry::Never);
}

#[tokio::test]
async fn what_is_sent_cannot_be_changed() {
    let (graph, whatsapp) = start().await;
    let target = MessageId::new("wamid.1");
    let edit = Outbound::Edit { target, parts: vec![Part::text("new")] };
    let capabilities = whatsapp.capabilities(ConversationKind::Direct);
    assert_eq!(fit(edit.clone(), &capabilities), [Outbound::post("new")]);
    let refused = whatsapp.send(&address("DE.1"), &edit, KEY).await;
    assert_eq!(retry(refused), Retry::Never);
    assert!(graph.calls().is_empty());
}
