//! What Slack's payloads become, rule by rule.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an assertion may end a test")]

use serde_json::{Value, json};
use zaki_channel::{Arrival, Parse, Parsed, Verified};
use zaki_envelope::{
    ConversationKind, Inbound, InboundKind, MediaKind, MessageId, Part, Timestamp, plain_text,
};
use zaki_slack::{Config, Reader};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn parse(body: &str) -> Parsed {
    let config = Config::new("xoxb".into(), "s".into());
    let reader = Reader::new("main".parse().unwrap(), &config);
    let parsed = reader.parse(Verified::trusted("/events", body.as_bytes()), NOW);
    parsed.unwrap()
}

fn outer(event: &Value) -> Value {
    json!({"token": "x", "team_id": "T1", "api_app_id": "A1", "type": "event_callback",
        "event_id": "Ev1", "event": event, "authorizations": [{"user_id": "UBOT", "is_bot": true}]})
}

fn one(event: &Value) -> Inbound {
    only(parse(&outer(event).to_string())).inbound
}

fn only(mut parsed: Parsed) -> Arrival {
    assert_eq!(parsed.arrivals.len(), 1);
    assert!(parsed.dead.is_empty());
    parsed.arrivals.remove(0)
}

fn said(channel: &str, text: &str) -> Value {
    json!({"type": "message", "user": "U1", "text": text, "channel": channel,
        "ts": "1795000000.000100", "event_ts": "1795000000.000100"})
}

#[test]
fn a_mention_is_one_message_however_and_in_which_order_it_comes() {
    let mut event = said("C1", "<@UBOT> what is &lt;this&gt;?");
    let as_message = one(&event);
    event["type"] = json!("app_mention");
    let mut second = outer(&event);
    second["event_id"] = json!("Ev2");
    let as_mention = only(parse(&second.to_string())).inbound;
    assert_eq!(as_message, as_mention);
    assert_eq!(as_message.dedupe.as_str(), "slack:T1:C1:1795000000.000100");
    assert!(as_message.addressed);
    assert_eq!(plain_text(&as_message.parts), "what is <this>?");
}

#[test]
fn a_question_in_front_of_others_opens_a_thread() {
    let thread = |event: &Value| one(event).conversation.thread.map(|id| id.to_string());
    let asked = thread(&said("C1", "<@UBOT> hello"));
    assert_eq!(asked.as_deref(), Some("1795000000.000100"));
    assert_eq!(thread(&said("C1", "hello all")), None);
    assert_eq!(thread(&said("D1", "<@UBOT> hello")), None);
}

#[test]
fn in_a_channel_only_what_is_meant_for_the_bot_is_addressed() {
    assert!(!one(&said("C1", "hello all")).addressed);
    assert!(!one(&said("C1", "<@U2> hello")).addressed);
    assert!(one(&said("D1", "hello")).addressed);
    let mut reply = said("C1", "and then?");
    reply["thread_ts"] = json!("1794000000.000100");
    assert!(!one(&reply).addressed);
    reply["parent_user_id"] = json!("UBOT");
    let reply = one(&reply);
    assert!(reply.addressed);
    assert_eq!(reply.conversation.thread.unwrap().as_str(), "1794000000.000100");
}

#[test]
fn authed_users_and_the_configured_bot_user_serve_where_authorizations_are_missing() {
    let mut body = outer(&said("C1", "<@UBOT> hello"));
    body["authorizations"] = json!([]);
    assert!(!only(parse(&body.to_string())).inbound.addressed);
    body["authed_users"] = json!(["UBOT"]);
    assert!(only(parse(&body.to_string())).inbound.addressed);
    body["authed_users"] = json!([]);
    let mut config = Config::new("xoxb".into(), "s".into());
    config.bot_user = Some("UBOT".to_owned());
    let reader = Reader::new("main".parse().unwrap(), &config);
    let body = body.to_string();
    let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW);
    assert!(only(parsed.unwrap()).inbound.addressed);
}

#[test]
fn places_people_and_times_are_read() {
    let mut event = said("C0GROUP", "hi");
    event["channel_type"] = json!("mpim");
    let inbound = one(&event);
    assert_eq!(inbound.conversation.kind, ConversationKind::Group);
    assert_eq!(inbound.sender.scope.as_str(), "T1");
    assert_eq!(inbound.sender.id.as_str(), "U1");
    assert_eq!(inbound.sent_at, Some(NOW));
    let mut body = outer(&said("D1", "hi"));
    body["enterprise_id"] = json!("E1");
    let inbound = only(parse(&body.to_string())).inbound;
    assert_eq!(inbound.sender.scope.as_str(), "E1");
    assert_eq!(inbound.conversation.space.as_ref().unwrap().as_str(), "T1");
    assert_eq!(inbound.conversation.kind, ConversationKind::Direct);
    assert_eq!(inbound.dedupe.as_str(), "slack:T1:D1:1795000000.000100");
}

#[test]
fn other_programs_are_flagged_and_not_lost() {
    let mut event = said("C1", "deployed");
    event["bot_id"] = json!("B9");
    event["bot_profile"] = json!({"app_id": "A9", "name": "deployer"});
    let inbound = one(&event);
    assert!(inbound.sender.is_bot);
    assert_eq!(inbound.sender.display_name.as_deref(), Some("deployer"));
    assert!(!one(&said("C1", "typed")).sender.is_bot);
}

#[test]
fn edits_and_deletions_name_their_target_and_add_their_time() {
    let edit = one(&json!({
        "type": "message", "subtype": "message_changed", "channel": "D1",
        "ts": "1795000009.000100", "event_ts": "1795000009.000100",
        "message": {"user": "U1", "text": "new", "ts": "1795000000.000100",
            "edited": {"user": "U1", "ts": "1795000008.000000"}},
        "previous_message": {"user": "U1", "text": "old", "ts": "1795000000.000100"},
    }));
    let target = MessageId::new("1795000000.000100");
    assert_eq!(edit.kind, InboundKind::Edit { target: target.clone() });
    assert_eq!(edit.dedupe.as_str(), "slack:T1:D1:1795000000.000100:1795000008.000000");
    assert_eq!(plain_text(&edit.parts), "new");
    let unfurled = one(&json!({
        "type": "message", "subtype": "message_changed", "channel": "D1", "ts": "1795000009.2",
        "message": {"user": "U1", "text": "same", "ts": "1795000000.000100"},
        "previous_message": {"user": "U1", "text": "same", "ts": "1795000000.000100"},
    }));
    assert!(matches!(unfurled.kind, InboundKind::Other { .. }));
    let deleted = one(&json!({
        "type": "message", "subtype": "message_deleted", "channel": "D1",
        "ts": "1795000010.000100", "deleted_ts": "1795000000.000100",
        "previous_message": {"user": "U1", "text": "old", "ts": "1795000000.000100"},
    }));
    assert_eq!(deleted.kind, InboundKind::Delete { target });
    assert_eq!(deleted.sender.id.as_str(), "U1");
}

#[test]
fn files_and_unknown_content_are_kept() {
    let mut event = said("D1", "look");
    event["subtype"] = json!("file_share");
    event["files"] = json!([
        {"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 7,
            "url_private": "https://files.slack.com/a", "mode": "hosted"},
        {"id": "F2", "mimetype": "audio/mp4", "subtype": "slack_audio",
            "url_private": "https://files.slack.com/b"},
        {"id": "F3", "file_access": "check_file_info", "mode": "file_access"},
        {"id": "F4", "mode": "tombstone"},
    ]);
    let inbound = one(&event);
    let kinds: Vec<String> = inbound.parts.iter().map(describe).collect();
    assert_eq!(
        kinds,
        [
            "look",
            "Image https://files.slack.com/a",
            "Voice https://files.slack.com/b",
            "Document F3",
            "?file.tombstone"
        ]
    );
    let mut event = said("D1", "");
    event["attachments"] = json!([{"fallback": "x"}]);
    assert_eq!(one(&event).parts, [Part::unsupported("attachments")]);
    let mut event = said("D1", "new kind of message");
    event["subtype"] = json!("hologram");
    let inbound = one(&event);
    assert_eq!(inbound.kind, InboundKind::Other { name: "message.hologram".to_owned() });
    assert_eq!(plain_text(&inbound.parts), "new kind of message");
}

fn describe(part: &Part) -> String {
    match part {
        Part::Text { text, .. } => text.clone(),
        Part::Media { kind: MediaKind::Image, reference, .. } => format!("Image {reference}"),
        Part::Media { kind, reference, .. } => format!("{kind:?} {reference}"),
        Part::Unsupported { kind } => format!("?{kind}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn fields_of_another_type_lose_no_message() {
    let mut event = said("D1", "still here");
    event["files"] = json!("none");
    event["blocks"] = json!(7);
    event["edited"] = json!([]);
    event["thread_ts"] = json!(1.5);
    event["user_profile"] = json!("x");
    assert_eq!(plain_text(&one(&event).parts), "still here");
}

#[test]
fn reactions_joins_and_unknown_events_go_by_event_id() {
    let reaction = one(&json!({"type": "reaction_removed", "user": "U1", "reaction": "eyes",
        "item": {"type": "message", "channel": "C1", "ts": "1.2"}}));
    assert_eq!(
        reaction.kind,
        InboundKind::Reaction {
            target: MessageId::new("1.2"),
            emoji: "eyes".to_owned(),
            removed: true
        }
    );
    assert_eq!(reaction.dedupe.as_str(), "slack:T1:event:Ev1");
    assert_eq!(reaction.conversation.id.as_str(), "C1");
    let joined = one(&json!({"type": "member_joined_channel", "user": "U1", "channel": "C1"}));
    assert!(matches!(joined.kind, InboundKind::Membership { .. }));
    let unknown = one(&json!({"type": "app_uninstalled"}));
    assert_eq!(unknown.kind, InboundKind::Other { name: "app_uninstalled".to_owned() });
    assert!(unknown.sender.is_bot);
}

#[test]
fn a_slash_command_brings_the_right_to_answer_it() {
    let arrival = only(parse(
        "team_id=T1&channel_id=C1&channel_name=x&user_id=U1&user_name=ann&command=%2Fzaki\
         &text=a+%26amp%3B+b&trigger_id=1.2&response_url=https%3A%2F%2Fhooks.slack.com%2Fx",
    ));
    let inbound = &arrival.inbound;
    assert_eq!(inbound.kind, InboundKind::Command { name: "zaki".to_owned() });
    assert_eq!(plain_text(&inbound.parts), "a & b");
    assert!(inbound.addressed);
    assert_eq!(inbound.conversation.space.as_ref().unwrap().as_str(), "T1");
    assert_eq!(inbound.dedupe.as_str(), "slack:T1:command:1.2");
    let handle = arrival.handle.unwrap();
    assert_eq!(handle.secret, "https://hooks.slack.com/x");
    assert_eq!((handle.uses_left, handle.expires_at.since(NOW)), (5, 30 * 60 * 1000));
    let json = serde_json::to_string(inbound).unwrap();
    assert!(!json.contains("hooks.slack.com"), "the secret stays beside the envelope");
}

#[test]
fn a_press_carries_its_data_and_place() {
    let payload = json!({"type": "block_actions", "token": "x", "team": {"id": "T1"},
        "user": {"id": "U1"}, "channel": {"id": "C1"}, "message": {"ts": "5.6", "thread_ts": "1.2"},
        "actions": [{"action_id": "a", "value": "yes", "action_ts": "7.8", "text": {"text": "Yes!"}}],
        "response_url": "https://hooks.slack.com/y"});
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair("payload", &payload.to_string()).finish();
    let arrival = only(parse(&body));
    assert_eq!(arrival.inbound.kind, InboundKind::Button { data: "yes".to_owned() });
    assert_eq!(plain_text(&arrival.inbound.parts), "Yes!");
    assert_eq!(arrival.inbound.conversation.thread.unwrap().as_str(), "1.2");
    assert!(arrival.handle.is_some());
}

#[test]
fn the_challenge_is_answered_and_frames_of_the_socket_are_read() {
    let parsed = parse(r#"{"token":"x","challenge":"c-1","type":"url_verification"}"#);
    assert_eq!((parsed.answer.status, parsed.answer.body.as_str()), (200, "c-1"));
    assert!(parsed.arrivals.is_empty());
    let frame =
        json!({"envelope_id": "e", "type": "events_api", "payload": outer(&said("D1", "x"))});
    assert_eq!(plain_text(&only(parse(&frame.to_string())).inbound.parts), "x");
    assert!(parse(r#"{"type":"hello","num_connections":1}"#).arrivals.is_empty());
}

#[test]
fn what_is_not_slack_is_refused() {
    let reader = Reader::inspect().unwrap();
    for body in ["", "x", "[]", "{}", "{\"update_id\":1}", "payload=[]", "a=b", "\u{0}"] {
        let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW);
        assert!(parsed.is_err(), "{body:?}");
    }
}
