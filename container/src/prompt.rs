//! What a turn says to the agent, as text.

use zaki_envelope::{MediaKind, Part};

/// The parts in reading order, one or more lines each. Never empty: the gateway refuses that.
pub(crate) fn prompt(parts: &[Part]) -> String {
    let lines: Vec<String> = parts.iter().map(line).collect();
    let text = lines.join("\n");
    if text.trim().is_empty() { "[empty message]".to_owned() } else { text }
}

fn line(part: &Part) -> String {
    match part {
        Part::Text { text, .. } => text.clone(),
        Part::Media { kind, mime, name, .. } => {
            let facts = [name.as_deref(), mime.as_deref()];
            bracket(media(*kind), &facts)
        }
        Part::Location { latitude, longitude, name } => {
            let point = format!("{latitude}, {longitude}");
            bracket("location", &[Some(&point), name.as_deref()])
        }
        Part::Contact { name, phones } => {
            let mut facts = vec![Some(name.as_str())];
            facts.extend(phones.iter().map(|phone| Some(phone.as_str())));
            bracket("contact", &facts)
        }
        // Nobody sends buttons to an agent.
        Part::Choices { .. } => String::new(),
        Part::Unsupported { kind } => bracket("unsupported", &[Some(kind)]),
    }
}

fn bracket(what: &str, facts: &[Option<&str>]) -> String {
    let facts: Vec<&str> = facts.iter().copied().flatten().collect();
    if facts.is_empty() { format!("[{what}]") } else { format!("[{what}: {}]", facts.join(", ")) }
}

const fn media(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Voice => "voice message",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
        MediaKind::Animation => "animation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zaki_envelope::MediaRef;

    #[test]
    fn every_part_leaves_a_line_and_no_reference_leaks() {
        let parts = [
            Part::text("look"),
            Part::Media {
                kind: MediaKind::Image,
                reference: MediaRef::new("file-17"),
                mime: Some("image/png".into()),
                name: None,
                size: None,
            },
            Part::Location { latitude: 1.5, longitude: -2.0, name: Some("Home".into()) },
            Part::Contact { name: "Ada".into(), phones: vec!["+1".into()] },
            Part::unsupported("poll"),
        ];
        assert_eq!(
            prompt(&parts),
            "look\n[image: image/png]\n[location: 1.5, -2, Home]\n[contact: Ada, +1]\n[unsupported: poll]"
        );
        assert_eq!(prompt(&[]), "[empty message]");
        assert_eq!(prompt(&[Part::text(" ")]), "[empty message]");
    }
}
