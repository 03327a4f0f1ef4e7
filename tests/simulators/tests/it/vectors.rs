//! The simulators' signatures against the corpus of known answers.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;
use zaki_simulators::signature;

/// `ZAKI_CORPUS`, or `../shared/corpus` beside the repository.
fn vectors() -> Option<Value> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    let corpus = std::env::var_os("ZAKI_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(text) = std::fs::read(corpus.join("vectors.json")) else {
        println!("SKIPPED: no vectors.json in ZAKI_CORPUS");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

fn accepted(vectors: &Value, scheme: &str) -> Vec<Value> {
    let cases = vectors[scheme]["cases"].as_array().unwrap();
    let accepted: Vec<_> = cases.iter().filter(|case| case["accept"] == true).cloned().collect();
    assert!(!accepted.is_empty());
    accepted
}

fn body(case: &Value) -> Vec<u8> {
    let text = case["body_base64"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// A header's value, whatever the case of its name.
fn header<'a>(case: &'a Value, name: &str) -> &'a str {
    let headers = case["headers"].as_object().unwrap();
    let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap();
    value.as_str().unwrap()
}

#[test]
fn slack() {
    let Some(vectors) = vectors() else { return };
    for case in accepted(&vectors, "slack") {
        let timestamp = header(&case, "X-Slack-Request-Timestamp").parse().unwrap();
        let made = signature::slack(case["secret"].as_str().unwrap(), timestamp, &body(&case));
        assert_eq!(made, header(&case, "X-Slack-Signature"), "{}", case["name"]);
    }
}

#[test]
fn meta() {
    let Some(vectors) = vectors() else { return };
    for case in accepted(&vectors, "meta") {
        let made = signature::meta(case["secret"].as_str().unwrap(), &body(&case));
        let known = header(&case, "X-Hub-Signature-256");
        assert!(made.eq_ignore_ascii_case(known), "{}", case["name"]);
    }
}

#[test]
fn discord() {
    let Some(vectors) = vectors() else { return };
    let mut seed = [0; 32];
    let text = vectors["discord"]["signing_seed"].as_str().unwrap();
    hex::decode_to_slice(text, &mut seed).unwrap();
    for case in accepted(&vectors, "discord") {
        assert_eq!(signature::discord_public_key(&seed), case["public_key"]);
        let made = signature::discord(&seed, header(&case, "X-Signature-Timestamp"), &body(&case));
        assert_eq!(made, header(&case, "X-Signature-Ed25519"), "{}", case["name"]);
    }
}
