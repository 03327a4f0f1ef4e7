//! The few objects of the Bot API we read, as tolerant as can be: a field of another type than
//! expected counts as absent, so that no novelty takes a message with it.
//! Shapes: <https://core.telegram.org/bots/api#available-types>.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use zaki_channel::lenient;
use zaki_envelope::{Conversation, ConversationId, ConversationKind, Sender, SenderId};
use zaki_envelope::{SenderScope, ThreadId};

/// A JSON object of Telegram's, read field by field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Object(pub(super) Map<String, Value>);

impl Object {
    /// The field, if it is there and of the expected shape.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.0.get(name)?).ok()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }
}

/// A user or bot. Ids use up to 52 bits.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: i64,
    #[serde(default, deserialize_with = "lenient")]
    is_bot: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    first_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    last_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    username: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    language_code: Option<String>,
}

impl From<User> for Sender {
    fn from(user: User) -> Self {
        Self {
            display_name: full_name(user.first_name, user.last_name),
            handle: user.username,
            locale: user.language_code,
            is_bot: user.is_bot.unwrap_or_default(),
            ..nameless(user.id)
        }
    }
}

/// A sender known by id alone. Telegram's ids are global, so the scope is empty.
pub(super) fn nameless(id: i64) -> Sender {
    Sender::new(SenderScope::new(""), SenderId::new(id.to_string()))
}

fn full_name(first: Option<String>, last: Option<String>) -> Option<String> {
    let words: Vec<String> =
        [first, last].into_iter().flatten().filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A chat.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Chat {
    pub(super) id: i64,
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    username: Option<String>,
}

impl Chat {
    /// A kind nobody knows yet counts as shared: the careful reading.
    pub(super) fn kind(&self) -> ConversationKind {
        match self.kind.as_deref() {
            Some("private") => ConversationKind::Direct,
            Some("channel") => ConversationKind::Channel,
            _ => ConversationKind::Group,
        }
    }

    pub(super) fn conversation(&self, thread: Option<i64>) -> Conversation {
        Conversation {
            id: ConversationId::new(self.id.to_string()),
            kind: self.kind(),
            thread: thread.map(|thread| ThreadId::new(thread.to_string())),
            space: None,
        }
    }
}

impl From<Chat> for Sender {
    /// A chat in whose name somebody wrote: a channel, or a group for its anonymous admins.
    fn from(chat: Chat) -> Self {
        Self { display_name: chat.title, handle: chat.username, ..nameless(chat.id) }
    }
}

/// Anything with a `file_id`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct File {
    #[serde(rename = "file_id")]
    pub(super) id: String,
    #[serde(rename = "file_name", default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) mime_type: Option<String>,
    #[serde(rename = "file_size", default, deserialize_with = "lenient")]
    pub(super) size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    width: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    height: Option<u64>,
}

impl File {
    pub(super) fn area(&self) -> u64 {
        let [width, height] = [self.width, self.height].map(Option::unwrap_or_default);
        width.saturating_mul(height)
    }
}

/// A stretch of a text with a meaning. Offset and length count UTF-16 units.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: usize,
    pub(super) length: usize,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
}

/// One reaction; `emoji`, `custom_emoji` or `paid`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Reaction {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    emoji: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    custom_emoji_id: Option<String>,
}

impl Reaction {
    pub(super) fn name(self) -> String {
        self.emoji.or(self.custom_emoji_id).unwrap_or(self.kind)
    }
}
