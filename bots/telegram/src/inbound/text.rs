//! What a text says, to whom, and without what is only there to call the bot.

use std::ops::Range;

use zaki_envelope::{Mention, SenderId};

use super::Bot;
use super::types::Entity;

/// A text, read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Without a mention of the bot at its start; targets of hidden links written out.
    pub(super) text: String,
    /// Whom the rest of it names.
    pub(super) mentions: Vec<Mention>,
    /// It calls the bot by name or command.
    pub(super) calls_bot: bool,
}

/// A stretch of the text to be replaced.
type Change = (Range<usize>, String);

/// Reads `text` with its `entities`; those that lie outside of it are ignored.
pub(super) fn read(text: &str, entities: &[Entity], bot: &Bot<'_>) -> Said {
    let offsets = Offsets::new(text, entities.is_empty());
    let mut said = Said::default();
    let mut changes = Vec::new();
    for entity in entities {
        let Some((range, words)) = offsets.slice(text, entity) else {
            continue;
        };
        match entity.kind.as_str() {
            "mention" | "text_mention" => {
                said.mention(text, range, words, entity, bot, &mut changes);
            }
            "bot_command" if range.start == 0 => said.command(&range, words, bot, &mut changes),
            "text_link" => changes.extend(written_out(&range, words, entity)),
            _ => {}
        }
    }
    said.text = apply(text, changes);
    if said.text.trim().is_empty() {
        text.clone_into(&mut said.text);
    }
    said
}

impl Said {
    fn mention(
        &mut self,
        text: &str,
        range: Range<usize>,
        words: &str,
        entity: &Entity,
        bot: &Bot<'_>,
        changes: &mut Vec<Change>,
    ) {
        let user = entity.user.as_ref().map(|user| user.id);
        let is_bot = user == Some(bot.id) || bot.is_called(words.trim_start_matches('@'));
        self.calls_bot |= is_bot;
        if is_bot && text.get(..range.start).is_some_and(|before| before.trim().is_empty()) {
            let rest = text.get(range.end..).unwrap_or_default();
            let rest = rest.trim_start_matches([',', ':', ' ', '\n']);
            changes.push((0..text.len() - rest.len(), String::new()));
        } else {
            let id = if is_bot { Some(bot.id) } else { user };
            self.mentions.push(Mention {
                text: words.to_owned(),
                sender: id.map(|id| SenderId::new(id.to_string())),
            });
        }
    }

    /// `/ask@zaki_bot` is ours and becomes `/ask`; `/ask` is meant for every bot.
    fn command(
        &mut self,
        range: &Range<usize>,
        words: &str,
        bot: &Bot<'_>,
        changes: &mut Vec<Change>,
    ) {
        match words.split_once('@') {
            None => self.calls_bot = true,
            Some((command, name)) if bot.is_called(name) => {
                self.calls_bot = true;
                changes.push((range.start + command.len()..range.end, String::new()));
            }
            Some(_) => {}
        }
    }
}

/// `words (url)`, since the words alone do not say where they lead.
fn written_out(range: &Range<usize>, words: &str, entity: &Entity) -> Option<Change> {
    let url = entity.url.as_deref().filter(|url| *url != words)?;
    Some((range.end..range.end, format!(" ({url})")))
}

/// Makes the changes that do not overlap an earlier one.
fn apply(text: &str, mut changes: Vec<Change>) -> String {
    changes.sort_by_key(|(range, _)| range.start);
    let (mut done, mut out) = (0, String::with_capacity(text.len()));
    for (range, new) in changes {
        if let Some(kept) = text.get(done..range.start) {
            out.push_str(kept);
            out.push_str(&new);
            done = range.end;
        }
    }
    out + text.get(done..).unwrap_or_default()
}

/// From UTF-16 units, in which Telegram counts, to bytes.
struct Offsets(Vec<Option<usize>>);

impl Offsets {
    /// `unused` spares the table for the many texts without entities.
    fn new(text: &str, unused: bool) -> Self {
        let mut table = Vec::new();
        if !unused {
            for (at, c) in text.char_indices() {
                table.push(Some(at));
                // Inside a surrogate pair there is no place to cut.
                table.extend((c.len_utf16() == 2).then_some(None));
            }
            table.push(Some(text.len()));
        }
        Self(table)
    }

    fn slice<'t>(&self, text: &'t str, entity: &Entity) -> Option<(Range<usize>, &'t str)> {
        let start = (*self.0.get(entity.offset)?)?;
        let end = (*self.0.get(entity.offset.checked_add(entity.length)?)?)?;
        Some((start..end, text.get(start..end)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const BOT: Bot<'static> = Bot { id: 42, username: Some("Zaki_bot") };

    fn said(text: &str, entities: Value) -> Said {
        let entities: Vec<Entity> = serde_json::from_value(entities).unwrap();
        read(text, &entities, &BOT)
    }

    #[test]
    fn a_leading_mention_calls_the_bot_and_goes() {
        let said = said(
            "@zaki_bot, what does @ann say?",
            json!([
                {"type": "mention", "offset": 0, "length": 9},
                {"type": "mention", "offset": 21, "length": 4},
            ]),
        );
        assert_eq!(said.text, "what does @ann say?");
        assert!(said.calls_bot);
        assert_eq!(said.mentions, [Mention { text: "@ann".into(), sender: None }]);
    }

    #[test]
    fn offsets_count_utf16_units() {
        let said = said(
            "😀😀 Zaki, hi",
            json!([{"type": "text_mention", "offset": 5, "length": 4, "user": {"id": 42}}]),
        );
        assert_eq!(said.text, "😀😀 Zaki, hi");
        assert!(said.calls_bot);
        let mention = Mention { text: "Zaki".into(), sender: Some(SenderId::new("42")) };
        assert_eq!(said.mentions, [mention]);
    }

    #[test]
    fn commands_of_other_bots_are_none_of_ours() {
        let entity = |length| json!([{"type": "bot_command", "offset": 0, "length": length}]);
        let ours = said("/ask@zaki_bot why", entity(13));
        assert_eq!((ours.text.as_str(), ours.calls_bot), ("/ask why", true));
        let open = said("/ask why", entity(4));
        assert_eq!((open.text.as_str(), open.calls_bot), ("/ask why", true));
        let theirs = said("/ask@other why", entity(10));
        assert_eq!((theirs.text.as_str(), theirs.calls_bot), ("/ask@other why", false));
    }

    #[test]
    fn hidden_links_are_written_out() {
        let said = said(
            "see here.",
            json!([{"type": "text_link", "offset": 4, "length": 4, "url": "https://a.example/"}]),
        );
        assert_eq!(said.text, "see here (https://a.example/).");
    }

    #[test]
    fn entities_outside_the_text_or_across_a_character_are_ignored() {
        for (offset, length) in [(0, 99), (99, 1), (1, 1), (0, usize::MAX)] {
            let entity = json!([{"type": "mention", "offset": offset, "length": length}]);
            let expected = Said { text: "😀 @zaki_bot".into(), ..Said::default() };
            assert_eq!(said("😀 @zaki_bot", entity), expected);
        }
    }

    #[test]
    fn a_mention_alone_is_still_a_text() {
        let said = said("@zaki_bot", json!([{"type": "mention", "offset": 0, "length": 9}]));
        assert_eq!((said.text.as_str(), said.calls_bot), ("@zaki_bot", true));
    }
}
