//! Payloads nobody here wrote, and known-answer signatures. From `ZAKI_CORPUS`, or beside the
//! repository; without it there is nothing to check, and the test says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an assertion may end a test")]

use std::{env, fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use zaki_channel::{Parse, Parsed, Request, Verified, Webhook};
use zaki_envelope::{Inbound, InboundKind, StatusKind, Timestamp};
use zaki_whatsapp::{Config, Hook, Reader};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn corpus() -> Option<PathBuf> {
    // A relative path is meant from the root of the repository.
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let given = env::var_os("ZAKI_CORPUS").map(PathBuf::from);
    let root = root.join(given.unwrap_or_else(|| PathBuf::from("../shared/corpus")));
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("NOT CHECKED: no corpus at {}", root.display());
    None
}

fn files() -> Vec<(String, Value)> {
    let Some(root) = corpus() else {
        return Vec::new();
    };
    let entries = fs::read_dir(root.join("whatsapp/pywa")).unwrap();
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
    let reader = Reader::inspect().unwrap();
    let body = json.to_string();
    let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW);
    let parsed = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
    for arrival in &parsed.arrivals {
        let json = serde_json::to_string(&arrival.inbound).unwrap();
        assert_eq!(Inbound::from_json(&json).unwrap(), arrival.inbound, "{name}");
    }
    parsed
}

/// All items of all changes, by what they are called.
fn count(json: &Value, list: &str) -> usize {
    let entries = json["entry"].as_array().unwrap().iter();
    let changes = entries.flat_map(|entry| entry["changes"].as_array().unwrap());
    let lists = changes.filter(|change| change["field"] == "messages");
    let lists = lists.filter_map(|change| change["value"][list].as_array());
    lists.map(Vec::len).sum()
}

#[test]
fn no_payload_loses_a_message() {
    for (name, json) in files() {
        let parsed = parse(&name, &json);
        assert!(parsed.dead.is_empty(), "{name}: {:?}", parsed.dead);
        let expected = match name.split('.').next().unwrap() {
            // What the business wrote itself.
            "outgoing_message" => 0,
            _ => (count(&json, "messages") + count(&json, "statuses")).max(1),
        };
        assert_eq!(parsed.arrivals.len(), expected, "{name}");
    }
}

#[test]
fn people_keep_their_ids_and_messages_their_content() {
    for (name, json) in files() {
        let value = &json["entry"][0]["changes"][0]["value"];
        let Some(message) = value["messages"].get(0) else {
            continue;
        };
        let parsed = parse(&name, &json);
        let inbound = &parsed.arrivals[0].inbound;
        let contact = &value["contacts"][0];
        let id = if contact["wa_id"] == message["from"] && contact["user_id"].is_string() {
            &contact["user_id"]
        } else {
            &message["from"]
        };
        // One fixture leaves placeholders in place of ids.
        if name != "deleted_message.revoke.json" {
            assert_eq!(inbound.sender.id.as_str(), id, "{name}");
        }
        assert_eq!(inbound.message.as_ref().unwrap().as_str(), message["id"], "{name}");
        let is_content = !matches!(message["type"].as_str(), Some("reaction" | "revoke"));
        assert_eq!(!inbound.parts.is_empty(), is_content, "{name}");
    }
}

#[test]
fn statuses_say_how_far_a_message_came_and_why_it_failed() {
    let mut failed = 0;
    for (name, json) in files() {
        let value = &json["entry"][0]["changes"][0];
        let Some(status) = value["value"]["statuses"].get(0) else { continue };
        if value["field"] != "messages" {
            continue;
        }
        let parsed = parse(&name, &json);
        let InboundKind::Status { target, status: kind, delivery, reason } =
            &parsed.arrivals[0].inbound.kind
        else {
            panic!("{name} is a status");
        };
        assert_eq!(target.as_str(), status["id"], "{name}");
        assert_eq!(*kind == StatusKind::Failed, status["status"] == "failed", "{name}");
        // What others send along is no delivery of ours.
        assert_eq!(*delivery, None, "{name}");
        let code = status["errors"][0]["code"].as_u64().map(|code| code.to_string());
        let said = reason.as_ref().and_then(|reason| reason.split(' ').next());
        assert_eq!(said, code.as_deref(), "{name}");
        failed += usize::from(code.is_some());
    }
    assert!(corpus().is_none() || failed > 0, "one of them failed");
}

#[test]
fn every_signature_vector_comes_out_right() {
    let Some(root) = corpus() else { return };
    let vectors = fs::read(root.join("vectors.json")).unwrap();
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    let cases = vectors["meta"]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 18);
    for case in cases {
        let secret = case["secret"].as_str().unwrap();
        let config = Config::new("t".into(), "1", secret.into(), "v".into());
        let hook = Hook::new("main".parse().unwrap(), config);
        let body = BASE64_STANDARD.decode(case["body_base64"].as_str().unwrap());
        let request = Request {
            method: &Method::POST,
            route: "",
            query: "",
            headers: &headers(&case["headers"]),
            body: &body.unwrap(),
        };
        let passes = request.verify(&hook.proof(), NOW).is_ok();
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
