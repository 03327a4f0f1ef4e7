//! The workspace: users, channels, messages, and the ids Slack gives them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::Config;
use super::files::File;
use crate::common::{Made, unix_seconds};

/// Messages kept for each channel; the oldest go first.
const REMEMBERED: usize = 10_000;

pub(super) struct Channel {
    pub(super) name: String,
    /// The other side of a private chat.
    pub(super) user: Option<String>,
    /// By `ts`.
    pub(super) messages: BTreeMap<String, Value>,
}

/// A `response_url`: 5 uses within 30 minutes.
pub(super) struct ResponseUrl {
    pub(super) channel: String,
    pub(super) uses_left: u8,
    pub(super) expires_at: u64,
}

pub(super) struct World {
    pub(super) team: String,
    pub(super) bot_user: String,
    pub(super) bot_name: String,
    pub(super) events_url: Option<String>,
    pub(super) users: HashMap<String, String>,
    pub(super) channels: HashMap<String, Channel>,
    /// Events delivered, by their id.
    pub(super) events: Made<Value>,
    pub(super) files: HashMap<String, File>,
    /// What the bot uploads: how long it is to be, and its SHA-256 once it is there.
    pub(super) uploads: HashMap<String, (u64, Option<String>)>,
    pub(super) response_urls: Made<ResponseUrl>,
    next: u64,
}

impl World {
    pub(super) fn new(config: &Config) -> Self {
        let bot = (config.bot_user_id.clone(), config.bot_name.clone());
        Self {
            team: config.team_id.clone(),
            bot_user: config.bot_user_id.clone(),
            bot_name: config.bot_name.clone(),
            events_url: None,
            users: HashMap::from([bot]),
            channels: HashMap::new(),
            events: Made::default(),
            files: HashMap::new(),
            uploads: HashMap::new(),
            response_urls: Made::default(),
            next: 0,
        }
    }

    fn count(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Unique in the workspace, so also in its channel; sorts by time as text.
    pub(super) fn ts(&mut self) -> String {
        format!("{}.{:06}", unix_seconds(), self.count() % 1_000_000)
    }

    pub(super) fn event_id(&mut self) -> String {
        format!("Ev{:09}", self.count())
    }

    pub(super) fn unique(&mut self) -> u64 {
        self.count()
    }

    pub(super) fn introduce(&mut self, user: &str, name: &str) {
        self.users.insert(user.to_owned(), name.to_owned());
    }

    pub(super) fn add_channel(&mut self, id: &str, name: &str) {
        let channel = Channel { name: name.to_owned(), user: None, messages: BTreeMap::new() };
        self.channels.entry(id.to_owned()).or_insert(channel);
    }

    /// The private channel with a user: `D` and the user's id.
    pub(super) fn direct(&mut self, user: &str) -> String {
        let id = format!("D{}", user.get(1..).unwrap_or_default());
        self.users.entry(user.to_owned()).or_insert_with(|| user.to_lowercase());
        let channel =
            Channel { name: String::new(), user: Some(user.to_owned()), messages: BTreeMap::new() };
        self.channels.entry(id.clone()).or_insert(channel);
        id
    }

    pub(super) fn keep(&mut self, channel: &str, ts: &str, message: Value) {
        let Some(channel) = self.channels.get_mut(channel) else {
            return;
        };
        if channel.messages.len() == REMEMBERED {
            channel.messages.pop_first();
        }
        channel.messages.insert(ts.to_owned(), message);
    }

    /// Makes sure that both exist. Returns the user's name.
    pub(super) fn known(&mut self, user: &str, channel: &str) -> String {
        self.add_channel(channel, &channel.to_lowercase());
        self.users.entry(user.to_owned()).or_insert_with(|| user.to_lowercase()).clone()
    }

    pub(super) fn message(&self, channel: &str, ts: &str) -> Option<Value> {
        self.channels.get(channel)?.messages.get(ts).cloned()
    }

    pub(super) fn text_of(&self, channel: &str, ts: &str) -> Option<String> {
        self.message(channel, ts)?["text"].as_str().map(str::to_owned)
    }

    /// A fresh `response_url`, as its path.
    pub(super) fn response_url(&mut self, channel: &str) -> String {
        let number = self.count();
        let key = format!("{}/{number}", self.team);
        let url = ResponseUrl {
            channel: channel.to_owned(),
            uses_left: 5,
            expires_at: unix_seconds() + 30 * 60,
        };
        self.response_urls.insert(&key, url);
        format!("/response/{key}")
    }
}

/// A channel as `conversations.info` shows it.
pub(super) fn channel_json(id: &str, channel: &Channel) -> Value {
    let mut object = json!({
        "id": id,
        "is_channel": channel.user.is_none(),
        "is_im": channel.user.is_some(),
        "is_member": true,
    });
    match &channel.user {
        Some(user) => object["user"] = json!(user),
        None => object["name"] = json!(channel.name),
    }
    object
}
