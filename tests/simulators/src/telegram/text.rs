//! Text as Telegram counts and marks it: in UTF-16 units.

use serde_json::{Value, json};

/// Longest text of a message, in UTF-16 units, after entity parsing.
pub(super) const MAX_TEXT: usize = 4096;

/// Length as Telegram counts it.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The entities Telegram finds by itself: commands, mentions and links.
pub(super) fn detect(text: &str) -> Vec<Value> {
    let mut entities = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        if let Some(kind) = kind(bare) {
            entities.push(json!({"type": kind, "offset": offset, "length": units(bare)}));
        }
        offset += units(word);
    }
    entities
}

fn kind(word: &str) -> Option<&'static str> {
    let name = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some(command) = word.strip_prefix('/') {
        let (command, bot) = command.split_once('@').unwrap_or((command, "x"));
        return (name(command) && name(bot)).then_some("bot_command");
    }
    if let Some(mention) = word.strip_prefix('@') {
        return (name(mention) && mention.len() >= 3).then_some("mention");
    }
    (word.starts_with("https://") || word.starts_with("http://")).then_some("url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_utf16_units() {
        let found = detect("😀 /start@my_bot x @ada_l");
        assert_eq!(
            found,
            vec![
                json!({"type": "bot_command", "offset": 3, "length": 13}),
                json!({"type": "mention", "offset": 19, "length": 6}),
            ]
        );
    }
}
