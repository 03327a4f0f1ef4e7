//! What a message holds. Tables say which of its fields are content; a kind that is in none of
//! them is kept by name.

use serde::Deserialize;
use serde_json::Value;
use zaki_envelope::{MediaKind, MediaRef, Part};

use super::Bot;
use super::rich;
use super::text::{self, Said};
use super::types::{Entity, File, Object};

/// Fields that hold one file.
const MEDIA: &[(&str, MediaKind)] = &[
    ("animation", MediaKind::Animation),
    ("audio", MediaKind::Audio),
    ("document", MediaKind::Document),
    ("live_photo", MediaKind::Video),
    ("sticker", MediaKind::Sticker),
    ("video", MediaKind::Video),
    ("video_note", MediaKind::Video),
    ("voice", MediaKind::Voice),
];

/// Messages nobody wrote: Telegram tells that something happened (Bot API 10.3).
const EVENTS: &[&str] = &[
    "boost_added",
    "channel_chat_created",
    "chat_background_set",
    "chat_owner_changed",
    "chat_owner_left",
    "chat_shared",
    "checklist_tasks_added",
    "checklist_tasks_done",
    "connected_website",
    "delete_chat_photo",
    "direct_message_price_changed",
    "forum_topic_closed",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "gift",
    "gift_upgrade_sent",
    "giveaway",
    "giveaway_completed",
    "giveaway_created",
    "giveaway_winners",
    "group_chat_created",
    "managed_bot_created",
    "message_auto_delete_timer_changed",
    "migrate_from_chat_id",
    "migrate_to_chat_id",
    "new_chat_photo",
    "new_chat_title",
    "paid_message_price_changed",
    "passport_data",
    "pinned_message",
    "poll_option_added",
    "poll_option_deleted",
    "proximity_alert_triggered",
    "refunded_payment",
    "successful_payment",
    "suggested_post_approval_failed",
    "suggested_post_approved",
    "suggested_post_declined",
    "suggested_post_paid",
    "suggested_post_refunded",
    "supergroup_chat_created",
    "unique_gift",
    "users_shared",
    "video_chat_ended",
    "video_chat_participants_invited",
    "video_chat_scheduled",
    "video_chat_started",
    "write_access_allowed",
];

/// The same, about people who come and go.
const MEMBERSHIP: &[&str] = &["left_chat_member", "new_chat_members"];

/// Fields that say something about a message and are no content of their own.
const ATTRIBUTES: &[&str] = &[
    "author_signature",
    "business_connection_id",
    "caption",
    "caption_entities",
    "chat",
    "date",
    "direct_messages_topic",
    "edit_date",
    "effect_id",
    "entities",
    "ephemeral_message_id",
    "external_reply",
    "forward_date",
    "forward_from",
    "forward_from_chat",
    "forward_origin",
    "from",
    "guest_bot_caller_chat",
    "guest_bot_caller_user",
    "guest_query_id",
    "has_media_spoiler",
    "has_protected_content",
    "is_automatic_forward",
    "is_from_offline",
    "is_paid_post",
    "is_topic_message",
    "link_preview_options",
    "media_group_id",
    "message_id",
    "message_thread_id",
    "paid_star_count",
    "quote",
    "receiver_user",
    "reply_markup",
    "reply_to_checklist_task_id",
    "reply_to_message",
    "reply_to_poll_option_id",
    "reply_to_story",
    "sender_boost_count",
    "sender_business_bot",
    "sender_chat",
    "sender_tag",
    "show_caption_above_media",
    "suggested_post_info",
    "text",
    "via_bot",
];

/// Content that is read by code of its own.
const READ: &[&str] = &["contact", "location", "paid_media", "photo", "rich_message", "venue"];

/// Content, in reading order.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) parts: Vec<Part>,
    /// It calls the bot by name or command.
    pub(super) calls_bot: bool,
}

/// Reads all a message holds; never nothing.
pub(super) fn read(message: &Object, bot: &Bot<'_>) -> Content {
    let mut parts = media(message);
    parts.extend(place(message));
    parts.extend(contact(message));
    let said = words(message, bot);
    let rich = rich::read(message, bot).unwrap_or_default();
    let calls_bot = rich.calls_bot || said.as_ref().is_some_and(|said| said.calls_bot);
    parts.extend(rich.media);
    if !rich.lines.is_empty() {
        parts.push(Part::text(rich.lines.join("\n")));
    }
    // A text message holds nothing else; its unknown fields are attributes.
    if !message.has("text") {
        parts.extend(unknown(message, parts.is_empty()));
    }
    parts.extend(said.map(|said| Part::Text { text: said.text, mentions: said.mentions }));
    if parts.is_empty() {
        parts.push(Part::unsupported("message"));
    }
    Content { parts, calls_bot }
}

/// The event a message tells of that nobody wrote.
pub(super) fn event(message: &Object) -> Option<&'static str> {
    EVENTS.iter().find(|name| message.has(name)).copied()
}

/// As [`event`], for people who come and go.
pub(super) fn membership(message: &Object) -> Option<&'static str> {
    MEMBERSHIP.iter().find(|name| message.has(name)).copied()
}

fn words(message: &Object, bot: &Bot<'_>) -> Option<Said> {
    let (text, entities) =
        if message.has("text") { ("text", "entities") } else { ("caption", "caption_entities") };
    let text: String = message.get(text).filter(|text: &String| !text.is_empty())?;
    // One by one, so that an odd entity takes no other with it.
    let entities: Vec<Value> = message.get(entities).unwrap_or_default();
    let entities = entities.into_iter().filter_map(|entity| serde_json::from_value(entity).ok());
    let entities: Vec<Entity> = entities.collect();
    Some(text::read(&text, &entities, bot))
}

/// The files of a message, or of anything else that has them in the same fields.
pub(super) fn media(message: &Object) -> Vec<Part> {
    let sizes: Vec<Value> = message.get("photo").unwrap_or_default();
    let mut parts: Vec<Part> = photo(sizes).into_iter().collect();
    // An animation repeats itself as a document, for old clients.
    let repeated = |name| name == "document" && message.has("animation");
    parts.extend(MEDIA.iter().filter(|(name, _)| !repeated(*name)).filter_map(|(name, kind)| {
        let file: File = message.get(name)?;
        Some(part(file, *kind))
    }));
    parts.extend(paid(message));
    parts
}

/// The largest of a photo's sizes.
fn photo(sizes: Vec<Value>) -> Option<Part> {
    let files = sizes.into_iter().filter_map(|size| serde_json::from_value::<File>(size).ok());
    let largest = files.max_by_key(File::area)?;
    Some(part(largest, MediaKind::Image))
}

/// Media behind a paywall come as a list; those not paid for have no file.
fn paid(message: &Object) -> Vec<Part> {
    let paid: Option<Object> = message.get("paid_media");
    let items: Vec<Object> = paid.and_then(|paid| paid.get("paid_media")).unwrap_or_default();
    items.iter().flat_map(media).collect()
}

fn part(file: File, kind: MediaKind) -> Part {
    Part::Media {
        kind,
        reference: MediaRef::new(file.id),
        mime: file.mime_type,
        name: file.name,
        size: file.size,
    }
}

#[derive(Deserialize)]
struct Point {
    latitude: f64,
    longitude: f64,
}

/// A venue repeats its place as a location.
fn place(message: &Object) -> Option<Part> {
    let venue: Option<Object> = message.get("venue");
    let inner = venue.as_ref().and_then(|venue| venue.get::<Point>("location"));
    let point = inner.or_else(|| message.get("location"))?;
    let name = venue.map(|venue| {
        let lines = ["title", "address"].map(|name| venue.get::<String>(name));
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        lines.join(", ")
    });
    Some(Part::Location { latitude: point.latitude, longitude: point.longitude, name })
}

fn contact(message: &Object) -> Option<Part> {
    let contact: Object = message.get("contact")?;
    let words = ["first_name", "last_name"].map(|name| contact.get::<String>(name));
    let words: Vec<String> = words.into_iter().flatten().collect();
    let phones: Option<String> = contact.get("phone_number");
    Some(Part::Contact { name: words.join(" "), phones: phones.into_iter().collect() })
}

/// Everything the tables above do not know, by name. Beside known content only objects and lists
/// count: a plain value there is some new attribute.
fn unknown(message: &Object, alone: bool) -> Vec<Part> {
    let read = |name: &str| {
        let is_media = MEDIA.iter().any(|(media, _)| *media == name);
        let known = is_media || READ.contains(&name);
        !alone && known || ATTRIBUTES.contains(&name)
    };
    let fields = message.0.iter().filter(|(name, _)| !read(name));
    let content = fields.filter(|(_, value)| alone || value.is_object() || value.is_array());
    content.map(|(name, _)| Part::unsupported(name)).collect()
}
