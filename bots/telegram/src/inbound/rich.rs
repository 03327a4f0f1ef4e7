//! Rich messages (Bot API 10.1): a document of nested blocks, of which we take the words and the
//! files. <https://core.telegram.org/bots/api#richmessage>

use serde_json::{Map, Value};
use zaki_envelope::Part;

use super::Bot;
use super::content::media;
use super::types::Object;

/// Where blocks and inline text hold words; the other fields say how they look or where they lead.
const WORDS: &[&str] = &["summary", "text", "expression", "caption", "credit"];
/// Where blocks hold further blocks.
const NESTED: &[&str] = &["blocks", "items", "cells"];

/// A rich message, read.
#[derive(Debug, Default)]
pub(super) struct Rich {
    /// A line for each block that has words.
    pub(super) lines: Vec<String>,
    pub(super) media: Vec<Part>,
    /// It mentions the bot.
    pub(super) calls_bot: bool,
}

pub(super) fn read(message: &Object, bot: &Bot<'_>) -> Option<Rich> {
    let rich: Object = message.get("rich_message")?;
    let mut read = Rich::default();
    read.block(&rich.0, bot);
    Some(read)
}

impl Rich {
    fn block(&mut self, block: &Map<String, Value>, bot: &Bot<'_>) {
        let mut line = String::new();
        for value in WORDS.iter().filter_map(|name| block.get(*name)) {
            self.inline(value, &mut line, bot);
        }
        if !line.trim().is_empty() {
            self.lines.push(line);
        }
        self.media.extend(media(&Object(block.clone())));
        for value in NESTED.iter().filter_map(|name| block.get(*name)) {
            self.blocks(value, bot);
        }
    }

    /// Lists of blocks, and tables: lists of lists.
    fn blocks(&mut self, value: &Value, bot: &Bot<'_>) {
        match value {
            Value::Object(block) => self.block(block, bot),
            Value::Array(items) => items.iter().for_each(|item| self.blocks(item, bot)),
            _ => {}
        }
    }

    /// A string, a list of inline texts, or an object around one.
    fn inline(&mut self, value: &Value, line: &mut String, bot: &Bot<'_>) {
        match value {
            Value::String(text) => line.push_str(text),
            Value::Array(items) => items.iter().for_each(|item| self.inline(item, line, bot)),
            Value::Object(fields) => {
                let start = line.len();
                for value in WORDS.iter().filter_map(|name| fields.get(*name)) {
                    self.inline(value, line, bot);
                }
                let is_mention = fields.get("type").is_some_and(|kind| kind == "mention");
                let name = line.get(start..).unwrap_or_default().trim_start_matches('@');
                self.calls_bot |= is_mention && bot.is_called(name);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_and_files_of_nested_blocks_are_read_in_order() {
        let message = json!({"rich_message": {"blocks": [
            {"type": "heading", "size": 2, "text": "Title"},
            {"type": "paragraph", "text": ["Ask ", {"type": "mention", "text": "@zaki_bot", "username": "zaki_bot"}, {"type": "bold", "text": [" now"]}]},
            {"type": "details", "summary": "More", "blocks": [{"type": "paragraph", "text": "inside"}]},
            {"type": "list", "items": [{"label": "1", "blocks": [{"type": "paragraph", "text": "one"}]}]},
            {"type": "table", "cells": [[{"text": "a"}, {"text": "b"}]]},
            {"type": "photo", "photo": [{"file_id": "p"}], "caption": {"text": "seen"}},
            {"type": "divider"}, 7, null,
        ]}});
        let message: Object = serde_json::from_value(message).unwrap();
        let rich = read(&message, &Bot { id: 42, username: Some("zaki_bot") }).unwrap();
        let lines = ["Title", "Ask @zaki_bot now", "More", "inside", "one", "a", "b", "seen"];
        assert_eq!(rich.lines, lines);
        assert_eq!(rich.media.len(), 1);
        assert!(rich.calls_bot);
    }
}
