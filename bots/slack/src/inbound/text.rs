//! Slack's mrkdwn -> the words a person wrote
//! (<https://docs.slack.dev/messaging/formatting-message-text#retrieving-messages>).

use serde_json::Value;
use zaki_envelope::{Mention, SenderId};

/// A text with its markup resolved.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) mentions: Vec<Mention>,
}

/// `<@U1>`, `<#C1|name>`, `<!here>`, `<url|label>` and `&amp; &lt; &gt;` become plain text.
pub(super) fn resolve(markup: &str) -> Words {
    let mut words = Words::default();
    let mut rest = markup;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((reference, later)) = after.split_once('>') else {
            break;
        };
        words.text.push_str(&unescaped(before));
        words.refer(reference);
        rest = later;
    }
    words.text.push_str(&unescaped(rest));
    words
}

impl Words {
    fn refer(&mut self, reference: &str) {
        let (target, label) = match reference.split_once('|') {
            Some((target, label)) => (target, Some(label)),
            None => (reference, None),
        };
        let target = unescaped(target);
        let label = label.map(unescaped).filter(|label| !label.is_empty());
        if let Some(user) = target.strip_prefix('@') {
            let text = format!("@{}", label.as_deref().unwrap_or(user));
            self.text.push_str(&text);
            self.mentions.push(Mention { text, sender: Some(SenderId::new(user)) });
        } else if let Some(channel) = target.strip_prefix('#') {
            self.text.push('#');
            self.text.push_str(label.as_deref().unwrap_or(channel));
        } else if let Some(special) = target.strip_prefix('!') {
            self.text.push_str(&label.unwrap_or(format!("@{special}")));
        } else {
            self.text.push_str(&link(&target, label));
        }
    }

    /// Whether one of `users` is named.
    pub(super) fn names(&self, users: &[&str]) -> bool {
        let named = |mention: &Mention| {
            let sender = mention.sender.as_ref();
            sender.is_some_and(|sender| users.contains(&sender.as_str()))
        };
        self.mentions.iter().any(named)
    }

    /// Leaves out the mention a text starts with, if it is one of `users` and more follows.
    pub(super) fn without_leading_mention(mut self, users: &[&str]) -> Self {
        let Some(mention) = self.mentions.first() else {
            return self;
        };
        let is_ours =
            mention.sender.as_ref().is_some_and(|sender| users.contains(&sender.as_str()));
        let rest = self.text.trim_start().strip_prefix(&mention.text);
        let rest = rest.map(|rest| rest.trim_start_matches([':', ',']).trim_start());
        if let Some(rest) = rest.filter(|rest| is_ours && !rest.is_empty()) {
            self.text = rest.to_owned();
            self.mentions.remove(0);
        }
        self
    }
}

/// `label (url)`, or the label alone where Slack made the link from it.
fn link(url: &str, label: Option<String>) -> String {
    match label {
        None => url.strip_prefix("mailto:").unwrap_or(url).to_owned(),
        Some(label) if url.trim_end_matches('/').ends_with(label.trim_end_matches('/')) => label,
        Some(label) => format!("{label} ({url})"),
    }
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&amp;", "&")
}

/// The words of `rich_text` blocks, for a message that has no text beside them.
pub(super) fn of_blocks(blocks: &[Value]) -> Words {
    let mut words = Words::default();
    for block in blocks {
        words.block(block);
    }
    let length = words.text.trim_end().len();
    words.text.truncate(length);
    words
}

impl Words {
    fn block(&mut self, element: &Value) {
        let field = |name: &str| element.get(name).and_then(Value::as_str);
        match field("type").unwrap_or_default() {
            "text" => self.text.push_str(field("text").unwrap_or_default()),
            "user" => self.refer(&format!("@{}", field("user_id").unwrap_or_default())),
            "channel" => self.refer(&format!("#{}", field("channel_id").unwrap_or_default())),
            "broadcast" => self.refer(&format!("!{}", field("range").unwrap_or_default())),
            "emoji" => {
                let name = field("name").unwrap_or_default();
                self.text.extend([":", name, ":"]);
            }
            "link" => {
                let label = field("text").map(str::to_owned);
                let link = link(field("url").unwrap_or_default(), label);
                self.text.push_str(&link);
            }
            kind => {
                let elements = element.get("elements").and_then(Value::as_array);
                for element in elements.into_iter().flatten() {
                    self.block(element);
                }
                if kind.starts_with("rich_text_") && !self.text.ends_with('\n') {
                    self.text.push('\n');
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_becomes_words() {
        for (markup, words) in [
            ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
            ("see <https://e.org/?a=1&amp;b=2|the site>", "see the site (https://e.org/?a=1&b=2)"),
            ("<http://e.org|e.org> <https://e.org/x>", "e.org https://e.org/x"),
            ("<mailto:a@b.org|a@b.org>", "a@b.org"),
            ("<#C1|general> <#C2>", "#general #C2"),
            ("<!here> <!subteam^S1|@team> <!date^1^{date}|today>", "@here @team today"),
            ("1 < 2 and <open", "1 < 2 and <open"),
            ("", ""),
        ] {
            assert_eq!(resolve(markup).text, words, "{markup}");
        }
    }

    #[test]
    fn people_are_named_by_id() {
        let words = resolve("<@U1> ask <@U2|ann>");
        assert_eq!(words.text, "@U1 ask @ann");
        let ids: Vec<_> = words.mentions.iter().filter_map(|m| m.sender.clone()).collect();
        assert_eq!(ids, [SenderId::new("U1"), SenderId::new("U2")]);
    }

    #[test]
    fn only_our_own_leading_mention_goes() {
        let text = |markup: &str| resolve(markup).without_leading_mention(&["U1"]).text;
        assert_eq!(text("<@U1>: hello <@U1>"), "hello @U1");
        assert_eq!(text("<@U2> hello"), "@U2 hello");
        assert_eq!(text("hello <@U1>"), "hello @U1");
        assert_eq!(text("<@U1>"), "@U1");
    }

    #[test]
    fn rich_text_reads_like_the_text_beside_it() {
        let blocks = [json!({"type": "rich_text", "elements": [
            {"type": "rich_text_section", "elements": [
                {"type": "user", "user_id": "U1"},
                {"type": "text", "text": " see "},
                {"type": "link", "url": "https://e.org"},
                {"type": "emoji", "name": "eyes"},
            ]},
            {"type": "rich_text_list", "elements": [
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]},
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "two"}]},
            ]},
        ]})];
        let words = of_blocks(&blocks);
        assert_eq!(words.text, "@U1 see https://e.org:eyes:\none\ntwo");
        assert!(words.names(&["U1"]));
    }
}
