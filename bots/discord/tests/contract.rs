//! What every channel promises (the testkit), the known answers, and events written by us.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "short to write, safe to fail"
)]

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use zaki_channel::testkit::{self, Body, Key, Sample};
use zaki_channel::{Parse, Parsed, Request, Verified, Webhook};
use zaki_discord::{Config, Discord, Hook, Reader};
use zaki_envelope::{
    AccountName, ConversationKind, Inbound, InboundKind, Part, Timestamp, plain_text,
};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
const BOT: &str = "1100000000000000001";

fn account() -> AccountName {
    "main".parse().unwrap()
}

fn key(key: Key) -> SigningKey {
    SigningKey::from_bytes(match key {
        Key::Ours => &[7; 32],
        Key::Other => &[8; 32],
        Key::Empty => &[0; 32],
    })
}

fn config(public_key: &str) -> Config {
    let mut config = Config::new("t".into());
    config.application_id = Some(BOT.into());
    config.public_key = Some(public_key.into());
    config
}

struct Application;

impl Sample for Application {
    fn account(&self) -> AccountName {
        account()
    }

    fn hook(&self, which: Key) -> Box<dyn Webhook> {
        let public = match which {
            Key::Empty => String::new(),
            which => hex::encode(key(which).verifying_key().as_bytes()),
        };
        Box::new(Hook::new(account(), config(&public)))
    }

    fn sign(&self, which: Key, body: &[u8], at: Timestamp) -> HeaderMap {
        let time = at.as_secs().to_string();
        let signature = key(which).sign(&[time.as_bytes(), body].concat()).to_bytes();
        let mut headers = HeaderMap::new();
        headers.insert("x-signature-ed25519", hex::encode(signature).parse().unwrap());
        headers.insert("x-signature-timestamp", time.parse().unwrap());
        headers
    }

    fn message(&self) -> Body {
        Body::new(command("hello there").to_string())
    }

    fn others(&self) -> Vec<Body> {
        let mut bodies = vec![
            press(),
            modal(),
            json!({"type": 1}),
            json!({"type": 99, "id": "5", "channel_id": "6", "user": {"id": "7"}}),
        ];
        bodies.extend([
            event("MESSAGE_CREATE", written(json!({"guild_id": "3", "content": format!("<@{BOT}> hi <@8>"), "mentions": [{"id": BOT}, {"id": "8"}]}))),
            event("MESSAGE_CREATE", written(json!({"attachments": [{"id": "1", "filename": "a.png", "content_type": "image/png", "size": 5}]}))),
            event("MESSAGE_UPDATE", written(json!({"content": "b", "edited_timestamp": "2026-11-21T08:00:00+00:00"}))),
            event("MESSAGE_DELETE", json!({"id": "5", "channel_id": "6"})),
            event("MESSAGE_DELETE_BULK", json!({"ids": ["5", "6"], "channel_id": "6", "guild_id": "3"})),
            event("MESSAGE_REACTION_ADD", json!({"user_id": "7", "message_id": "5", "channel_id": "6", "emoji": {"id": null, "name": "👍"}})),
        ]);
        bodies.into_iter().map(|body| Body::new(body.to_string())).collect()
    }

    fn own(&self) -> Vec<Body> {
        let us = json!({"id": BOT, "username": "zaki", "bot": true});
        let bodies = [
            event("MESSAGE_CREATE", written(json!({"author": us, "content": "hi"}))),
            event(
                "MESSAGE_UPDATE",
                written(
                    json!({"author": us, "content": "hi", "edited_timestamp": "2026-11-21T08:00:00+00:00"}),
                ),
            ),
            event(
                "MESSAGE_REACTION_ADD",
                json!({"user_id": BOT, "message_id": "5", "channel_id": "6", "emoji": {"name": "👍"}}),
            ),
        ];
        bodies.into_iter().map(|body| Body::new(body.to_string())).collect()
    }
}

fn asked(kind: u8, data: Value) -> Value {
    json!({
        "id": "1311111111111111111", "application_id": BOT, "type": kind, "token": "a.b-c_d",
        "data": data, "guild_id": "3", "channel_id": "6", "context": 0, "version": 1,
        "locale": "pt-BR", "guild_locale": "en-US",
        "member": {"nick": "Ada L.", "user": {"id": "7", "username": "ada", "global_name": "Ada"}},
    })
}

fn command(words: &str) -> Value {
    let options = json!([{"type": 3, "name": "message", "value": words}]);
    asked(2, json!({"id": "1", "name": "zaki", "type": 1, "options": options}))
}

fn press() -> Value {
    let mut press = asked(3, json!({"component_type": 2, "custom_id": "yes"}));
    press["message"] = json!({"id": "55", "channel_id": "6"});
    press
}

fn modal() -> Value {
    let rows = json!([
        {"type": 1, "components": [{"type": 4, "custom_id": "a", "value": "one"}]},
        {"type": 18, "component": {"type": 4, "custom_id": "b", "value": "two"}},
    ]);
    asked(5, json!({"custom_id": "form", "components": rows}))
}

fn event(name: &str, d: Value) -> Value {
    json!({"op": 0, "t": name, "s": 9, "d": d})
}

fn written(more: Value) -> Value {
    let mut message = json!({
        "id": "1311111111111111111", "channel_id": "6", "type": 0, "content": "", "mentions": [],
        "attachments": [], "embeds": [], "edited_timestamp": null,
        "author": {"id": "7", "username": "ada", "global_name": "Ada"},
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn parse(raw: &Value) -> Parsed {
    let reader = Reader::new(account(), config(""));
    reader.parse(Verified::trusted("", raw.to_string().as_bytes()), NOW).unwrap()
}

fn only(raw: &Value) -> Inbound {
    let mut arrivals = parse(raw).arrivals;
    assert_eq!(arrivals.len(), 1);
    arrivals.remove(0).inbound
}

#[test]
fn the_webhook_keeps_the_promises_of_every_channel() {
    testkit::webhook(&Application);
}

#[test]
fn what_leaves_is_within_the_capabilities() {
    testkit::output(&Discord::new(account(), config("")).unwrap());
}

#[test]
fn known_answers_of_the_signature() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let root = std::env::var("ZAKI_CORPUS").unwrap_or_else(|_| root.to_owned());
    let path = PathBuf::from(root).join("vectors.json");
    let Ok(vectors) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: no corpus at {}", path.display());
        return;
    };
    let vectors: Value = serde_json::from_str(&vectors).unwrap();
    let cases = vectors["discord"]["cases"].as_array().unwrap();
    assert!(cases.len() >= 18);
    for case in cases {
        let mut headers = HeaderMap::new();
        for (name, value) in case["headers"].as_object().unwrap() {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
        }
        let body = BASE64_STANDARD.decode(case["body_base64"].as_str().unwrap()).unwrap();
        let request =
            Request { method: &Method::POST, route: "", query: "", headers: &headers, body: &body };
        let hook = Hook::new(account(), config(case["public_key"].as_str().unwrap()));
        let passed = request.verify(&hook.proof(), Timestamp::from_secs(1_700_000_000)).is_ok();
        assert_eq!(passed, case["accept"].as_bool().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn one_signature_has_one_spelling() {
    let body = Application.message();
    let hook = Application.hook(Key::Ours);
    // A byte below 16 can be written `+5` for a careless reader.
    let (headers, at) = (0..)
        .find_map(|n| {
            let at = NOW.plus_ms(n * 1000);
            let headers = Application.sign(Key::Ours, &body.bytes, at);
            let signature = headers["x-signature-ed25519"].to_str().unwrap().to_owned();
            let pair = (0..128).step_by(2).find(|at| signature[*at..].starts_with('0'))?;
            let mut odd = signature;
            odd.replace_range(pair..=pair, "+");
            let mut headers = headers;
            headers.insert("x-signature-ed25519", odd.parse().unwrap());
            Some((headers, at))
        })
        .unwrap();
    let request = Request {
        method: &Method::POST,
        route: "",
        query: "",
        headers: &headers,
        body: &body.bytes,
    };
    assert!(request.verify(&hook.proof(), at).is_err());
}

#[test]
fn a_command_says_its_words_and_may_be_answered() {
    let parsed = parse(&command("hello there"));
    assert_eq!(parsed.answer.body, r#"{"type":5}"#);
    assert_eq!(parsed.answer.content_type, "application/json");
    let arrival = &parsed.arrivals[0];
    let inbound = &arrival.inbound;
    assert_eq!(inbound.kind, InboundKind::Command { name: "zaki".into() });
    assert_eq!(plain_text(&inbound.parts), "hello there");
    assert_eq!(inbound.dedupe.as_str(), "discord:1311111111111111111");
    assert_eq!(inbound.sender.id.as_str(), "7");
    assert_eq!(inbound.sender.display_name.as_deref(), Some("Ada L."));
    assert_eq!(inbound.sender.locale.as_deref(), Some("pt-BR"), "theirs, not the server's");
    assert_eq!(inbound.conversation.kind, ConversationKind::Group);
    assert_eq!(inbound.conversation.space.as_ref().unwrap().as_str(), "3");
    let handle = arrival.handle.as_ref().unwrap();
    assert!(handle.is_live(NOW.plus_ms(14 * 60_000)));
    assert!(!handle.is_live(NOW.plus_ms(15 * 60_000)));
    let stored = serde_json::to_string(inbound).unwrap();
    assert!(!stored.contains("a.b-c_d"), "the token is in the handle alone");
}

#[test]
fn what_discord_is_told_at_once() {
    assert_eq!(parse(&json!({"type": 1})).answer.body, r#"{"type":1}"#);
    assert_eq!(parse(&press()).answer.body, r#"{"type":6}"#);
    assert_eq!(parse(&modal()).answer.body, r#"{"type":5}"#);
    let autocomplete = parse(&asked(4, json!({"name": "zaki"})));
    assert_eq!(autocomplete.answer.body, r#"{"data":{"choices":[]},"type":8}"#);
    assert_eq!(autocomplete.arrivals, []);
    let empty = parse(&asked(2, json!({"name": "zaki"})));
    assert!(empty.answer.body.contains(r#""flags":64"#) && empty.arrivals.is_empty());
}

#[test]
fn buttons_and_forms_say_what_was_chosen() {
    let press = only(&press());
    assert_eq!(press.kind, InboundKind::Button { data: "yes".into() });
    assert_eq!(press.reply_to.unwrap().as_str(), "55");
    let form = only(&modal());
    assert_eq!(plain_text(&form.parts), "one\ntwo");
}

#[test]
fn only_what_is_meant_for_the_bot_is_addressed() {
    let direct = only(&event("MESSAGE_CREATE", written(json!({"content": "hi"}))));
    assert!(direct.addressed);
    assert_eq!(direct.conversation.kind, ConversationKind::Direct);
    assert_eq!(direct.conversation.space, None);
    let guild = |more: Value| {
        let mut message = written(json!({"guild_id": "3", "content": "hi"}));
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        only(&event("MESSAGE_CREATE", message))
    };
    assert!(!guild(json!({})).addressed);
    assert_eq!(guild(json!({})).conversation.space.unwrap().as_str(), "3");
    assert!(guild(json!({"content": format!("<@{BOT}> hi"), "mentions": [{"id": BOT}]})).addressed);
    let to = |author: &str| {
        json!({
            "type": 19, "message_reference": {"type": 0, "message_id": "4", "channel_id": "6"},
            "referenced_message": {"id": "4", "author": {"id": author}},
        })
    };
    assert!(guild(to(BOT)).addressed);
    assert_eq!(guild(to("8")).reply_to.unwrap().as_str(), "4");
    assert!(!guild(to("8")).addressed);
}

#[test]
fn other_programs_are_marked() {
    let bot = json!({"author": {"id": "9", "bot": true}, "content": "hi"});
    let webhook = json!({"webhook_id": "9", "content": "hi"});
    for more in [bot, webhook] {
        let inbound = only(&event("MESSAGE_CREATE", written(more)));
        assert!(inbound.sender.is_bot);
    }
}

#[test]
fn an_edit_has_a_key_of_its_own_and_an_unfolded_link_is_none() {
    let edit = |at: Value| {
        event("MESSAGE_UPDATE", written(json!({"content": "b", "edited_timestamp": at})))
    };
    let first = only(&edit(json!("2026-11-21T08:00:00+00:00")));
    let second = only(&edit(json!("2026-11-21T08:00:01+00:00")));
    assert_ne!(first.dedupe, second.dedupe);
    assert!(matches!(first.kind, InboundKind::Edit { .. }));
    assert_eq!(parse(&edit(json!(null))), Parsed::default());
}

#[test]
fn what_discord_hides_is_ignored_and_what_others_do_too() {
    let hidden = event("MESSAGE_CREATE", written(json!({"guild_id": "3"})));
    assert_eq!(parse(&hidden), Parsed::default());
    for name in ["GUILD_CREATE", "PRESENCE_UPDATE", "HOLOGRAM_CREATE"] {
        assert_eq!(parse(&event(name, json!([1, 2]))), Parsed::default());
    }
    let joined = only(&event("MESSAGE_CREATE", written(json!({"type": 7}))));
    assert_eq!(joined.kind, InboundKind::Other { name: "message_type_7".into() });
    assert_eq!(joined.parts, [Part::unsupported("message_type_7")]);
}

#[test]
fn an_odd_item_is_kept_as_dead() {
    let parsed = parse(&event("MESSAGE_CREATE", json!({"id": "5", "content": "who wrote this?"})));
    assert_eq!((parsed.arrivals.len(), parsed.dead.len()), (0, 1));
    assert!(!parsed.dead[0].reason.contains("who wrote"));
    let garbage = Reader::inspect().parse(Verified::trusted("", b"{\"a\":1}"), NOW);
    assert!(garbage.is_err());
}
