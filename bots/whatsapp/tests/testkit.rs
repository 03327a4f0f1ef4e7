//! What every channel must pass, with WhatsApp's bodies and signatures.

#![allow(clippy::unwrap_used, reason = "an assertion may end a test")]

use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use zaki_channel::Webhook;
use zaki_channel::testkit::{self, Body, Key, Mixed, Sample};
use zaki_envelope::{AccountName, Timestamp};
use zaki_whatsapp::{Config, Hook, WhatsApp};

struct Sent;

fn secret(key: Key) -> &'static str {
    match key {
        Key::Ours => "meta-app-secret-1",
        Key::Other => "meta-app-secret-2",
        Key::Empty => "",
    }
}

fn config(key: Key) -> Config {
    Config::new("EAA".into(), "106", secret(key).into(), "verify".into())
}

fn change(field: &str, value: &Value) -> Value {
    let mut value = value.clone();
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] = json!({"display_phone_number": "15550783881", "phone_number_id": "106"});
    value["contacts"] = json!([{"profile": {"name": "Ann"}, "wa_id": "4915100000001",
        "user_id": "DE.1349"}]);
    json!({"field": field, "value": value})
}

fn body(changes: &[Value]) -> Body {
    let body = json!({"object": "whatsapp_business_account",
        "entry": [{"id": "102", "changes": changes}]});
    Body::new(body.to_string())
}

fn messages(messages: &Value) -> Body {
    body(&[change("messages", &json!({"messages": messages}))])
}

fn said(id: &str, content: Value) -> Value {
    let mut message = content;
    message["from"] = json!("4915100000001");
    message["id"] = json!(id);
    message["timestamp"] = json!("1795000000");
    message
}

fn text(id: &str) -> Value {
    said(id, json!({"type": "text", "text": {"body": "hällo / 😀"}}))
}

impl Sample for Sent {
    fn account(&self) -> AccountName {
        "main".parse().unwrap()
    }

    fn hook(&self, key: Key) -> Box<dyn Webhook> {
        Box::new(Hook::new(self.account(), config(key)))
    }

    fn sign(&self, key: Key, body: &[u8], _at: Timestamp) -> HeaderMap {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret(key).as_bytes()).unwrap();
        mac.update(body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        HeaderMap::from_iter([(
            "x-hub-signature-256".parse().unwrap(),
            HeaderValue::from_str(&signature).unwrap(),
        )])
    }

    fn message(&self) -> Body {
        messages(&json!([text("wamid.1")]))
    }

    fn others(&self) -> Vec<Body> {
        let image = json!({"type": "image", "image": {"id": "77", "mime_type": "image/png",
            "caption": "see"}, "context": {"id": "wamid.0", "from": "15550783881"}});
        let press = json!({"type": "interactive", "interactive": {"type": "button_reply",
            "button_reply": {"id": "yes", "title": "Yes"}}});
        let edit = json!({"type": "edit", "edit": {"original_message_id": "wamid.1",
            "message": {"type": "text", "text": {"body": "b"}}}});
        let place = json!({"type": "location", "location": {"latitude": 1.5, "longitude": 2.5}});
        let card = json!({"type": "contacts", "contacts": [{"name": {"formatted_name": "Bo"},
            "phones": [{"phone": "+1 5"}]}]});
        vec![
            messages(&json!([
                said("wamid.2", image),
                said("wamid.3", press),
                said("wamid.4", edit),
                said("wamid.5", place),
                said("wamid.6", card),
                said("wamid.7", json!({"type": "hologram"})),
            ])),
            body(&[change(
                "messages",
                &json!({"statuses": [{"id": "wamid.9", "status": "sent",
                    "timestamp": "1795000000", "recipient_id": "4915100000001"}]}),
            )]),
            body(&[change("account_update", &json!({"event": "DISABLED_UPDATE"}))]),
        ]
    }

    fn own(&self) -> Vec<Body> {
        let mut echo = text("wamid.8");
        echo["from"] = json!("15550783881");
        vec![
            body(&[change("smb_message_echoes", &json!({"message_echoes": [echo]}))]),
            messages(&json!([echo])),
        ]
    }

    fn mixed(&self) -> Option<Mixed> {
        let nobody = json!({"id": "wamid.2", "type": "text", "from": 7, "from_user_id": []});
        let first = json!({"messages": [text("wamid.1"), 7, {"from": "1"}, text("wamid.3")]});
        let mut second = change("messages", &json!({"messages": [nobody, text("wamid.4")]}));
        second["value"]["contacts"] = json!([]);
        let broken = json!("no change at all");
        let third = json!({"messages": "none", "statuses": [{"id": "wamid.9", "status": "read",
            "recipient_id": "4915100000001"}, {}]});
        Some(Mixed {
            body: body(&[change("messages", &first), second, broken, change("messages", &third)]),
            live: 4,
            dead: 6,
        })
    }
}

#[test]
fn the_webhook_keeps_every_promise() {
    testkit::webhook(&Sent);
}

#[test]
fn everything_sent_is_within_the_capabilities() {
    let http = reqwest::Client::new();
    testkit::output(&WhatsApp::new(Sent.account(), &config(Key::Ours), http));
}
