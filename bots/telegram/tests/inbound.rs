//! Updates written by us: who is meant, where, and what a message holds.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "short to write, safe to fail"
)]

use serde_json::{Value, json};
use zaki_channel::{Arrival, Parse, Parsed, Verified};
use zaki_envelope::{
    ConversationKind, Inbound, InboundKind, MediaKind, Part, Timestamp, plain_text,
};
use zaki_telegram::{Config, Reader};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_100);
const BOT: i64 = 4_200_000_001;

fn parse(kind: &str, content: Value) -> Parsed {
    let mut config = Config::new("4200000001:AAF-token".into());
    config.username = Some("@Zaki_Bot".into());
    let reader = Reader::new("main".parse().unwrap(), config);
    let raw = json!({"update_id": 77, kind: content}).to_string();
    reader.parse(Verified::trusted("", raw.as_bytes()), NOW).unwrap()
}

fn one(kind: &str, content: Value) -> Arrival {
    let mut arrivals = parse(kind, content).arrivals;
    assert_eq!(arrivals.len(), 1);
    arrivals.remove(0)
}

fn message_in(chat: Value, more: Value) -> Value {
    let mut message = json!({
        "message_id": 5, "date": 1_795_000_000, "chat": chat,
        "from": {"id": 7, "is_bot": false, "first_name": "Ada", "last_name": "L.",
            "username": "ada", "language_code": "de"},
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn direct(more: Value) -> Value {
    message_in(json!({"id": 7, "type": "private"}), more)
}

fn group(more: Value) -> Value {
    message_in(json!({"id": -1007, "type": "supergroup", "title": "T"}), more)
}

fn read(message: Value) -> Inbound {
    one("message", message).inbound
}

#[test]
fn a_direct_message_whole() {
    let inbound = read(direct(json!({"text": "hello"})));
    assert_eq!(inbound.dedupe.as_str(), "telegram:4200000001:77");
    assert_eq!(inbound.message.unwrap().as_str(), "5");
    assert_eq!(inbound.sent_at, Some(Timestamp::from_secs(1_795_000_000)));
    assert_eq!(inbound.conversation.kind, ConversationKind::Direct);
    assert_eq!(inbound.sender.id.as_str(), "7");
    assert_eq!(inbound.sender.scope.as_str(), "");
    assert_eq!(inbound.sender.display_name.as_deref(), Some("Ada L."));
    assert_eq!(inbound.sender.handle.as_deref(), Some("ada"));
    assert_eq!(inbound.sender.locale.as_deref(), Some("de"));
    assert!(inbound.addressed && !inbound.sender.is_bot);
    assert_eq!(inbound.parts, [Part::text("hello")]);
}

#[test]
fn in_a_group_the_bot_must_be_called() {
    let entity = |kind: &str, length: usize| json!([{"type": kind, "offset": 0, "length": length}]);
    let addressed = |more: Value| read(group(more)).addressed;
    assert!(!addressed(json!({"text": "hello"})));
    assert!(addressed(json!({"text": "@zaki_bot hi", "entities": entity("mention", 9)})));
    assert!(addressed(
        json!({"caption": "@zaki_bot hi", "caption_entities": entity("mention", 9)})
    ));
    // Without its entity it is no mention: part of a longer word, or a link.
    assert!(!addressed(json!({"text": "@zaki_bot hi"})));
    assert!(addressed(json!({"text": "/new", "entities": entity("bot_command", 4)})));
    assert!(!addressed(json!({"text": "/new@other", "entities": entity("bot_command", 10)})));
    let to = |author: i64| json!({"message_id": 3, "from": {"id": author}});
    assert!(addressed(json!({"text": "yes", "reply_to_message": to(BOT)})));
    assert!(!addressed(json!({"text": "yes", "reply_to_message": to(8)})));
}

#[test]
fn a_topic_is_a_thread_and_its_opening_no_reply() {
    let opened =
        json!({"message_id": 3, "from": {"id": BOT}, "forum_topic_created": {"name": "x"}});
    let inbound = read(group(json!({
        "text": "hi", "message_thread_id": 3, "is_topic_message": true, "reply_to_message": opened,
    })));
    assert_eq!(inbound.conversation.thread.unwrap().as_str(), "3");
    assert_eq!((inbound.reply_to, inbound.addressed), (None, false));
    // In an ordinary group it only counts replies.
    let inbound = read(group(json!({"text": "hi", "message_thread_id": 3})));
    assert_eq!(inbound.conversation.thread, None);
}

#[test]
fn nobody_in_particular_is_not_answered() {
    let mention = json!([{"type": "mention", "offset": 0, "length": 9}]);
    let call = |more: Value| {
        let mut message = group(json!({"text": "@zaki_bot hi", "entities": mention}));
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let anonymous = json!({
        "from": {"id": 1_087_968_824, "is_bot": true, "first_name": "Group"},
        "sender_chat": {"id": -1007, "type": "supergroup", "title": "T"},
    });
    let inbound = read(call(anonymous));
    assert_eq!((inbound.sender.id.as_str(), inbound.addressed), ("-1007", false));
    let post = message_in(json!({"id": -1008, "type": "channel"}), json!({"text": "news"}));
    let inbound = one("channel_post", post).inbound;
    assert_eq!(inbound.conversation.kind, ConversationKind::Channel);
    assert!(!inbound.addressed);
    assert!(!one("business_message", direct(json!({"text": "hi"}))).inbound.addressed);
    assert!(!one("guest_message", call(json!({}))).inbound.addressed);
    let program = read(direct(json!({"from": {"id": 9, "is_bot": true}, "text": "hi"})));
    assert!(program.sender.is_bot);
}

#[test]
fn media_come_with_what_is_needed_to_fetch_them() {
    let media = |more: Value| match read(direct(more)).parts.remove(0) {
        Part::Media { kind, reference, mime, .. } => (kind, reference.as_str().to_owned(), mime),
        other => unreachable!("{other:?}"),
    };
    let photo = json!([
        {"file_id": "small", "width": 1, "height": 1}, {"file_id": "large", "width": 9, "height": 9},
        {"file_id": "middle", "width": 5, "height": 5},
    ]);
    assert_eq!(media(json!({"photo": photo})), (MediaKind::Image, "large".into(), None));
    let voice = json!({"voice": {"file_id": "v", "duration": 3}});
    assert_eq!(media(voice), (MediaKind::Voice, "v".into(), None));
    let gif = json!({"animation": {"file_id": "a"}, "document": {"file_id": "a", "file_size": 5_000_000_000_i64}});
    assert_eq!(read(direct(gif)).parts.len(), 1);
    let document =
        json!({"document": {"file_id": "d", "mime_type": "text/plain", "file_size": -1}});
    assert_eq!(media(document), (MediaKind::Document, "d".into(), Some("text/plain".into())));
    let captioned = read(direct(json!({"video": {"file_id": "v"}, "caption": "look"})));
    assert_eq!((captioned.parts.len(), plain_text(&captioned.parts)), (2, "look".into()));
}

#[test]
fn places_and_cards_are_read() {
    let venue =
        json!({"location": {"latitude": 1.0, "longitude": 2.0}, "title": "Café", "address": "A 1"});
    let parts = read(direct(json!({"venue": venue, "location": venue["location"]}))).parts;
    let name = Some("Café, A 1".to_owned());
    assert_eq!(parts, [Part::Location { latitude: 1.0, longitude: 2.0, name }]);
    let card = json!({"first_name": "Bo", "last_name": "Li", "phone_number": "+49 1"});
    let parts = read(direct(json!({"contact": card}))).parts;
    assert_eq!(parts, [Part::Contact { name: "Bo Li".into(), phones: vec!["+49 1".into()] }]);
}

#[test]
fn an_unknown_kind_is_kept_by_name_and_still_reaches_the_bot() {
    let inbound = read(direct(json!({"hologram": {"depth": 3}, "caption": "what is it?"})));
    assert_eq!(inbound.kind, InboundKind::Message);
    assert!(inbound.addressed);
    assert_eq!(inbound.parts, [Part::unsupported("hologram"), Part::text("what is it?")]);
    // A new attribute of a text is none.
    let inbound = read(direct(json!({"text": "hi", "new_attribute": {"a": 1}})));
    assert_eq!(inbound.parts, [Part::text("hi")]);
    let inbound = read(direct(json!({"poll": {"question": "?"}})));
    assert_eq!(inbound.parts, [Part::unsupported("poll")]);
}

#[test]
fn what_telegram_tells_is_no_message_of_a_person() {
    let pinned = read(direct(json!({"pinned_message": {"message_id": 1}})));
    assert_eq!(pinned.kind, InboundKind::Other { name: "pinned_message".into() });
    assert_eq!(pinned.parts, [Part::unsupported("pinned_message")]);
    let joined = read(group(json!({"new_chat_members": [{"id": 8}]})));
    assert_eq!(joined.kind, InboundKind::Membership { change: "new_chat_members".into() });
}

#[test]
fn a_press_carries_its_data_and_the_right_to_answer() {
    let press = json!({
        "id": "9900", "data": "approve:1", "from": {"id": 8, "is_bot": false, "first_name": "Bo"},
        "message": group(json!({"message_thread_id": 3, "is_topic_message": true})),
    });
    let arrival = one("callback_query", press);
    let inbound = arrival.inbound;
    assert_eq!(inbound.kind, InboundKind::Button { data: "approve:1".into() });
    assert_eq!(inbound.sender.id.as_str(), "8");
    assert_eq!(inbound.conversation.thread.unwrap().as_str(), "3");
    assert_eq!(inbound.reply_to.unwrap().as_str(), "5");
    let handle = arrival.handle.unwrap();
    assert_eq!((handle.secret.as_str(), handle.uses_left), ("9900", 1));
    let inline = json!({"id": "1", "from": {"id": 8}, "inline_message_id": "x", "data": "y"});
    let inbound = one("callback_query", inline).inbound;
    assert_eq!(inbound.kind, InboundKind::Other { name: "callback_query".into() });
}

#[test]
fn reactions_say_what_came_and_what_went() {
    let emoji = |emoji: &str| json!({"type": "emoji", "emoji": emoji});
    let change = |old: Vec<Value>, new: Vec<Value>| {
        json!({
            "chat": {"id": -1007, "type": "supergroup"}, "message_id": 5, "date": 1_795_000_000,
            "user": {"id": 7}, "old_reaction": old, "new_reaction": new,
        })
    };
    let changes: Vec<_> = parse("message_reaction", change(vec![emoji("👎")], vec![emoji("👍")]))
        .arrivals
        .into_iter()
        .map(|arrival| (arrival.inbound.dedupe, arrival.inbound.kind))
        .collect();
    let [(first, added), (second, removed)] = &changes[..] else { unreachable!("two changes") };
    assert_ne!(first, second);
    let kind = |emoji: &str, removed| InboundKind::Reaction {
        target: zaki_envelope::MessageId::new("5"),
        emoji: emoji.into(),
        removed,
    };
    assert_eq!((added, removed), (&kind("👍", false), &kind("👎", true)));
    // Neither user nor chat: Telegram hides who it was.
    let mut hidden = change(vec![], vec![emoji("👍")]);
    hidden.as_object_mut().unwrap().remove("user");
    assert!(!one("message_reaction", hidden).inbound.addressed);
}

#[test]
fn edits_deletions_and_memberships_name_what_they_are_about() {
    let edit =
        one("edited_message", direct(json!({"text": "b", "edit_date": 1_795_000_050}))).inbound;
    assert_eq!(edit.kind, InboundKind::Edit { target: zaki_envelope::MessageId::new("5") });
    assert_eq!(edit.sent_at, Some(Timestamp::from_secs(1_795_000_050)));
    let gone = json!({"chat": {"id": 7, "type": "private"}, "message_ids": [1, 2]});
    let gone = parse("deleted_business_messages", gone).arrivals;
    assert_eq!(gone.len(), 2);
    assert_ne!(gone[0].inbound.dedupe, gone[1].inbound.dedupe);
    let blocked = json!({
        "chat": {"id": 7, "type": "private"}, "from": {"id": 7}, "date": 1,
        "new_chat_member": {"status": "kicked", "user": {"id": BOT}},
    });
    let blocked = one("my_chat_member", blocked).inbound;
    assert_eq!(blocked.kind, InboundKind::Membership { change: "kicked".into() });
}

#[test]
fn other_kinds_are_named_and_wake_nobody() {
    let query = json!({"id": "1", "from": {"id": 7}, "query": "x", "offset": ""});
    let inbound = one("inline_query", query).inbound;
    assert_eq!(inbound.kind, InboundKind::Other { name: "inline_query".into() });
    assert_eq!((inbound.conversation.id.as_str(), inbound.addressed), ("7", false));
    let future = one("telepathy", group(json!({"text": "hm"}))).inbound;
    assert_eq!(future.kind, InboundKind::Other { name: "telepathy".into() });
    assert_eq!(future.parts, [Part::text("hm")]);
    assert_eq!(one("poll", json!([1])).inbound.kind, InboundKind::Other { name: "poll".into() });
}

#[test]
fn ids_beyond_32_bits_keep_every_digit() {
    let id = 4_503_599_627_370_495_i64;
    let message = message_in(
        json!({"id": -id, "type": "supergroup"}),
        json!({"text": "hi", "from": {"id": id, "is_bot": false}}),
    );
    let inbound = read(message);
    assert_eq!(inbound.sender.id.as_str(), id.to_string());
    assert_eq!(inbound.conversation.id.as_str(), (-id).to_string());
}
