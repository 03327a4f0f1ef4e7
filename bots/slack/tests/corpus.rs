//! Payloads nobody here wrote, and known-answer signatures. From `ZAKI_CORPUS`, or beside the
//! repository; without it there is nothing to check, and the test says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an assertion may end a test")]

use std::{env, fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use zaki_channel::{Parse, Parsed, Request, Verified, Webhook};
use zaki_envelope::{Inbound, InboundKind, Timestamp};
use zaki_slack::{Config, Hook, Reader};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn corpus() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let root = env::var_os("ZAKI_CORPUS").map_or(PathBuf::from(beside), PathBuf::from);
    // A relative path is meant from the root of the repository.
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(root);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("NOT CHECKED: no corpus at {}", root.display());
    None
}

fn files(folder: &str) -> Vec<(String, Value)> {
    let Some(root) = corpus() else {
        return Vec::new();
    };
    let entries = fs::read_dir(root.join("slack").join(folder)).unwrap();
    let mut files: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files
}

fn parse(name: &str, json: &Value) -> Parsed {
    let body = match json.get("body") {
        Some(Value::String(form)) => form.clone(),
        _ => json.to_string(),
    };
    let reader = Reader::inspect().unwrap();
    let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW);
    let parsed = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(parsed.dead.is_empty(), "{name}");
    for arrival in &parsed.arrivals {
        let json = serde_json::to_string(&arrival.inbound).unwrap();
        assert_eq!(Inbound::from_json(&json).unwrap(), arrival.inbound, "{name}");
    }
    parsed
}

#[test]
fn every_payload_arrives_or_is_known_to_be_ignored() {
    let ignored = [
        "events_ignore_self.different_app_response_url_message_event.json",
        "events_ignore_self.response_url_message_event.json",
        "events_url_verification.event_body.json",
        "events.MessageBotPayload.json",
        "message_bot.classic_bot_message_event_payload.json",
        "socket-disconnect.json",
        "socket-hello.json",
    ];
    for folder in ["bolt-python", "java-slack-sdk", "python-slack-sdk"] {
        for (name, json) in files(folder) {
            let arrivals = parse(&name, &json).arrivals.len();
            let expected = usize::from(!ignored.contains(&name.as_str()));
            assert_eq!(arrivals, expected, "{folder}/{name}");
        }
    }
}

#[test]
fn messages_of_people_keep_their_words_and_ids() {
    for (name, json) in files("bolt-python") {
        let event = json.get("event").unwrap_or(&Value::Null);
        let is_plain = event["type"] == "message" || event["type"] == "app_mention";
        if !is_plain || event.get("subtype").is_some() {
            continue;
        }
        let parsed = parse(&name, &json);
        let inbound = &parsed.arrivals[0].inbound;
        assert_eq!(inbound.kind, InboundKind::Message, "{name}");
        assert_eq!(inbound.sender.id.as_str(), event["user"], "{name}");
        assert_eq!(inbound.conversation.id.as_str(), event["channel"], "{name}");
        assert!(!inbound.parts.is_empty(), "{name}");
        let is_mention = event["type"] == "app_mention";
        let is_direct = event["channel_type"] == "im";
        let bots = json["authorizations"].as_array().into_iter().flatten();
        let mut mentions = bots.map(|bot| format!("<@{}>", bot["user_id"].as_str().unwrap()));
        let is_named = mentions.any(|mention| event["text"].as_str().unwrap().contains(&mention));
        let expected = is_mention || is_direct || is_named;
        assert_eq!(inbound.addressed, expected, "{name}");
    }
}

#[test]
fn every_signature_vector_comes_out_right() {
    let Some(root) = corpus() else { return };
    let vectors = fs::read(root.join("vectors.json")).unwrap();
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    let cases = vectors["slack"]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 25);
    for case in cases {
        let secret = case["secret"].as_str().unwrap();
        let hook = Hook::new("main".parse().unwrap(), Config::new("x".into(), secret.into()));
        let body = BASE64_STANDARD.decode(case["body_base64"].as_str().unwrap());
        let request = Request {
            method: &Method::POST,
            route: "/events",
            query: "",
            headers: &headers(&case["headers"]),
            body: &body.unwrap(),
        };
        let now = Timestamp::from_secs(case["now"].as_i64().unwrap());
        let passes = request.verify(&hook.proof(), now).is_ok();
        assert_eq!(passes, case["accept"].as_bool().unwrap(), "{}", case["name"]);
    }
}

fn headers(given: &Value) -> HeaderMap {
    let given = given.as_object().unwrap().iter();
    given
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value.as_str().unwrap()).unwrap())
        })
        .collect()
}
