//! Brings an outbound within a channel's capabilities. The one place that degrades and splits.

mod split;
#[cfg(test)]
mod tests;

use zaki_envelope::{MessageId, Outbound, Part};

use crate::{Capabilities, Rich, Support};
use split::split;

/// The longest note a press is answered with, in characters (Telegram's limit; the others have
/// none).
const LONGEST_NOTE: usize = 200;

/// Returns what to send instead, in order: text rendered in the channel's dialect and split so
/// that every piece is allowed; nothing where nothing is left to say.
///
/// What a channel lacks is treated by its [`Support`]: `Fallback` puts something poorer in its
/// place (an edit becomes a new message, a file a line with its name), `Dropped` leaves it out,
/// `Rejected` leaves out the whole message. Buttons that a channel cannot show are left out.
pub fn fit(outbound: Outbound, capabilities: &Capabilities) -> Vec<Outbound> {
    match outbound {
        Outbound::Post { parts, reply_to } => {
            let reply_to = reply_to.filter(|_| capabilities.reply == Support::Full);
            message(parts, First::Post { reply_to }, capabilities)
        }
        Outbound::Edit { target, parts } => match capabilities.edit {
            Support::Full => message(parts, First::Edit { target }, capabilities),
            Support::Fallback | Support::Dropped => {
                message(parts, First::Post { reply_to: None }, capabilities)
            }
            Support::Rejected => Vec::new(),
        },
        Outbound::Retract { .. } => if_full(capabilities.retract, outbound),
        Outbound::React { .. } => if_full(capabilities.react, outbound),
        // What takes the place of the sign is the channel's to know.
        Outbound::Presence { .. } if capabilities.typing == Support::Fallback => vec![outbound],
        Outbound::Presence { .. } => if_full(capabilities.typing, outbound),
        Outbound::Answer { text } => vec![Outbound::Answer { text: text.map(|text| note(&text)) }],
    }
}

fn if_full(support: Support, outbound: Outbound) -> Vec<Outbound> {
    if support == Support::Full { vec![outbound] } else { Vec::new() }
}

fn note(text: &str) -> String {
    Rich::parse(text).text().chars().take(LONGEST_NOTE).collect()
}

/// What becomes of the first piece; all others are posts that answer nothing.
enum First {
    Post { reply_to: Option<MessageId> },
    Edit { target: MessageId },
}

fn message(mut parts: Vec<Part>, mut first: First, capabilities: &Capabilities) -> Vec<Outbound> {
    let choices = choices(&mut parts, capabilities);
    let has_media = parts.iter().any(|part| matches!(part, Part::Media { .. }));
    if has_media && capabilities.media == Support::Rejected {
        return Vec::new();
    }
    let mut pieces: Vec<Outbound> = pieces(parts, capabilities)
        .into_iter()
        .map(|part| {
            let parts = vec![part];
            match std::mem::replace(&mut first, First::Post { reply_to: None }) {
                // Only text takes the place of text.
                First::Edit { target } if matches!(parts[..], [Part::Text { .. }]) => {
                    Outbound::Edit { target, parts }
                }
                edit @ First::Edit { .. } => {
                    first = edit;
                    Outbound::Post { parts, reply_to: None }
                }
                First::Post { reply_to } => Outbound::Post { parts, reply_to },
            }
        })
        .collect();
    // Under the last words, which are a message of their own or its end.
    if let Some(Outbound::Post { parts, .. }) = pieces.last_mut() {
        parts.extend(choices);
    }
    pieces
}

/// Takes the buttons out; returns those the channel can show.
fn choices(parts: &mut Vec<Part>, capabilities: &Capabilities) -> Option<Part> {
    let found = parts.extract_if(.., |part| matches!(part, Part::Choices { .. })).last();
    found.filter(|part| match part {
        Part::Choices { choices } => capabilities.choices.is_some_and(|it| it.allows(choices)),
        _ => false,
    })
}

/// The parts in order, neighbouring texts joined, rendered and split.
fn pieces(parts: Vec<Part>, capabilities: &Capabilities) -> Vec<Part> {
    let mut pieces = Vec::new();
    let mut words = Rich::default();
    let say = |words: &mut Rich, pieces: &mut Vec<Part>| {
        let texts = split(&std::mem::take(words), capabilities);
        pieces.extend(texts.into_iter().map(Part::text));
    };
    for part in parts {
        if let Part::Media { mime, size, .. } = &part
            && capabilities.takes(mime.as_deref(), *size)
        {
            say(&mut words, &mut pieces);
            pieces.push(part);
        } else {
            words.append(in_words(part, capabilities.media));
        }
    }
    say(&mut words, &mut pieces);
    pieces
}

/// A part as text.
fn in_words(part: Part, media: Support) -> Rich {
    match part {
        Part::Text { text, .. } => Rich::parse(&text),
        Part::Media { .. } if media == Support::Dropped => Rich::default(),
        Part::Media { kind, name, .. } => {
            let kind = format!("{kind:?}").to_lowercase();
            Rich::plain(match name {
                Some(name) => format!("[{kind}: {name}]"),
                None => format!("[{kind}]"),
            })
        }
        Part::Location { latitude, longitude, name } => {
            let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
            Rich::plain(format!("{name}{latitude}, {longitude}"))
        }
        Part::Contact { name, phones } => {
            let words: Vec<String> = [name].into_iter().chain(phones).collect();
            Rich::plain(words.join(", "))
        }
        Part::Choices { .. } => Rich::default(),
        Part::Unsupported { kind } => Rich::plain(format!("[{kind}]")),
    }
}
