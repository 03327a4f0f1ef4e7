//! `parse_mode`: HTML and MarkdownV2 into text and entities, refusing what Telegram refuses.
//! <https://core.telegram.org/bots/api#formatting-options>. The legacy `Markdown` is left out.

use serde_json::{Value, json};

/// Plain text, and where it is formatted.
pub(super) struct Marked {
    pub(super) text: String,
    pub(super) entities: Vec<Value>,
}

/// Reserved in MarkdownV2: to be escaped where they are meant as themselves.
const RESERVED: &str = "_*[]()~`>#+-=|{}.!";

/// Text as it grows, with its length in UTF-16 units.
#[derive(Default)]
struct Out {
    text: String,
    units: usize,
    entities: Vec<Value>,
    open: Vec<Open>,
}

/// An entity whose end is yet to come.
struct Open {
    mark: String,
    entity: Value,
    at: usize,
}

impl Out {
    fn push(&mut self, c: char) {
        self.text.push(c);
        self.units += c.len_utf16();
    }

    fn open(&mut self, mark: &str, entity: Value) {
        self.open.push(Open { mark: mark.to_owned(), entity, at: self.units });
    }

    /// Ends the innermost entity. Empty ones vanish.
    fn close(&mut self) {
        let Some(Open { mut entity, at, .. }) = self.open.pop() else {
            return;
        };
        if self.units > at {
            entity["offset"] = json!(at);
            entity["length"] = json!(self.units - at);
            self.entities.push(entity);
        }
    }

    fn done(mut self) -> Marked {
        self.entities.sort_by_key(|e| e["offset"].as_u64());
        Marked { text: self.text, entities: self.entities }
    }
}

/// `parse_mode=HTML`.
pub(super) fn html(source: &str) -> Result<Marked, String> {
    let mut out = Out::default();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let at = source.len() - rest.len();
        if c == '<' {
            let Some((tag, after)) = rest[1..].split_once('>') else {
                return Err(format!("Unclosed start tag at byte offset {at}"));
            };
            html_tag(&mut out, tag, at)?;
            rest = after;
        } else if let Some((decoded, after)) = character_reference(rest) {
            out.push(decoded);
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    match out.open.last() {
        Some(open) => {
            let tag = &open.mark;
            Err(format!("Can't find end tag corresponding to start tag \"{tag}\""))
        }
        None => Ok(out.done()),
    }
}

fn html_tag(out: &mut Out, tag: &str, at: usize) -> Result<(), String> {
    if let Some(name) = tag.strip_prefix('/') {
        let name = name.trim().to_lowercase();
        return match out.open.last() {
            Some(open) if open.mark == name => {
                out.close();
                Ok(())
            }
            Some(open) => Err(format!(
                "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
                open.mark
            )),
            None => Err(format!("Unexpected end tag at byte offset {at}")),
        };
    }
    let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let name = name.to_lowercase();
    let entity = match name.as_str() {
        "b" | "strong" => json!({"type": "bold"}),
        "i" | "em" => json!({"type": "italic"}),
        "u" | "ins" => json!({"type": "underline"}),
        "s" | "strike" | "del" => json!({"type": "strikethrough"}),
        "tg-spoiler" => json!({"type": "spoiler"}),
        "span" if attributes.contains("tg-spoiler") => json!({"type": "spoiler"}),
        "code" => json!({"type": "code"}),
        "pre" => json!({"type": "pre"}),
        "blockquote" => json!({"type": "blockquote"}),
        "a" => {
            let link = attributes.trim().strip_prefix("href=").unwrap_or_default();
            json!({"type": "text_link", "url": link.trim_matches(['"', '\''])})
        }
        _ => {
            return Err(format!("Unsupported start tag \"{name}\" at byte offset {at}"));
        }
    };
    out.open(&name, entity);
    Ok(())
}

/// `&lt;`, `&#65;`, … at the start of `text`, and what follows.
fn character_reference(text: &str) -> Option<(char, &str)> {
    let (name, after) = text.strip_prefix('&')?.split_once(';')?;
    let decoded = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((decoded, after))
}

/// The marks of MarkdownV2, longest first, and what they mean.
const MARKS: [(&str, &str); 7] = [
    ("```", "pre"),
    ("__", "underline"),
    ("||", "spoiler"),
    ("*", "bold"),
    ("_", "italic"),
    ("~", "strikethrough"),
    ("`", "code"),
];

/// `parse_mode=MarkdownV2`.
pub(super) fn markdown_v2(source: &str) -> Result<Marked, String> {
    let mut out = Out::default();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let verbatim = out.open.last().is_some_and(|o| matches!(&*o.mark, "`" | "```"));
        if c == '\\'
            && let Some(escaped) = after.chars().next().filter(char::is_ascii)
        {
            out.push(escaped);
            rest = &after[escaped.len_utf8()..];
        } else if let Some(mark) = mark_here(rest, &out, verbatim) {
            rest = &rest[mark.len()..];
            toggle(&mut out, mark);
        } else if verbatim || !RESERVED.contains(c) {
            out.push(c);
            rest = after;
        } else if c == '[' {
            out.open("[", json!({"type": "text_link"}));
            rest = after;
        } else if c == ']' && out.open.last().is_some_and(|o| o.mark == "[") {
            rest = link_target(&mut out, after)?;
        } else if c == '>' && (out.text.is_empty() || out.text.ends_with('\n')) {
            // A quotation's lines are shown as such; the entity itself is not simulated.
            rest = after;
        } else {
            return Err(format!(
                "Character '{c}' is reserved and must be escaped with the preceding '\\'"
            ));
        }
    }
    match out.open.last() {
        Some(open) => {
            let kind = open.entity["type"].as_str().unwrap_or_default();
            let at = open.at;
            Err(format!("Can't find end of {kind} entity at byte offset {at}"))
        }
        None => Ok(out.done()),
    }
}

/// The mark at the start of `rest`; inside code only the one that ends it.
fn mark_here(rest: &str, out: &Out, verbatim: bool) -> Option<&'static str> {
    let (mark, _) = MARKS.into_iter().find(|(mark, _)| rest.starts_with(mark))?;
    let ends = out.open.last().is_some_and(|o| o.mark == mark);
    (!verbatim || ends).then_some(mark)
}

fn toggle(out: &mut Out, mark: &str) {
    if out.open.last().is_some_and(|o| o.mark == mark) {
        out.close();
    } else if let Some((_, kind)) = MARKS.into_iter().find(|(m, _)| *m == mark) {
        out.open(mark, json!({"type": kind}));
    }
}

fn link_target<'a>(out: &mut Out, after: &'a str) -> Result<&'a str, String> {
    let target = after.strip_prefix('(').and_then(|a| a.split_once(')'));
    let Some((url, rest)) = target else {
        return Err("Can't find end of a URL".to_owned());
    };
    if let Some(open) = out.open.last_mut() {
        open.entity["url"] = json!(url.replace('\\', ""));
    }
    out.close();
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_entities_in_utf16_units() {
        let marked =
            html("😀 <b>bold <i>both</i></b> &lt;a&gt; <a href=\"https://x.y\">l</a>").unwrap();
        assert_eq!(marked.text, "😀 bold both <a> l");
        assert_eq!(
            marked.entities,
            vec![
                json!({"type": "bold", "offset": 3, "length": 9}),
                json!({"type": "italic", "offset": 8, "length": 4}),
                json!({"type": "text_link", "url": "https://x.y", "offset": 17, "length": 1}),
            ]
        );
    }

    #[test]
    fn broken_html_is_refused() {
        for broken in ["<b>", "</b>", "<b></i>", "<blink>x</blink>", "a < b"] {
            assert!(html(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn markdown_becomes_entities() {
        let marked = markdown_v2(r"*b* __u__ `a_b` [t](https://x\.y) 1\.").unwrap();
        assert_eq!(marked.text, "b u a_b t 1.");
        let kinds: Vec<_> = marked.entities.iter().map(|e| e["type"].clone()).collect();
        assert_eq!(kinds, ["bold", "underline", "code", "text_link"]);
    }

    #[test]
    fn unescaped_or_unended_markdown_is_refused() {
        for broken in ["a.", "*b", "x-y", "`code", "[t]", "a ] b"] {
            assert!(markdown_v2(broken).is_err(), "{broken}");
        }
    }
}
