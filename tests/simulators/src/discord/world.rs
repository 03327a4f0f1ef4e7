//! Channels, messages, interactions and commands, and the ids Discord gives them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::files::File;
use super::person::{guild_json, member_json};
use super::{Channel, Config, User};
use crate::common::{Made, since_epoch};

/// Discord counts milliseconds from 2015.
const EPOCH: u128 = 1_420_070_400_000;

/// A message a person wrote.
#[derive(Clone, Debug)]
pub struct Said {
    /// The message's id.
    pub id: u64,
    /// Where.
    pub channel: Channel,
    /// The message as MESSAGE_CREATE carries it.
    pub message: Value,
}

/// How far an interaction got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No answer yet.
    Waiting,
    /// "Thinking…" is shown; the message is yet to come.
    Deferred,
    /// Answered with a message.
    Answered,
    /// Answered in a way that makes no message (pong, autocomplete, modal).
    Done,
    /// Not answered in time, or expired.
    Void,
}

/// What is known about an interaction, by its token.
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) channel: u64,
    pub(super) stage: Stage,
    /// The id of `@original`.
    pub(super) original: u64,
    pub(super) made_at: std::time::Instant,
}

pub(super) struct World {
    pub(super) bot: User,
    pub(super) channels: BTreeMap<u64, Channel>,
    /// Private channels by user.
    directs: HashMap<u64, u64>,
    /// By `channel/message`.
    pub(super) messages: Made<Value>,
    /// Message ids and when they were made, by `channel/nonce`.
    pub(super) nonces: Made<(u64, std::time::Instant)>,
    pub(super) nonce_lives: std::time::Duration,
    pub(super) interactions: Made<Asked>,
    pub(super) endpoint: Option<String>,
    pub(super) files: HashMap<String, File>,
    /// By scope: `global` or a guild's id.
    pub(super) commands: HashMap<String, Vec<Value>>,
    pub(super) identifies: u32,
    next: u64,
}

impl World {
    pub(super) fn new(config: &Config) -> Self {
        let mut bot = User::new(config.application_id, &config.username);
        bot.bot = true;
        Self {
            bot,
            channels: BTreeMap::new(),
            directs: HashMap::new(),
            messages: Made::default(),
            nonces: Made::default(),
            nonce_lives: config.nonce_lives,
            interactions: Made::default(),
            endpoint: None,
            files: HashMap::new(),
            commands: HashMap::new(),
            identifies: 0,
            next: 0,
        }
    }

    /// Unique, and sorted by time.
    pub(super) fn snowflake(&mut self) -> u64 {
        self.next += 1;
        let millis = since_epoch().as_millis().saturating_sub(EPOCH);
        (u64::try_from(millis).unwrap_or_default() << 22) | (self.next & 0x3f_ffff)
    }

    /// The private channel with a user, always the same one.
    pub(super) fn direct(&mut self, user: &User) -> Channel {
        let known = self.directs.get(&user.id).and_then(|id| self.channels.get(id));
        if let Some(channel) = known {
            return channel.clone();
        }
        let id = self.snowflake();
        let (with, name) = (Some(user.clone()), user.username.clone());
        let channel = Channel { id, guild: None, with, name };
        self.directs.insert(user.id, id);
        self.channels.insert(id, channel.clone());
        channel
    }

    /// Returns what the gateway has to tell: a new guild, a new channel, or nothing.
    pub(super) fn add_channel(&mut self, channel: &Channel) -> Option<(&'static str, Value)> {
        if self.channels.insert(channel.id, channel.clone()).is_some() {
            return None;
        }
        let guild = channel.guild?;
        match self.guilds().get(&guild) {
            Some(channels) if channels.len() == 1 => {
                Some(("GUILD_CREATE", guild_json(guild, channels, &self.bot)))
            }
            _ => Some(("CHANNEL_CREATE", channel.to_json())),
        }
    }

    pub(super) fn guilds(&self) -> BTreeMap<u64, Vec<Channel>> {
        let mut guilds: BTreeMap<u64, Vec<Channel>> = BTreeMap::new();
        for channel in self.channels.values() {
            if let Some(guild) = channel.guild {
                guilds.entry(guild).or_default().push(channel.clone());
            }
        }
        guilds
    }

    pub(super) fn said(
        &mut self,
        channel: &Channel,
        from: &User,
        typed: &str,
        extra: Value,
    ) -> Said {
        let name = format!("@{}", self.bot.username);
        let content = typed.replace(&name, &format!("<@{}>", self.bot.id));
        let mut message = self.new_message(channel.id, from, json!({"content": content}));
        if content.contains(&format!("<@{}>", self.bot.id)) {
            message["mentions"] = json!([self.bot.to_json()]);
        }
        if let (Value::Object(message), Value::Object(extra)) = (&mut message, extra) {
            message.extend(extra);
        }
        self.put(channel.id, &message);
        match channel.guild {
            Some(guild) => {
                message["guild_id"] = json!(guild.to_string());
                message["member"] = member_json();
                message["channel_type"] = json!(0);
            }
            None => message["channel_type"] = json!(1),
        }
        Said { id: id_of(&message), channel: channel.clone(), message }
    }

    /// A message with a new id and every field Discord sends; not stored yet.
    pub(super) fn new_message(&mut self, channel: u64, author: &User, fields: Value) -> Value {
        let id = self.snowflake();
        message_of(id, channel, author, fields)
    }

    pub(super) fn put(&mut self, channel: u64, message: &Value) {
        self.messages.insert(&key(channel, id_of(message)), message.clone());
    }

    pub(super) fn message_json(&self, channel: u64, id: u64) -> Value {
        self.messages.get(&key(channel, id)).cloned().unwrap_or_default()
    }

    pub(super) fn text_of(&self, channel: u64, id: u64) -> Option<String> {
        self.messages.get(&key(channel, id))?["content"].as_str().map(str::to_owned)
    }

    pub(super) fn expire(&mut self, token: &str) {
        if let Some(asked) = self.interactions.get_mut(token) {
            asked.stage = Stage::Void;
        }
    }
}

/// As [`World::new_message`], with an id made before.
pub(super) fn message_of(id: u64, channel: u64, author: &User, fields: Value) -> Value {
    let mut message = json!({
        "id": id.to_string(),
        "type": 0,
        "channel_id": channel.to_string(),
        "author": author.to_json(),
        "content": "",
        "timestamp": timestamp(),
        "edited_timestamp": null,
        "tts": false,
        "mention_everyone": false,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": false,
        "flags": 0,
    });
    if let (Value::Object(message), Value::Object(fields)) = (&mut message, fields) {
        message.extend(fields.into_iter().filter(|(_, v)| !v.is_null()));
    }
    message
}

pub(super) fn key(channel: u64, message: u64) -> String {
    format!("{channel}/{message}")
}

pub(super) fn id_of(message: &Value) -> u64 {
    message["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// Now, as `2026-11-21T07:31:40.123000+00:00`.
pub(super) fn timestamp() -> String {
    let now = since_epoch();
    let (days, rest) = (now.as_secs() / 86_400, now.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let micros = now.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

/// Year, month and day of a day counted from 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }
}
