//! Both halves against a simulated Slack: what it sends is read, what we send it takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an assertion may end a test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::TryStreamExt;
use http::{HeaderMap, Method};
use serde_json::json;
use zaki_channel::testkit;
use zaki_channel::{
    Arrival, Channel, ChannelError, Evidence, Receipt, Request, Retry, Webhook, fit,
};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId,
    MediaRef, MessageId, Outbound, Part, Presence, ReplyHandle, ThreadId, Timestamp,
};
use zaki_simulators::slack::{Config as World, Slack as Simulator};
use zaki_simulators::{Act, Fault, Simulator as _};
use zaki_slack::{Config, Hook, Slack};

const KEY: DeliveryId = DeliveryId::from_parts(Timestamp::from_secs(1_795_000_000), 7);

async fn start() -> (Simulator, Slack) {
    let simulator = Simulator::start(World::default()).await.unwrap();
    simulator.introduce("U1", "ann");
    simulator.add_channel("C1", "general");
    let slack = channel(&simulator.api_url(), simulator.token());
    (simulator, slack)
}

fn account() -> AccountName {
    "main".parse().unwrap()
}

fn channel(base: &str, token: &str) -> Slack {
    let mut config = Config::new(token.into(), "secret".into());
    base.clone_into(&mut config.api_base);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Slack::new(account(), &config, http)
}

fn address(channel: &str, thread: Option<&str>) -> Address {
    Address {
        channel: ChannelKind::Slack,
        account: account(),
        conversation: Conversation {
            id: ConversationId::new(channel),
            kind: ConversationKind::Group,
            thread: thread.map(ThreadId::new),
            space: None,
        },
        handle: None,
    }
}

async fn say(slack: &Slack, to: &Address, text: &str) -> Result<Receipt, ChannelError> {
    slack.send(to, &Outbound::post(text), KEY).await
}

fn retry<T>(result: Result<T, ChannelError>) -> Retry {
    result.map(|_| ()).unwrap_err().retry
}

#[tokio::test]
async fn a_message_is_posted_edited_reacted_to_and_taken_back() {
    let (simulator, slack) = start().await;
    let to = address("C1", None);
    let target = say(&slack, &to, "*hi* &amp; <https://e.org|site>").await.unwrap();
    let target = target.message.unwrap();
    let posted = simulator.sent().last().unwrap();
    assert_eq!((posted.act, posted.message.as_str()), (Act::Post, target.as_str()));
    assert_eq!(posted.raw["metadata"]["event_type"], "zaki_delivery");
    assert_eq!(posted.raw["metadata"]["event_payload"]["delivery"], KEY.to_string());
    assert_eq!(posted.raw["unfurl_links"], false);

    let edit = Outbound::Edit { target: target.clone(), parts: vec![Part::text("better")] };
    slack.send(&to, &edit, KEY).await.unwrap();
    assert_eq!(simulator.text_of("C1", target.as_str()).unwrap(), "better");

    let react = Outbound::React { target: target.clone(), emoji: Some("👀".to_owned()) };
    for _ in 0..2 {
        slack.send(&to, &react, KEY).await.unwrap();
    }
    assert_eq!(simulator.sent().last().unwrap().text, "eyes");

    let retract = Outbound::Retract { target };
    for _ in 0..2 {
        slack.send(&to, &retract, KEY).await.unwrap();
    }
    assert_eq!(simulator.sent().last().unwrap().act, Act::Retract);
    let typing = Outbound::Presence { presence: Presence::Typing, about: None };
    slack.send(&to, &typing, KEY).await.unwrap();
}

#[tokio::test]
async fn who_waits_sees_a_reaction_until_the_answer_is_there() {
    let (simulator, slack) = start().await;
    let to = address("C1", None);
    let about = say(&slack, &to, "a question").await.unwrap().message;
    for (presence, seen) in [(Presence::Typing, "eyes"), (Presence::Done, "")] {
        for _ in 0..2 {
            let sign = Outbound::Presence { presence, about: about.clone() };
            slack.send(&to, &sign, KEY).await.unwrap();
            let last = simulator.sent().last().unwrap();
            assert_eq!((last.act, last.text.as_str()), (Act::React, seen));
        }
    }
}

#[tokio::test]
async fn replies_go_into_the_thread_and_to_people_in_private() {
    let (simulator, slack) = start().await;
    say(&slack, &address("C1", Some("1795000000.000100")), "in thread").await.unwrap();
    let sent = simulator.sent().last().unwrap();
    assert_eq!(sent.thread.as_deref(), Some("1795000000.000100"));
    say(&slack, &address("U1", None), "in private").await.unwrap();
    let direct = simulator.direct_channel("U1");
    assert_eq!(simulator.sent().last().unwrap().conversation, direct);
}

#[tokio::test]
async fn long_replies_arrive_whole() {
    let (simulator, slack) = start().await;
    let capabilities = slack.capabilities(ConversationKind::Group);
    let pieces = fit(Outbound::post("very ".repeat(4000)), &capabilities);
    assert!(pieces.len() > 4);
    for piece in &pieces {
        slack.send(&address("C1", None), piece, KEY).await.unwrap();
    }
    let words: usize = simulator.sent().all().iter().map(|s| s.text.split(' ').count()).sum();
    assert_eq!(words, 4000);
}

#[tokio::test]
async fn failures_say_whether_the_call_may_be_repeated() {
    let (simulator, slack) = start().await;
    let to = address("C1", None);
    simulator.fail(None, 1, Fault::rate_limited(Duration::from_secs(7)));
    assert_eq!(retry(say(&slack, &to, "x").await), Retry::AfterMs(7_000));
    for fault in [Fault::Status { code: 503 }, Fault::Drop, Fault::LoseAnswer] {
        simulator.fail(Some("chat.postMessage"), 1, fault.clone());
        assert_eq!(retry(say(&slack, &to, "x").await), Retry::Unknown, "{fault:?}");
    }
    simulator.fail(None, 1, Fault::Status { code: 403 });
    assert_eq!(retry(say(&slack, &to, "x").await), Retry::Never);
    assert_eq!(retry(say(&slack, &address("C9", None), "x").await), Retry::Never);
    let stranger = channel(&simulator.api_url(), "xoxb-wrong");
    assert_eq!(retry(say(&stranger, &to, "x").await), Retry::Never);
    // A port that was just free: nothing listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = channel(&format!("http://{closed}/api/"), "xoxb");
    assert_eq!(retry(say(&nowhere, &to, "x").await), Retry::AfterMs(1_000));
}

/// When a delivery of these tests was tried: long ago enough for Slack to be done with it.
fn before() -> Timestamp {
    zaki_channel::now().plus_ms(-60_000)
}

fn key(number: u128) -> DeliveryId {
    DeliveryId::from_parts(Timestamp::from_secs(1_795_000_000), number)
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_metadata() {
    let (simulator, slack) = start().await;
    slack.learn().await.unwrap();
    let root = simulator.say_in("C1", "U1", "hello", json!({})).ts;
    for to in [address("C1", None), address("C1", Some(&root))] {
        simulator.fail(Some("chat.postMessage"), 1, Fault::LoseAnswer);
        let lost = slack.send(&to, &Outbound::post("hi"), key(1)).await;
        assert_eq!(retry(lost), Retry::Unknown);
        let ts = simulator.sent().last().unwrap().message;
        let receipt = Receipt { message: Some(MessageId::new(ts)) };
        let proof = slack.prove(&to, key(1), before()).await.unwrap();
        assert_eq!(proof, Evidence::Sent(receipt));
        simulator.fail(Some("chat.postMessage"), 1, Fault::Drop);
        assert_eq!(retry(slack.send(&to, &Outbound::post("ho"), key(2)).await), Retry::Unknown);
        assert_eq!(slack.prove(&to, key(2), before()).await.unwrap(), Evidence::NotSent);
        let early = slack.prove(&to, key(2), zaki_channel::now()).await;
        assert!(matches!(retry(early), Retry::AfterMs(1..=5_000)));
    }
}

struct Bench {
    simulator: Simulator,
    to: Address,
}

impl testkit::Platform for Bench {
    fn address(&self) -> Address {
        self.to.clone()
    }

    fn lose_answer(&self) {
        self.simulator.fail(Some("chat.postMessage"), 1, Fault::LoseAnswer);
    }

    fn drop_call(&self) {
        self.simulator.fail(Some("chat.postMessage"), 1, Fault::Drop);
    }

    fn shown(&self, text: &str) -> usize {
        self.simulator.sent().matching(|sent| sent.text == text).len()
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_twice() {
    let (simulator, slack) = start().await;
    testkit::recourse(&slack, &Bench { simulator, to: address("C1", None) }).await;
}

#[tokio::test]
async fn a_message_is_looked_for_on_further_pages_but_not_for_ever() {
    let (simulator, slack) = start().await;
    let to = address("C1", None);
    slack.send(&to, &Outbound::post("the one"), key(1)).await.unwrap();
    let mut others = (2..).map(key);
    let mut post = async |count: usize| {
        for key in others.by_ref().take(count) {
            slack.send(&to, &Outbound::post("another"), key).await.unwrap();
        }
    };
    post(450).await;
    let found = slack.prove(&to, key(1), before()).await.unwrap();
    assert!(matches!(found, Evidence::Sent(_)), "{found:?}");
    assert_eq!(simulator.calls().matching(|c| c.method == "conversations.history").len(), 3);
    post(600).await;
    // Five pages of 200, and still more behind them: nobody can say.
    assert_eq!(slack.prove(&to, key(1), before()).await.unwrap(), Evidence::CannotTell);
}

#[tokio::test]
async fn what_cannot_be_read_proves_nothing() {
    let (simulator, slack) = start().await;
    let nowhere = slack.prove(&address("C9", None), KEY, before()).await.unwrap();
    assert_eq!(nowhere, Evidence::CannotTell);
    let to = address("C1", None);
    simulator.fail(None, 1, Fault::rate_limited(Duration::from_secs(7)));
    assert_eq!(retry(slack.prove(&to, KEY, before()).await), Retry::AfterMs(7_000));
    simulator.fail(None, 1, Fault::Drop);
    assert!(slack.prove(&to, KEY, before()).await.is_err());
}

#[tokio::test]
async fn a_token_that_is_no_good_is_told_at_the_start() {
    let (simulator, slack) = start().await;
    slack.learn().await.unwrap();
    let refused = channel(&simulator.api_url(), "xoxb-wrong").learn().await.unwrap_err();
    assert_eq!(refused.retry, Retry::Never);
    assert!(refused.to_string().contains("copy it again from OAuth & Permissions"), "{refused}");
}

#[tokio::test]
async fn errors_hold_neither_text_nor_token_nor_response_url() {
    let (simulator, slack) = start().await;
    simulator.fail(None, 9, Fault::Drop);
    let mut to = address("C1", None);
    to.handle = Some(handle(&format!("{}/response/T1/hush", simulator.url())));
    for to in [to, address("C1", None)] {
        let error = say(&slack, &to, "hush").await.unwrap_err();
        let printed = format!("{error:?} {error}");
        assert!(!printed.contains("hush") && !printed.contains("xoxb"), "{printed}");
    }
}

fn handle(url: &str) -> ReplyHandle {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    ReplyHandle {
        secret: url.to_owned(),
        expires_at: Timestamp::from_secs(i64::try_from(now).unwrap() + 600),
        uses_left: 5,
    }
}

#[tokio::test]
async fn a_command_is_answered_where_it_was_given_while_its_url_lives() {
    let (simulator, slack) = start().await;
    let arrival = typed(&simulator, "C1").await;
    let mut to = Address::of(&arrival.inbound);
    to.handle.clone_from(&arrival.handle);
    for n in 0..6 {
        say(&slack, &to, &format!("answer {n}")).await.unwrap();
    }
    let acts: Vec<Act> = simulator.sent().all().iter().map(|sent| sent.act).collect();
    let expected = [[Act::Answer; 5].as_slice(), &[Act::Post]].concat();
    assert_eq!(acts, expected, "used up: an ordinary message serves");
    let note = Outbound::Answer { text: Some("done".to_owned()) };
    slack.send(&address("C1", None), &note, KEY).await.unwrap();

    to.handle = Some(handle("https://evil.org/"));
    say(&slack, &to, "x").await.unwrap();
    assert_eq!(simulator.sent().last().unwrap().act, Act::Post, "no stranger is called");
}

#[tokio::test]
async fn answers_in_direct_conversations_are_for_the_asker_alone() {
    let (simulator, slack) = start().await;
    // Between two people: the bot is no member, and its `response_url` writes there all the same.
    simulator.add_channel("D2", "directmessage");
    let command = typed(&simulator, "D2").await;
    let press = pressed(&simulator, "D2").await;
    for arrival in [&command, &press] {
        assert_eq!(response_type(&simulator, &slack, arrival).await, "ephemeral");
    }
    let press = pressed(&simulator, "C1").await;
    assert_eq!(response_type(&simulator, &slack, &press).await, "in_channel");
}

/// How an answer to `arrival` went out.
async fn response_type(simulator: &Simulator, slack: &Slack, arrival: &Arrival) -> String {
    let mut to = Address::of(&arrival.inbound);
    to.handle.clone_from(&arrival.handle);
    say(slack, &to, "from memory").await.unwrap();
    let sent = simulator.sent().last().unwrap();
    assert_eq!(sent.act, Act::Answer);
    sent.raw["response_type"].as_str().unwrap().to_owned()
}

/// Has the simulator press a button, and reads what it POSTs.
async fn pressed(simulator: &Simulator, channel: &str) -> Arrival {
    let url = format!("{}/interactivity", simulator.url());
    let said = simulator.say_in(channel, "U1", "pick", json!({}));
    let action = json!({"action_id": "a", "value": "yes", "action_ts": "7.8"});
    let attempt = simulator.press(&url, "U1", channel, &said.ts, action).await;
    read(simulator, &attempt.headers, &attempt.body).remove(0)
}

/// Has the simulator type a command, and reads what it POSTs. Nobody answers there; the attempt
/// is recorded all the same.
async fn typed(simulator: &Simulator, channel: &str) -> Arrival {
    let slash = zaki_simulators::slack::Slash { command: "/zaki", text: "hi", user: "U1", channel };
    let url = format!("{}/commands", simulator.url());
    let attempt = simulator.command(&url, &slash).await;
    read(simulator, &attempt.headers, &attempt.body).remove(0)
}

fn read(simulator: &Simulator, headers: &HeaderMap, body: &[u8]) -> Vec<Arrival> {
    let secret = simulator.config().signing_secret.as_str();
    let hook = Hook::new(account(), Config::new("x".into(), secret.into()));
    let request = Request { method: &Method::POST, route: "/events", query: "", headers, body };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = Timestamp::from_secs(i64::try_from(now).unwrap());
    let verified = request.verify(&hook.proof(), now).unwrap();
    let parsed = zaki_channel::Parse::parse(&hook, verified, now).unwrap();
    assert!(parsed.dead.is_empty());
    parsed.arrivals
}

#[tokio::test]
async fn both_events_of_a_mention_are_one_message() {
    let (simulator, _) = start().await;
    let url = webhook().await;
    simulator.set_events_url(&url).await.unwrap();
    let (message, mention) = simulator.mention("C1", "U1", "hello", json!({}));
    let within = Duration::from_secs(10);
    let mut seen = Vec::new();
    for said in [message, mention] {
        let attempts = simulator.attempts();
        let attempt = attempts.wait_for(|a| a.key == said.event_id, within).await.unwrap();
        seen.extend(read(&simulator, &attempt.headers, &attempt.body));
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].inbound.dedupe, seen[1].inbound.dedupe);
    assert!(seen.iter().all(|arrival| arrival.inbound.addressed));
}

/// A server that answers every POST with its challenge, or with nothing.
async fn webhook() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 65_536];
            let mut length = 0;
            // Small requests: the head and its body come in one or two reads.
            while !bytes[..length].ends_with(b"}") {
                match stream.read(&mut bytes[length..]).await {
                    Ok(read) if read > 0 => length += read,
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&bytes[..length]);
            let challenge = text.split("\"challenge\":\"").nth(1);
            let body = challenge.and_then(|c| c.split('"').next()).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
            let answer = format!("{head}connection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn files_are_fetched_by_url_or_id_and_from_slack_alone() {
    let (simulator, slack) = start().await;
    let file = simulator.put_file("a.png", "image/png", b"pixels".to_vec());
    for reference in [&file["url_private"], &file["id"]] {
        let media = MediaRef::new(reference.as_str().unwrap());
        let body = slack.fetch(&media).await.unwrap();
        let chunks: Vec<_> = body.try_collect().await.unwrap();
        assert_eq!(chunks.concat(), b"pixels", "{media}");
    }
    let calls = simulator.calls().len();
    for media in ["https://evil.org/a.png", "file:///etc/passwd", "://"] {
        let fetched = slack.fetch(&MediaRef::new(media)).await;
        assert_eq!(retry(fetched), Retry::Never, "{media}");
    }
    assert_eq!(simulator.calls().len(), calls);
    assert_eq!(retry(slack.fetch(&MediaRef::new("F404")).await), Retry::Never);
}

#[tokio::test]
async fn the_login_page_does_not_pass_for_a_file() {
    // A server that leads everybody to a page.
    let app = "HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in [app, page] {
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let slack = channel(&base, "xoxb-1");
    let fetched = slack.fetch(&MediaRef::new(format!("{base}files-pri/T1-F1/a.png"))).await;
    assert!(fetched.err().unwrap().to_string().contains("files:read"));
}

#[tokio::test]
async fn unknown_emoji_are_refused_without_a_call() {
    let (simulator, slack) = start().await;
    let react = Outbound::React { target: MessageId::new("1.2"), emoji: Some("🦜".to_owned()) };
    let refused = slack.send(&address("C1", None), &react, KEY).await;
    assert_eq!(retry(refused), Retry::Never);
    assert!(simulator.calls().is_empty());
}
