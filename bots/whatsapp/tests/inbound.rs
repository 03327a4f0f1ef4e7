//! What WhatsApp's payloads become, rule by rule.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "an assertion may end a test, and json!() reads best as a value"
)]

use serde_json::{Value, json};
use zaki_channel::{Parse, Parsed, Verified};
use zaki_envelope::{
    ConversationKind, DeliveryId, Inbound, InboundKind, MediaKind, MediaRef, MessageId, Part,
    SenderId, StatusKind, Timestamp, plain_text,
};
use zaki_whatsapp::{Config, Reader};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn config() -> Config {
    Config::new("t".into(), "106", "s".into(), "v".into())
}

fn parse_with(config: &Config, body: &Value) -> Parsed {
    let reader = Reader::new("main".parse().unwrap(), config);
    let body = body.to_string();
    let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW);
    parsed.unwrap()
}

fn change(value: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "102",
        "changes": [{"field": "messages", "value": value}]}]})
}

fn value(contacts: Value, messages: Value) -> Value {
    json!({"metadata": {"display_phone_number": "15550783881", "phone_number_id": "106"},
        "contacts": contacts, "messages": messages})
}

fn ann() -> Value {
    json!({"profile": {"name": "Ann", "username": "ann.a"}, "wa_id": "49151", "user_id": "DE.1"})
}

fn one(contacts: Value, message: Value) -> Inbound {
    let mut message = message;
    for (name, default) in [("id", "wamid.1"), ("timestamp", "1795000000"), ("type", "text")] {
        if message.get(name).is_none() {
            message[name] = json!(default);
        }
    }
    let mut parsed = parse_with(&config(), &change(&value(contacts, json!([message]))));
    assert_eq!(parsed.dead, []);
    assert_eq!(parsed.arrivals.len(), 1);
    parsed.arrivals.remove(0).inbound
}

fn from_ann(content: Value) -> Inbound {
    let mut message = content;
    message["from"] = json!("49151");
    one(json!([ann()]), message)
}

#[test]
fn the_business_scoped_id_comes_first_and_the_number_is_an_alias() {
    let inbound = from_ann(json!({"text": {"body": "hi"}}));
    assert_eq!(inbound.sender.id.as_str(), "DE.1");
    assert_eq!(inbound.sender.aliases, [SenderId::new("49151")]);
    assert_eq!(inbound.sender.display_name.as_deref(), Some("Ann"));
    assert_eq!(inbound.sender.handle.as_deref(), Some("ann.a"));
    assert_eq!(inbound.conversation.id.as_str(), "DE.1");
    assert_eq!(inbound.conversation.kind, ConversationKind::Direct);
    assert_eq!(inbound.sent_at, Some(NOW));
    assert_eq!(inbound.dedupe.as_str(), "whatsapp:wamid.1");
    assert!(inbound.addressed);
}

#[test]
fn every_way_to_name_a_person_is_read() {
    let id = |contacts: Value, message: Value| {
        let sender = one(contacts, message).sender;
        (sender.id.as_str().to_owned(), sender.aliases.len())
    };
    let expected = |id: &str, aliases: usize| (id.to_owned(), aliases);
    // Number alone, as before 2026.
    assert_eq!(id(json!([]), json!({"from": "49151"})), expected("49151", 0));
    // Both in the message.
    let both = json!({"from": "49151", "from_user_id": "DE.1"});
    assert_eq!(id(json!([]), both), expected("DE.1", 1));
    // A username hides the number.
    let hidden = json!([{"profile": {"name": "Ann"}, "user_id": "DE.1"}]);
    let scoped = json!({"from_user_id": "DE.1"});
    assert_eq!(id(hidden.clone(), scoped), expected("DE.1", 0));
    // `from` holds the business-scoped id: it is no phone number.
    assert_eq!(id(hidden.clone(), json!({"from": "DE.1"})), expected("DE.1", 0));
    // No id in the message, one contact.
    assert_eq!(id(hidden, json!({})), expected("DE.1", 0));
}

#[test]
fn nobody_is_taken_for_somebody_else() {
    let sender = one(json!([ann()]), json!({"from": "4420"})).sender;
    assert_eq!(sender.id.as_str(), "4420");
    assert!(sender.aliases.is_empty() && sender.display_name.is_none());
    let other = json!({"from": "49151", "from_user_id": "DE.9"});
    let sender = one(json!([ann()]), other).sender;
    assert_eq!(sender.id.as_str(), "DE.9");
    assert!(sender.display_name.is_none());
    let bo = json!({"profile": {"name": "Bo"}, "wa_id": "4420", "user_id": "GB.2"});
    let messages = json!([
        {"id": "wamid.1", "from": "49151", "type": "text", "text": {"body": "a"}},
        {"id": "wamid.2", "from": "4420", "type": "text", "text": {"body": "b"}},
        {"id": "wamid.3", "type": "text", "text": {"body": "whose?"}},
    ]);
    let parsed = parse_with(&config(), &change(&value(json!([ann(), bo]), messages)));
    let ids: Vec<&str> = parsed.arrivals.iter().map(|a| a.inbound.sender.id.as_str()).collect();
    assert_eq!(ids, ["DE.1", "GB.2"]);
    assert_eq!(parsed.dead.len(), 1, "a message from nobody is kept, not guessed at");
}

#[test]
fn the_scope_is_the_business_account_or_the_configured_portfolio() {
    assert_eq!(from_ann(json!({})).sender.scope.as_str(), "102");
    let mut config = config();
    config.portfolio = Some("900".to_owned());
    let message = json!([{"id": "wamid.1", "from": "49151", "type": "text"}]);
    let parsed = parse_with(&config, &change(&value(json!([]), message)));
    assert_eq!(parsed.arrivals[0].inbound.sender.scope.as_str(), "900");
}

#[test]
fn what_is_written_to_another_number_is_not_for_this_bot() {
    let mut value = value(json!([ann()]), json!([{"id": "wamid.1", "from": "49151"}]));
    value["metadata"]["phone_number_id"] = json!("107");
    let parsed = parse_with(&config(), &change(&value));
    assert!(!parsed.arrivals[0].inbound.addressed);
}

#[test]
fn every_kind_of_content_is_kept() {
    let parts = |content: Value| from_ann(content).parts;
    let media = |kind, name: Option<&str>| Part::Media {
        kind,
        reference: MediaRef::new("7"),
        mime: None,
        name: name.map(str::to_owned),
        size: None,
    };
    assert_eq!(
        parts(json!({"type": "image", "image": {"id": "7", "caption": "see"}})),
        [media(MediaKind::Image, None), Part::text("see")]
    );
    assert_eq!(
        parts(json!({"type": "audio", "audio": {"id": "7", "voice": true}})),
        [media(MediaKind::Voice, None)]
    );
    assert_eq!(
        parts(json!({"type": "document", "document": {"id": "7", "filename": "a.pdf"}})),
        [media(MediaKind::Document, Some("a.pdf"))]
    );
    assert_eq!(parts(json!({"type": "video", "video": "odd"})), [Part::unsupported("video")]);
    assert_eq!(
        parts(json!({"type": "location", "location": {"latitude": 1.5, "longitude": -2.0,
            "name": "Home", "address": "1 Road"}})),
        [Part::Location { latitude: 1.5, longitude: -2.0, name: Some("Home, 1 Road".to_owned()) }]
    );
    assert_eq!(
        parts(json!({"type": "contacts", "contacts": [{"name": {"formatted_name": "Bo"},
            "phones": [{"phone": "+1 5"}, {"wa_id": "15"}]}]})),
        [Part::Contact { name: "Bo".to_owned(), phones: vec!["+1 5".to_owned(), "15".to_owned()] }]
    );
    assert_eq!(
        parts(json!({"type": "unsupported", "unsupported": {"type": "poll"}})),
        [Part::unsupported("poll")]
    );
    assert_eq!(parts(json!({"type": "hologram"})), [Part::unsupported("hologram")]);
    assert_eq!(parts(json!({"type": "interactive"})), [Part::unsupported("interactive")]);
}

#[test]
fn presses_reactions_edits_and_revocations_are_what_they_are() {
    let press = from_ann(json!({"type": "interactive", "interactive": {"type": "list_reply",
        "list_reply": {"id": "a", "title": "Apple"}}, "context": {"id": "wamid.0"}}));
    assert_eq!(press.kind, InboundKind::Button { data: "a".to_owned() });
    assert_eq!(plain_text(&press.parts), "Apple");
    assert_eq!(press.reply_to, Some(MessageId::new("wamid.0")));
    let quick = from_ann(json!({"type": "button", "button": {"payload": "p", "text": "Go"}}));
    assert_eq!(quick.kind, InboundKind::Button { data: "p".to_owned() });

    let target = MessageId::new("wamid.0");
    for (reaction, emoji) in [
        (json!({"message_id": "wamid.0", "emoji": "👍"}), "👍"),
        (json!({"message_id": "wamid.0", "emoji": ""}), ""),
        (json!({"message_id": "wamid.0"}), ""),
    ] {
        let inbound = from_ann(json!({"type": "reaction", "reaction": reaction}));
        let expected = InboundKind::Reaction {
            target: target.clone(),
            emoji: emoji.to_owned(),
            removed: emoji.is_empty(),
        };
        assert_eq!(inbound.kind, expected);
    }

    let edit = from_ann(json!({"type": "edit", "edit": {"original_message_id": "wamid.0",
        "message": {"type": "text", "text": {"body": "new"}}}}));
    assert_eq!(edit.kind, InboundKind::Edit { target: target.clone() });
    assert_eq!(plain_text(&edit.parts), "new");
    assert_eq!(edit.dedupe.as_str(), "whatsapp:wamid.1:edit:1795000000");
    let revoked = json!({"type": "revoke", "revoke": {"original_message_id": "wamid.0"}});
    assert_eq!(from_ann(revoked).kind, InboundKind::Delete { target });
}

#[test]
fn a_changed_number_joins_old_and_new() {
    let inbound = one(
        json!([]),
        json!({"from": "49151", "type": "system", "system": {"type": "user_changed_number",
            "wa_id": "49152", "user_id": "DE.2", "body": "Ann changed"}}),
    );
    assert_eq!(inbound.kind, InboundKind::Membership { change: "user_changed_number".to_owned() });
    assert_eq!(inbound.sender.id.as_str(), "49151");
    assert_eq!(inbound.sender.aliases, [SenderId::new("DE.2"), SenderId::new("49152")]);
}

#[test]
fn in_groups_only_answers_to_the_bot_are_addressed() {
    let aside = from_ann(json!({"group_id": "G1", "text": {"body": "hi all"}}));
    assert_eq!(aside.conversation.kind, ConversationKind::Group);
    assert_eq!(aside.conversation.id.as_str(), "G1");
    assert!(!aside.addressed);
    let answer = json!({"group_id": "G1", "context": {"id": "wamid.0", "from": "15550783881"}});
    assert!(from_ann(answer).addressed);
}

#[test]
fn statuses_carry_the_delivery_they_are_about() {
    let delivery = DeliveryId::from_parts(NOW, 7);
    let statuses = json!({"contacts": [ann()], "statuses": [
        {"id": "wamid.9", "status": "delivered", "timestamp": 1_795_000_000,
            "recipient_id": "49151", "biz_opaque_callback_data": delivery},
        {"id": "wamid.9", "status": "played", "recipient_user_id": "DE.1"},
        {"id": "wamid.9", "status": "warning", "recipient_id": "49151"},
        {"id": "wamid.8", "status": "failed", "recipient_type": "group", "recipient_id": "G1",
            "recipient_participant_user_id": "DE.1", "biz_opaque_callback_data": "somebody else's",
            "errors": [{"code": 131_047, "title": "Re-engagement message", "href": "https://x"}]},
    ]});
    let parsed = parse_with(&config(), &change(&statuses));
    let inbounds: Vec<Inbound> = parsed.arrivals.into_iter().map(|a| a.inbound).collect();
    let status = |status, delivery| InboundKind::Status {
        target: MessageId::new("wamid.9"),
        status,
        delivery,
        reason: None,
    };
    assert_eq!(inbounds[0].kind, status(StatusKind::Delivered, Some(delivery)));
    assert_eq!(inbounds[0].dedupe.as_str(), "whatsapp:status:wamid.9:delivered");
    assert_eq!(inbounds[0].sender.id.as_str(), "DE.1");
    assert_eq!(inbounds[1].kind, status(StatusKind::Read, None));
    assert!(matches!(inbounds[2].kind, InboundKind::Other { .. }));
    assert_eq!(inbounds[3].conversation.id.as_str(), "G1");
    let failed = InboundKind::Status {
        target: MessageId::new("wamid.8"),
        status: StatusKind::Failed,
        delivery: None,
        reason: Some("131047 Re-engagement message".to_owned()),
    };
    assert_eq!(inbounds[3].kind, failed);
    assert!(inbounds.iter().all(|inbound| !inbound.addressed));
}

#[test]
fn dead_items_keep_the_bytes_they_came_in() {
    let body = r#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[
        {"field":"messages","value":{"messages":[ {"text" : {"body":"\u00e4 \/"}} ]}}]}]}"#;
    let reader = Reader::inspect().unwrap();
    let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW).unwrap();
    assert_eq!(parsed.dead.len(), 1);
    assert_eq!(parsed.dead[0].raw, br#"{"text" : {"body":"\u00e4 \/"}}"#);
    assert!(!parsed.dead[0].reason.contains('ä'));
}

#[test]
fn other_fields_are_kept_by_name() {
    let body = json!({"entry": [{"id": "102", "changes": [
        {"field": "account_update", "value": {"event": "DISABLED_UPDATE"}},
        {"field": "messages", "value": {"errors": [{"code": 131_000}]}},
    ]}]});
    let parsed = parse_with(&config(), &body);
    let names: Vec<&InboundKind> = parsed.arrivals.iter().map(|a| &a.inbound.kind).collect();
    let other = |name: &str| InboundKind::Other { name: name.to_owned() };
    assert_eq!(names, [&other("account_update"), &other("messages")]);
    assert!(parsed.arrivals.iter().all(|a| a.inbound.sender.is_bot));
}

#[test]
fn what_is_not_whatsapp_is_refused() {
    let reader = Reader::inspect().unwrap();
    for body in
        ["", "x", "[]", "{}", r#"{"entry":{}}"#, r#"{"object":"page","entry":[]}"#, "{\"entry\":"]
    {
        let parsed = reader.parse(Verified::trusted("", body.as_bytes()), NOW);
        assert!(parsed.is_err(), "{body:?}");
    }
}
