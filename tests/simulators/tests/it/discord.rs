//! Discord's gateway and interactions beyond what discord.js reaches.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use zaki_simulators::Simulator;
use zaki_simulators::discord::{Channel, Config, Discord, How, User, intents};

use crate::SOON;
use crate::receiver::Receiver;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A gateway client as small as can be.
struct Client(Socket);

impl Client {
    async fn connect(url: &str) -> Self {
        let (socket, _) =
            tokio_tungstenite::connect_async(format!("{url}/?v=10&encoding=json")).await.unwrap();
        let mut client = Self(socket);
        assert_eq!(client.next().await["op"], 10);
        client
    }

    async fn identify(discord: &Discord, granted: u64) -> (Self, Value) {
        let mut client = Self::connect(&discord.gateway_url()).await;
        let data = json!({"token": discord.token(), "intents": granted, "properties": {}});
        client.send(2, data).await;
        let ready = client.next().await;
        assert_eq!(ready["t"], "READY");
        (client, ready["d"].clone())
    }

    async fn send(&mut self, op: u8, data: Value) {
        let payload = json!({"op": op, "d": data}).to_string();
        self.0.send(Message::text(payload)).await.unwrap();
    }

    async fn frame(&mut self) -> Option<Message> {
        tokio::time::timeout(SOON, self.0.next()).await.unwrap().and_then(Result::ok)
    }

    async fn next(&mut self) -> Value {
        let text = self.frame().await.unwrap().into_text().unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn close_code(&mut self) -> u16 {
        match self.frame().await {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("no close frame: {other:?}"),
        }
    }
}

async fn start(config: Config) -> Discord {
    Discord::start(config).await.unwrap()
}

fn ada() -> User {
    User::new(2_000_000_000_000_000_001, "ada")
}

#[tokio::test]
async fn a_resume_replays_in_order_and_ends_with_resumed() {
    let discord = start(Config::default()).await;
    let (mut client, ready) = Client::identify(&discord, intents::DIRECT_MESSAGES).await;
    assert_eq!(ready["resume_gateway_url"], discord.resume_url());
    discord.drop_sockets();
    assert!(client.frame().await.is_none(), "cut without a close frame");
    for text in ["one", "two", "three"] {
        discord.say(&ada(), text);
    }
    let mut client = Client::connect(&discord.resume_url()).await;
    let session = &ready["session_id"];
    let resume = json!({"token": discord.token(), "session_id": session, "seq": 1});
    client.send(6, resume).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let event = client.next().await;
        told.push((event["s"].as_u64().unwrap(), event["t"].as_str().unwrap().to_owned()));
    }
    let create = || "MESSAGE_CREATE".to_owned();
    assert_eq!(told, [(2, create()), (3, create()), (4, create()), (5, "RESUMED".to_owned())]);
    let last = discord.connections().last().unwrap();
    assert_eq!((last.path.as_str(), last.how), ("/resume", How::Resumed { replayed: 3 }));
}

#[tokio::test]
async fn an_invalidated_session_cannot_be_resumed() {
    let discord = start(Config::default()).await;
    let (mut client, ready) = Client::identify(&discord, intents::DIRECT_MESSAGES).await;
    discord.invalidate(false);
    assert_eq!(client.next().await, json!({"op": 9, "s": null, "t": null, "d": false}));
    let session = &ready["session_id"];
    client.send(6, json!({"token": discord.token(), "session_id": session, "seq": 1})).await;
    assert_eq!(client.next().await["d"], false);
    assert_eq!(discord.connections().last().unwrap().how, How::Refused);
}

#[tokio::test]
async fn the_gateway_closes_with_the_documented_codes() {
    let config = Config { privileged_intents: false, ..Config::default() };
    let discord = start(config).await;
    let token = discord.token();
    let identify = |token: &str, intents: Value| {
        json!({"op": 2, "d": {"token": token, "intents": intents, "properties": {}}}).to_string()
    };
    let cases = [
        ("garbage".to_owned(), 4002),
        (json!({"op": 99}).to_string(), 4001),
        (json!({"op": 3, "d": {}}).to_string(), 4003),
        (identify("wrong", json!(1)), 4004),
        (identify(token, json!(null)), 4013),
        (identify(token, json!(1_u64 << 40)), 4013),
        (identify(token, json!(intents::MESSAGE_CONTENT)), 4014),
        (" ".repeat(4097), 4002),
    ];
    for (payload, code) in cases {
        let mut client = Client::connect(&discord.gateway_url()).await;
        client.0.send(Message::text(payload.clone())).await.unwrap();
        assert_eq!(client.close_code().await, code, "{payload}");
    }
    let (mut client, _) = Client::identify(&discord, 0).await;
    client.send(1, json!(1)).await;
    assert_eq!(client.next().await["op"], 11);
    client.send(2, json!({})).await;
    assert_eq!(client.close_code().await, 4005);
}

#[tokio::test]
async fn content_needs_its_intent_unless_it_concerns_the_bot() {
    let discord = start(Config::default()).await;
    let room = Channel::in_guild(3_000_000_000_000_000_001, 3_000_000_000_000_000_002, "room");
    discord.add_channel(&room);
    let granted = intents::GUILD_MESSAGES | intents::DIRECT_MESSAGES;
    let (mut client, _) = Client::identify(&discord, granted).await;
    discord.say_in(&room, &ada(), "to all", json!({}));
    discord.say_in(&room, &ada(), "@zaki hello", json!({}));
    discord.say(&ada(), "in private");
    let contents = [client.next().await, client.next().await, client.next().await]
        .map(|event| event["d"]["content"].as_str().unwrap().to_owned());
    let mention = format!("<@{}> hello", discord.config().application_id);
    assert_eq!(contents, [String::new(), mention, "in private".to_owned()]);
}

/// Calls by REST, with the `User-Agent` Discord insists on.
async fn rest(discord: &Discord, verb: &str, path: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().user_agent("DiscordBot (x, 1)").build().unwrap();
    let url = format!("{}/api/v10{path}", discord.url());
    let request = client.request(verb.parse().unwrap(), url).json(&body);
    let request = request.header("authorization", format!("Bot {}", discord.token()));
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_deferred_interaction_is_edited_until_it_expires() {
    let discord = start(Config::default()).await;
    let hook = Receiver::start(|n, _, _, _| match n {
        0 => (StatusCode::OK, r#"{"type":1}"#),
        1 => (StatusCode::UNAUTHORIZED, ""),
        _ => (StatusCode::OK, r#"{"type":5}"#),
    })
    .await;
    discord.set_interactions_endpoint(&hook.url).await.unwrap();
    let channel = discord.direct(&ada());
    let asked = discord.command(&channel, &ada(), "zaki", ("text", "hi")).await;
    assert!(asked.attempt.as_ref().unwrap().accepted());
    let path = format!("/webhooks/{}/{}", discord.config().application_id, asked.token);
    let original = format!("{path}/messages/@original");
    assert_eq!(rest(&discord, "GET", &original, Value::Null).await.1["flags"], 128);
    let (status, edited) = rest(&discord, "PATCH", &original, json!({"content": "done"})).await;
    assert_eq!((status, &edited["content"], &edited["flags"]), (200, &json!("done"), &json!(0)));
    let (status, more) = rest(&discord, "POST", &path, json!({"content": "more"})).await;
    assert_eq!(status, 200);
    assert_ne!(more["id"], edited["id"]);
    let long = json!({"content": "x".repeat(2001)});
    assert_eq!(rest(&discord, "POST", &path, long).await.1["code"], 50_035);
    discord.expire(&asked);
    let (status, gone) = rest(&discord, "PATCH", &original, json!({"content": "late"})).await;
    assert_eq!((status, &gone["code"]), (401, &json!(50_027)));
    let texts: Vec<_> = discord.sent().all().into_iter().map(|s| s.text).collect();
    assert_eq!(texts, ["", "done", "more"]);
}

#[tokio::test]
async fn an_interaction_not_answered_in_time_is_void() {
    let discord = start(Config { deadline: Duration::ZERO, ..Config::default() }).await;
    let asked = discord.command(&discord.direct(&ada()), &ada(), "zaki", ("text", "hi")).await;
    let path = format!("/interactions/{}/{}/callback", asked.id, asked.token);
    let (status, body) = rest(&discord, "POST", &path, json!({"type": 5})).await;
    assert_eq!((status, &body["code"]), (404, &json!(10_062)));
}

#[tokio::test]
async fn an_endpoint_that_takes_bad_signatures_is_refused() {
    let discord = start(Config::default()).await;
    let hook = Receiver::start(|_, _, _, _| r#"{"type":1}"#).await;
    assert!(discord.set_interactions_endpoint(&hook.url).await.is_err());
    let set = json!({"interactions_endpoint_url": hook.url});
    assert_eq!(rest(&discord, "PATCH", "/applications/@me", set).await.0, 400);
}

#[tokio::test]
async fn a_request_without_a_proper_user_agent_is_refused() {
    let discord = start(Config::default()).await;
    let url = format!("{}/api/v10/users/@me", discord.url());
    let token = format!("Bot {}", discord.token());
    let request = reqwest::Client::new().get(url).header("authorization", token);
    assert_eq!(request.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_nonce_is_remembered_for_its_time() {
    for (nonce_lives, different) in [(Duration::from_mins(3), 1), (Duration::ZERO, 2)] {
        let discord = Discord::start(Config { nonce_lives, ..Config::default() }).await.unwrap();
        let channel = discord.direct(&User::new(7, "ada")).id;
        let url = format!("{}/api/v10/channels/{channel}/messages", discord.url());
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let body = json!({"content": "x", "nonce": "n", "enforce_nonce": true});
            let request = reqwest::Client::new().post(&url).json(&body);
            let token = format!("Bot {}", discord.token());
            let request = request.header("authorization", token);
            let sent = request.header("user-agent", "DiscordBot (x, 1)").send().await.unwrap();
            let sent: Value = sent.json().await.unwrap();
            ids.insert(sent["id"].as_str().unwrap().to_owned());
        }
        assert_eq!((ids.len(), discord.sent().len()), (different, different as u64));
    }
}

#[tokio::test]
async fn twenty_five_characters_of_nonce_and_known_channels_only() {
    let discord = start(Config::default()).await;
    let unknown = rest(&discord, "POST", "/channels/9/messages", json!({"content": "x"})).await;
    assert_eq!(unknown.1["code"], 10_003);
    let path = format!("/channels/{}/messages", discord.direct(&ada()).id);
    let long = json!({"content": "x", "nonce": "n".repeat(26)});
    assert_eq!(rest(&discord, "POST", &path, long).await.0, 400);
    let empty = rest(&discord, "POST", &path, json!({"content": " "})).await;
    assert_eq!(empty.1["code"], 50_006);
}

#[tokio::test]
async fn a_message_shows_its_attachments_and_the_bots_reactions() {
    let discord = start(Config::default()).await;
    let file = discord.put_attachment("a.txt", "text/plain", b"hi".to_vec());
    let place = discord.direct(&ada());
    let said = discord.say_in(&place, &ada(), "see", json!({"attachments": [file]}));
    let path = format!("/channels/{}/messages/{}", place.id, said.id);
    let eyes = format!("{path}/reactions/%F0%9F%91%80/@me");
    assert_eq!(rest(&discord, "PUT", &eyes, Value::Null).await.0, 204);
    let (_, message) = rest(&discord, "GET", &path, Value::Null).await;
    let reaction = &message["reactions"][0];
    assert_eq!((&reaction["emoji"]["name"], &reaction["me"]), (&json!("👀"), &json!(true)));
    assert_eq!(rest(&discord, "DELETE", &eyes, Value::Null).await.0, 204);
    assert_eq!(rest(&discord, "GET", &path, Value::Null).await.1["reactions"], json!([]));

    let url = message["attachments"][0]["url"].as_str().unwrap();
    let fetched = reqwest::get(url).await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), "hi");
    let stale = url.replace("ex=", "ex=0&was=");
    assert_eq!(reqwest::get(stale).await.unwrap().status(), 404);
}
