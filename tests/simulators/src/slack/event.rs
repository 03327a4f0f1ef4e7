//! What people do, as Slack tells it: messages, mentions, slash commands.

use serde_json::{Value, json};

use super::world::World;

/// A message a person wrote, as delivered.
#[derive(Clone, Debug)]
pub struct Said {
    /// The event's id, the key of its [`crate::Attempt`]s.
    pub event_id: String,
    /// The channel.
    pub channel: String,
    /// The message's id in the channel; a string, not a number.
    pub ts: String,
    /// The inner event.
    pub event: Value,
}

/// A slash command somebody typed.
#[derive(Clone, Copy, Debug)]
pub struct Slash<'a> {
    /// The command with its slash.
    pub command: &'a str,
    /// What follows it.
    pub text: &'a str,
    /// Who typed it.
    pub user: &'a str,
    /// Where.
    pub channel: &'a str,
}

impl World {
    pub(super) fn said(&mut self, channel: &str, user: &str, typed: &str, extra: Value) -> Said {
        self.known(user, channel);
        let (ts, event_id, number) = (self.ts(), self.event_id(), self.unique());
        let is_direct = self.channels.get(channel).is_some_and(|c| c.user.is_some());
        let (text, elements) = self.compose(typed);
        let mut event = json!({
            "client_msg_id": format!("00000000-0000-4000-8000-{number:012x}"),
            "type": "message",
            "text": text,
            "user": user,
            "ts": ts,
            "team": self.team,
            "blocks": [{
                "type": "rich_text",
                "block_id": format!("b{number}"),
                "elements": [{"type": "rich_text_section", "elements": elements}],
            }],
            "channel": channel,
            "event_ts": ts,
            "channel_type": if is_direct { "im" } else { "channel" },
        });
        if let (Value::Object(event), Value::Object(extra)) = (&mut event, extra) {
            event.extend(extra);
        }
        self.keep(channel, &ts, event.clone());
        Said { event_id, channel: channel.to_owned(), ts, event }
    }

    /// The same message as an `app_mention`, which has no `channel_type`.
    pub(super) fn as_app_mention(&mut self, message: &Said) -> Said {
        let mut event = message.event.clone();
        event["type"] = json!("app_mention");
        if let Some(object) = event.as_object_mut() {
            object.remove("channel_type");
        }
        Said { event_id: self.event_id(), event, ..message.clone() }
    }

    /// The text as Slack stores it (`&`, `<`, `>` escaped, mentions as `<@U…>`), and the elements
    /// of its rich text, which are not escaped.
    fn compose(&self, typed: &str) -> (String, Vec<Value>) {
        let name = format!("@{}", self.bot_name);
        let mention = format!("<@{}>", self.bot_user);
        let mut text = String::new();
        let mut elements = Vec::new();
        for (n, part) in typed.split(&name).enumerate() {
            if n > 0 {
                text.push_str(&mention);
                elements.push(json!({"type": "user", "user_id": self.bot_user}));
            }
            if !part.is_empty() {
                text.push_str(&escape(part));
                elements.push(json!({"type": "text", "text": part}));
            }
        }
        (text, elements)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
