//! What a message holds, and whether it calls the bot.

use zaki_envelope::{MediaKind, MediaRef, Mention, Part, SenderId};

use super::types::Object;

/// How references to attachments begin; the ids of channel, message and attachment follow.
pub(crate) const ATTACHMENT: &str = "attachment";
/// Message flag: the attachment was spoken.
const IS_VOICE_MESSAGE: u64 = 1 << 13;

/// Fields that are content where they are not empty, beside those that are read.
const UNREAD: &[(&str, &str)] = &[
    ("sticker_items", "sticker"),
    ("poll", "poll"),
    ("activity", "activity"),
    ("components", "components"),
    ("embeds", "embed"),
];

/// Content, in reading order.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Empty where Discord shows none of it: without the Message Content Intent, in messages that
    /// are not meant for the bot.
    pub(super) parts: Vec<Part>,
    /// It names the bot.
    pub(super) calls_bot: bool,
}

/// Reads all a message holds.
pub(super) fn read(message: &Object, bot: Option<&str>) -> Content {
    let mut parts = files(message);
    let mentions = message.list("mentions");
    let text = message.text("content").unwrap_or_default();
    let said = strip(&text, bot);
    let listed = mentions.iter().any(|user| bot.is_some() && user.id("id").as_deref() == bot);
    if !said.trim().is_empty() {
        parts.push(Part::Text { mentions: named(said, &mentions), text: said.to_owned() });
    }
    parts.extend(forwarded(message));
    // Embeds and the like repeat a link of the text; alone, they are the message.
    let unread = UNREAD.iter().filter(|(name, _)| has(message, name));
    let alone = parts.is_empty();
    parts.extend(
        unread
            .filter(|(_, kind)| alone || *kind == "poll" || *kind == "sticker")
            .map(|(_, kind)| Part::unsupported(*kind)),
    );
    if parts.is_empty() && !text.is_empty() {
        // The bot's name and nothing else is still a call.
        parts.push(Part::text(text.clone()));
    }
    Content { parts, calls_bot: listed || said.len() < text.len() }
}

/// `<@id>` and `<@!id>` at the start are only there to call the bot.
fn strip<'t>(text: &'t str, bot: Option<&str>) -> &'t str {
    let Some(bot) = bot else { return text };
    let rest = text.trim_start();
    let rest = rest.strip_prefix("<@").map(|rest| rest.strip_prefix('!').unwrap_or(rest));
    let rest = rest.and_then(|rest| rest.strip_prefix(bot)?.strip_prefix('>'));
    rest.map_or(text, |rest| rest.trim_start_matches([',', ':', ' ', '\n']))
}

/// The people a text names; Discord lists them beside it.
fn named(text: &str, users: &[Object]) -> Vec<Mention> {
    let written = |id: &str| {
        let spellings = [format!("<@{id}>"), format!("<@!{id}>")];
        spellings.into_iter().find(|mention| text.contains(mention))
    };
    let ids = users.iter().filter_map(|user| user.id("id"));
    ids.filter_map(|id| Some(Mention { text: written(&id)?, sender: Some(SenderId::new(id)) }))
        .collect()
}

fn files(message: &Object) -> Vec<Part> {
    let (channel, id) = (message.id("channel_id"), message.id("id"));
    let spoken = message.get("flags").unwrap_or(0_u64) & IS_VOICE_MESSAGE != 0;
    let place = [channel, id].map(Option::unwrap_or_default).join("/");
    let attachments = message.list("attachments").into_iter();
    attachments.map(|file| attachment(&file, &place, spoken)).collect()
}

/// By its ids and not its URL, which holds a signature and goes stale.
fn attachment(file: &Object, place: &str, spoken: bool) -> Part {
    let Some(id) = file.id("id") else {
        return Part::unsupported("attachment");
    };
    let mime = file.text("content_type");
    Part::Media {
        kind: match mime.as_deref().and_then(|mime| mime.split('/').next()) {
            _ if spoken => MediaKind::Voice,
            Some("image") => MediaKind::Image,
            Some("video") => MediaKind::Video,
            Some("audio") => MediaKind::Audio,
            _ => MediaKind::Document,
        },
        reference: MediaRef::new(format!("{ATTACHMENT}/{place}/{id}")),
        mime,
        name: file.text("filename"),
        size: file.get("size"),
    }
}

/// What somebody passed on: a copy of the original without its author.
fn forwarded(message: &Object) -> Vec<Part> {
    let copies = message.list("message_snapshots").into_iter();
    let originals = copies.filter_map(|copy| copy.get::<Object>("message"));
    originals
        .flat_map(|original| {
            let mut parts = read(&original, None).parts;
            if parts.is_empty() {
                parts.push(Part::unsupported("forward"));
            }
            parts
        })
        .collect()
}

fn has(message: &Object, name: &str) -> bool {
    !message.list(name).is_empty() || message.get::<Object>(name).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zaki_envelope::plain_text;

    use super::*;

    fn content(message: serde_json::Value) -> Content {
        read(&serde_json::from_value(message).unwrap(), Some("42"))
    }

    #[test]
    fn a_leading_mention_calls_the_bot_and_goes() {
        for text in ["<@42> hi", "<@!42>, hi", "  <@42>\nhi"] {
            let content = content(json!({"content": text, "mentions": [{"id": "42"}]}));
            assert_eq!((plain_text(&content.parts).as_str(), content.calls_bot), ("hi", true));
        }
        let inside = content(json!({"content": "hi <@42>", "mentions": [{"id": "42"}]}));
        assert_eq!(plain_text(&inside.parts), "hi <@42>");
        assert!(inside.calls_bot);
        let other = content(json!({"content": "<@420> hi", "mentions": [{"id": "420"}]}));
        assert!(!other.calls_bot);
        let mention = Mention { text: "<@420>".into(), sender: Some(SenderId::new("420")) };
        let text = Part::Text { text: "<@420> hi".into(), mentions: vec![mention] };
        assert_eq!(other.parts, [text]);
    }

    #[test]
    fn nothing_that_is_content_is_lost() {
        let kinds = |message| -> Vec<String> {
            let parts = content(message).parts.into_iter();
            parts
                .map(|part| match part {
                    Part::Media { kind, reference, .. } => {
                        format!("{kind:?} {}", reference.as_str())
                    }
                    Part::Text { text, .. } => text,
                    Part::Unsupported { kind } => format!("? {kind}"),
                    other => format!("{other:?}"),
                })
                .collect()
        };
        let voice = json!({
            "id": "1", "channel_id": "2", "flags": 8192,
            "attachments": [{"id": "3", "filename": "v.ogg", "content_type": "audio/ogg"}],
        });
        assert_eq!(kinds(voice), ["Voice attachment/2/1/3"]);
        let forward =
            json!({"message_snapshots": [{"message": {"content": "old"}}, {"message": {}}]});
        assert_eq!(kinds(forward), ["old", "? forward"]);
        let link = json!({"content": "https://a.example", "embeds": [{"title": "A"}]});
        assert_eq!(kinds(link), ["https://a.example"]);
        assert_eq!(kinds(json!({"embeds": [{"title": "A"}]})), ["? embed"]);
        let both = json!({"content": "look", "sticker_items": [{"id": "1"}]});
        assert_eq!(kinds(both), ["look", "? sticker"]);
        assert_eq!(kinds(json!({"poll": {"question": {}}})), ["? poll"]);
        assert_eq!(kinds(json!({"content": "<@42>"})), ["<@42>"]);
    }
}
