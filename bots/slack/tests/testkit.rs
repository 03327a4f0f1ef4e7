//! What every channel must pass, with Slack's bodies and signatures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an assertion may end a test")]

use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use zaki_channel::Webhook;
use zaki_channel::testkit::{self, Body, Key, Sample};
use zaki_envelope::{AccountName, Timestamp};
use zaki_slack::{Config, Hook, Slack};

struct Sent;

fn secret(key: Key) -> &'static str {
    match key {
        Key::Ours => "8f742231b10e8888abcd99yyyzzz85a5",
        Key::Other => "0f742231b10e8888abcd99yyyzzz85a5",
        Key::Empty => "",
    }
}

fn config(key: Key) -> Config {
    Config::new("xoxb-test".into(), secret(key).into())
}

/// An event of the app A1, whose bot is UBOT, in the workspace T1.
fn event(event: &Value) -> Body {
    let outer = json!({
        "token": "deprecated", "team_id": "T1", "api_app_id": "A1", "event": event,
        "type": "event_callback", "event_id": "Ev1", "event_time": 1_795_000_000,
        "authorizations": [{"enterprise_id": null, "team_id": "T1", "user_id": "UBOT",
            "is_bot": true, "is_enterprise_install": false}],
    });
    Body::on("/events", outer.to_string())
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish().into_bytes()
}

impl Sample for Sent {
    fn account(&self) -> AccountName {
        "main".parse().unwrap()
    }

    fn hook(&self, key: Key) -> Box<dyn Webhook> {
        Box::new(Hook::new(self.account(), config(key)))
    }

    fn sign(&self, key: Key, body: &[u8], at: Timestamp) -> HeaderMap {
        let time = at.as_secs().to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret(key).as_bytes()).unwrap();
        mac.update(format!("v0:{time}:").as_bytes());
        mac.update(body);
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        HeaderMap::from_iter([
            ("x-slack-request-timestamp".parse().unwrap(), HeaderValue::from_str(&time).unwrap()),
            ("x-slack-signature".parse().unwrap(), HeaderValue::from_str(&signature).unwrap()),
        ])
    }

    fn message(&self) -> Body {
        event(&json!({
            "client_msg_id": "c1", "type": "message", "text": "hello &amp; <@U2>", "user": "U1",
            "ts": "1795000000.000100", "team": "T1", "channel": "D1", "channel_type": "im",
            "event_ts": "1795000000.000100",
            "blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section",
                "elements": [{"type": "text", "text": "hello"}]}]}],
        }))
    }

    fn others(&self) -> Vec<Body> {
        let press = json!({
            "type": "block_actions", "token": "x", "team": {"id": "T1"}, "trigger_id": "1.2.x",
            "user": {"id": "U1", "username": "ann", "team_id": "T1"}, "channel": {"id": "C1"},
            "container": {"message_ts": "1795000000.000100", "channel_id": "C1"},
            "response_url": "https://hooks.slack.com/actions/T1/1/x",
            "actions": [{"action_id": "a", "type": "button", "value": "yes",
                "action_ts": "1795000000.1", "text": {"type": "plain_text", "text": "Yes"}}],
        });
        vec![
            event(&json!({
                "type": "message", "subtype": "message_changed", "channel": "C1",
                "ts": "1795000001.000100", "event_ts": "1795000001.000100",
                "message": {"type": "message", "user": "U1", "text": "b",
                    "ts": "1795000000.000100", "edited": {"user": "U1", "ts": "1795000001.0"}},
                "previous_message": {"type": "message", "user": "U1", "text": "a",
                    "ts": "1795000000.000100"},
            })),
            event(&json!({
                "type": "message", "subtype": "file_share", "text": "", "user": "U1",
                "channel": "C1", "ts": "1795000002.000100", "files": [{"id": "F1",
                    "name": "a.png", "mimetype": "image/png", "size": 5, "mode": "hosted",
                    "url_private": "https://files.slack.com/files-pri/T1-F1/a.png"}],
            })),
            event(&json!({
                "type": "reaction_added", "user": "U1", "reaction": "eyes", "item_user": "U2",
                "item": {"type": "message", "channel": "C1", "ts": "1795000000.000100"},
                "event_ts": "1795000003.000100",
            })),
            Body::on("/interactivity", form(&[("payload", &press.to_string())])),
            Body::on(
                "/commands",
                form(&[
                    ("token", "x"),
                    ("team_id", "T1"),
                    ("channel_id", "C1"),
                    ("user_id", "U1"),
                    ("user_name", "ann"),
                    ("command", "/zaki"),
                    ("text", "what is up?"),
                    ("response_url", "https://hooks.slack.com/commands/T1/1/x"),
                    ("trigger_id", "1.2.x"),
                ]),
            ),
            Body::on("/events", r#"{"token":"x","challenge":"c","type":"url_verification"}"#),
            Body::on("/commands", "ssl_check=1&token=x"),
        ]
    }

    fn own(&self) -> Vec<Body> {
        let ours = json!({"type": "message", "user": "UBOT", "bot_id": "B1", "app_id": "A1",
            "text": "hi", "ts": "1795000000.000200"});
        let in_channel = |mut event: Value| {
            event["channel"] = json!("C1");
            self::event(&event)
        };
        let mut by_user = ours.clone();
        by_user["app_id"] = Value::Null;
        let mut by_profile = by_user.clone();
        by_profile["user"] = json!("UOTHER");
        by_profile["bot_profile"] = json!({"id": "B1", "app_id": "A1", "name": "zaki"});
        vec![
            in_channel(ours.clone()),
            in_channel(by_user),
            in_channel(by_profile),
            in_channel(json!({"type": "message", "subtype": "bot_message", "bot_id": "B1",
                "text": "hi", "ts": "1795000000.000300"})),
            in_channel(json!({"type": "message", "subtype": "message_changed", "message": ours,
                "ts": "1795000000.000400"})),
            in_channel(json!({"type": "message", "subtype": "message_deleted",
                "previous_message": ours, "deleted_ts": "1795000000.000200"})),
        ]
    }
}

#[test]
fn the_webhook_keeps_every_promise() {
    testkit::webhook(&Sent);
}

#[test]
fn everything_sent_is_within_the_capabilities() {
    let account = Sent.account();
    testkit::output(&Slack::new(account, &config(Key::Ours), reqwest::Client::new()));
}
