//! What every channel promises (the testkit), the known answers, and payloads nobody here wrote.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "short to write, safe to fail"
)]

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use zaki_channel::testkit::{self, Body, Key, Sample};
use zaki_channel::{Parse, Parsed, Request, Verified, Webhook};
use zaki_envelope::{AccountName, Timestamp};
use zaki_telegram::{Config, Hook, Reader, Telegram};

const HEADER: &str = "x-telegram-bot-api-secret-token";
const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn config(secret: &str) -> Config {
    let mut config = Config::new("4200000001:AAF-token".into());
    config.username = Some("zaki_bot".into());
    config.webhook_secret = Some(secret.into());
    config
}

fn account() -> AccountName {
    "main".parse().unwrap()
}

fn secret(key: Key) -> &'static str {
    match key {
        Key::Ours => "s3cret_Token-1",
        Key::Other => "another_secret",
        Key::Empty => "",
    }
}

struct Bot;

impl Bot {
    fn update(kind: &str, content: Value) -> Body {
        Body::new(json!({"update_id": 7, kind: content}).to_string())
    }
}

impl Sample for Bot {
    fn account(&self) -> AccountName {
        account()
    }

    fn hook(&self, key: Key) -> Box<dyn Webhook> {
        Box::new(Hook::new(account(), config(secret(key))))
    }

    fn sign(&self, key: Key, _body: &[u8], _at: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static(secret(key)));
        headers
    }

    fn message(&self) -> Body {
        Self::update(
            "message",
            json!({
                "message_id": 5, "date": 1_795_000_000, "text": "see @ann here",
                "from": {"id": 7, "is_bot": false, "first_name": "Ada", "username": "ada"},
                "chat": {"id": 7, "type": "private", "first_name": "Ada"},
                "entities": [
                    {"type": "mention", "offset": 4, "length": 4},
                    {"type": "text_link", "offset": 9, "length": 4, "url": "https://a.example"},
                ],
            }),
        )
    }

    fn others(&self) -> Vec<Body> {
        let ada = json!({"id": 7, "is_bot": false, "first_name": "Ada"});
        let chat = json!({"id": -1007, "type": "supergroup", "title": "T"});
        let message = |more: Value| {
            let mut message = json!({
                "message_id": 5, "date": 1_795_000_000, "from": ada, "chat": chat,
            });
            message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            message
        };
        vec![
            Self::update(
                "message",
                message(json!({
                    "message_thread_id": 3, "is_topic_message": true, "caption": "look",
                    "photo": [{"file_id": "a", "width": 1, "height": 1}, {"file_id": "b", "width": 9, "height": 9}],
                    "reply_to_message": {"message_id": 4, "from": {"id": 4_200_000_001_i64}},
                })),
            ),
            Self::update(
                "message",
                message(json!({
                    "venue": {"location": {"latitude": 1.5, "longitude": 2.5}, "title": "Café", "address": "x"},
                    "contact": {"first_name": "Bo", "phone_number": "+49"},
                    "paid_media": {"paid_media": [{"type": "photo", "photo": [{"file_id": "p"}]}]},
                })),
            ),
            Self::update(
                "edited_message",
                message(json!({"text": "b", "edit_date": 1_795_000_009})),
            ),
            Self::update(
                "callback_query",
                json!({
                    "id": "99", "from": ada, "data": "yes", "message": message(json!({"text": "?"})),
                }),
            ),
            Self::update(
                "message_reaction",
                json!({
                    "chat": chat, "message_id": 5, "user": ada, "date": 1_795_000_000,
                    "old_reaction": [{"type": "emoji", "emoji": "👎"}],
                    "new_reaction": [{"type": "emoji", "emoji": "👍"}],
                }),
            ),
            Self::update(
                "my_chat_member",
                json!({
                    "chat": chat, "from": ada, "date": 1_795_000_000,
                    "new_chat_member": {"status": "kicked", "user": {"id": 4_200_000_001_i64}},
                }),
            ),
            Self::update("deleted_business_messages", json!({"chat": chat, "message_ids": [1, 2]})),
            Self::update("hologram_message", message(json!({"hologram": {"depth": 3}}))),
        ]
    }

    fn own(&self) -> Vec<Body> {
        let us = json!({"id": 4_200_000_001_i64, "is_bot": true, "first_name": "Zaki"});
        let chat = json!({"id": -1007, "type": "supergroup"});
        let ada = json!({"id": 7, "is_bot": false, "first_name": "Ada"});
        vec![
            Self::update(
                "message",
                json!({"message_id": 1, "date": 1, "from": us, "chat": chat, "text": "hi"}),
            ),
            Self::update(
                "edited_message",
                json!({"message_id": 1, "date": 1, "from": us, "chat": chat, "text": "hi"}),
            ),
            Self::update(
                "message",
                json!({
                    "message_id": 1, "date": 1, "from": ada, "via_bot": us, "chat": chat, "text": "hi",
                }),
            ),
        ]
    }
}

#[test]
fn the_webhook_keeps_the_promises_of_every_channel() {
    testkit::webhook(&Bot);
}

#[test]
fn what_leaves_is_within_the_capabilities() {
    testkit::output(&Telegram::new(account(), config("x")).unwrap());
}

/// A file of the corpus; `None`, and said so, where there is no corpus.
fn corpus(name: &str) -> Option<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let root = std::env::var("ZAKI_CORPUS").unwrap_or_else(|_| root.to_owned());
    let path = PathBuf::from(root).join(name);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: no corpus at {}", path.display());
    None
}

#[test]
fn known_answers_of_the_secret_header() {
    let Some(path) = corpus("vectors.json") else {
        return;
    };
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = vectors["telegram"]["cases"].as_array().unwrap();
    assert!(cases.len() >= 9);
    for case in cases {
        let mut headers = HeaderMap::new();
        for (name, value) in case["headers"].as_object().unwrap() {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
        }
        let body = case["body_base64"].as_str().unwrap_or_default();
        let body = BASE64_STANDARD.decode(body).unwrap();
        let request =
            Request { method: &Method::POST, route: "", query: "", headers: &headers, body: &body };
        let hook = Hook::new(account(), config(case["secret"].as_str().unwrap()));
        let passed = request.verify(&hook.proof(), NOW).is_ok();
        assert_eq!(passed, case["accept"].as_bool().unwrap(), "{}", case["name"]);
    }
}

fn read(raw: &[u8]) -> Parsed {
    Reader::inspect().parse(Verified::trusted("", raw), NOW).unwrap()
}

#[test]
fn no_message_of_the_corpus_is_lost() {
    let Some(folder) = corpus("telegram/generated-seed-1") else {
        return;
    };
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let raw = std::fs::read(&path).unwrap();
        let update: Value = serde_json::from_slice(&raw).unwrap();
        let parsed = read(&raw);
        let name = path.display();
        assert_eq!(parsed.dead, [], "{name}");
        assert!(!parsed.arrivals.is_empty(), "{name}");
        for (kind, content) in update.as_object().unwrap() {
            if !(kind.ends_with("message") || kind.ends_with("_post")) {
                continue;
            }
            let inbound = &parsed.arrivals[0].inbound;
            assert!(!inbound.parts.is_empty(), "{name}");
            let text = content["text"].as_str().or(content["caption"].as_str());
            let said = zaki_envelope::plain_text(&inbound.parts);
            assert!(
                text.is_none_or(|text| said.contains(text.trim_start_matches("/ask@hub_bot"))),
                "{name}"
            );
            let chat = content["chat"]["id"].as_i64().unwrap().to_string();
            assert_eq!(inbound.conversation.id.as_str(), chat, "{name}");
            let from = content["from"]["id"].as_i64().filter(|_| content["sender_chat"].is_null());
            assert!(from.is_none_or(|id| inbound.sender.id.as_str() == id.to_string()), "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 60, "{seen} files");
}
