//! Whatever is said, every piece that leaves is allowed, and together they say all of it.

use zaki_envelope::{ConversationKind, Outbound, Part, plain_text};

use super::texts::{Sent, texts};
use crate::{Capabilities, Dialect, Pace, fit};

/// Asserts that what `fit` makes of many texts is within the channel's capabilities, complete and
/// in order, in every kind of conversation.
pub fn output(channel: &dyn crate::Channel) {
    use ConversationKind::{Channel, Direct, Group};
    let mut different: Vec<Capabilities> = Vec::new();
    for kind in [Direct, Group, Channel] {
        let capabilities = channel.capabilities(kind);
        if !different.contains(&capabilities) {
            capable(&capabilities);
            different.push(capabilities);
        }
    }
}

/// The same for capabilities alone.
pub(crate) fn capable(capabilities: &Capabilities) {
    assert!(capabilities.text.max >= 1000, "a message holds a paragraph");
    assert!(!capabilities.typing_refresh.is_zero(), "the typing sign is not renewed without end");
    let Pace { conversation, account } = capabilities.pace;
    for rate in conversation.iter().chain(account) {
        assert!(rate.burst > 0 && !rate.every.is_zero(), "a rate lets something through: {rate:?}");
    }
    for sent in texts() {
        let pieces = fit(Outbound::post(&sent.markdown), capabilities);
        let pieces: Vec<String> = pieces.iter().map(text_of).collect();
        for piece in &pieces {
            allowed(piece, capabilities, &sent);
        }
        let seen: String =
            pieces.iter().map(|piece| letters(&stripped(piece, capabilities.dialect))).collect();
        let (seen, meant) = first_difference(&seen, &letters(&sent.letters));
        assert_eq!(seen, meant, "nothing is lost and the order is kept of: {}", sent.markdown);
    }
    for nothing in ["", " ", "\n\n", "\u{a0}\t"] {
        assert_eq!(fit(Outbound::post(nothing), capabilities), [], "an empty text sends nothing");
    }
}

/// What both go on with where they begin to differ; empty where they do not.
fn first_difference(seen: &str, meant: &str) -> (String, String) {
    let alike = seen.chars().zip(meant.chars());
    let alike = alike.take_while(|(one, other)| one == other).count();
    let rest = |text: &str| text.chars().skip(alike).take(40).collect();
    (rest(seen), rest(meant))
}

fn text_of(piece: &Outbound) -> String {
    match piece {
        Outbound::Post { parts, .. } if matches!(parts[..], [Part::Text { .. }]) => {
            plain_text(parts)
        }
        other => unreachable!("a text becomes posts of one text each, not {other:?}"),
    }
}

fn allowed(piece: &str, capabilities: &Capabilities, sent: &Sent) {
    let limit = capabilities.text;
    assert!(
        limit.allows(piece),
        "a piece of {} is longer than {} {:?}",
        limit.unit.len(piece),
        limit.max,
        limit.unit
    );
    assert!(!piece.trim().is_empty(), "a piece says something");
    let whole = match capabilities.dialect {
        Dialect::TelegramHtml => tags_match(piece),
        Dialect::Plain => true,
        _ => piece.lines().filter(|line| is_fence(line)).count() % 2 == 0,
    };
    assert!(whole, "styles are closed in every piece of: {}\n{piece}", sent.markdown);
}

fn is_fence(line: &str) -> bool {
    line.trim_start_matches("> ").starts_with("```")
}

/// Whether every tag is closed in the piece that opens it, innermost first.
fn tags_match(piece: &str) -> bool {
    let mut open = Vec::new();
    for tag in piece.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else {
            return false;
        };
        match tag.strip_prefix('/') {
            Some(name) if open.pop() == Some(name) => {}
            Some(_) => return false,
            None => open.push(tag.split(' ').next().unwrap_or(tag)),
        }
    }
    open.is_empty()
}

/// A rendered text without its markup, as far as letters and digits go.
fn stripped(piece: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::TelegramHtml => unescaped(&without_tags(piece)),
        Dialect::Slack => unescaped(&labels_alone(&without_fences(piece))),
        Dialect::Discord => without(&without_fences(piece), "](https://example.org/", ')'),
        Dialect::WhatsApp => without(&without_fences(piece), "(https://example.org/", ')'),
        Dialect::Plain => without(piece, "(https://example.org/", ')'),
    }
}

/// Leaves out the opening and closing lines of code blocks, which may name a language.
fn without_fences(piece: &str) -> String {
    let lines: Vec<&str> = piece.lines().filter(|line| !is_fence(line)).collect();
    lines.join("\n")
}

fn without_tags(piece: &str) -> String {
    without(piece, "<", '>')
}

/// `<url|label>` -> `label`.
fn labels_alone(piece: &str) -> String {
    without(piece, "<https://example.org/", '|')
}

fn without(piece: &str, start: &str, end: char) -> String {
    let mut pieces = piece.split(start);
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once(end).map_or("", |(_, rest)| rest))
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}

/// All that is not ASCII punctuation, white space or the marks of our own rendering.
fn letters(text: &str) -> String {
    let marks = "•—\u{200b}";
    text.chars()
        .filter(|c| !c.is_ascii_punctuation() && !c.is_whitespace() && !marks.contains(*c))
        .collect()
}
