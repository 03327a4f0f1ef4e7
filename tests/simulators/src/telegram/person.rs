//! People and chats, as Telegram shows them.

use serde_json::{Value, json};

/// A person or bot.
#[derive(Clone, Debug)]
pub struct User {
    /// Stable, up to 52 bits.
    pub id: i64,
    /// Shown to others; never an identity.
    pub first_name: String,
    /// Without `@`; may change and may be missing.
    pub username: Option<String>,
    /// A bot.
    pub is_bot: bool,
}

impl User {
    /// A person without a username.
    pub fn new(id: i64, first_name: &str) -> Self {
        Self { id, first_name: first_name.to_owned(), username: None, is_bot: false }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut user = json!({"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name});
        if let Some(username) = &self.username {
            user["username"] = json!(username);
        }
        if !self.is_bot {
            user["language_code"] = json!("en");
        }
        user
    }
}

/// Where messages are written.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The person's id for a private chat, negative for groups.
    pub id: i64,
    kind: &'static str,
    name: String,
    is_forum: bool,
}

impl Chat {
    /// The private chat with a person.
    pub fn private(with: &User) -> Self {
        Self { id: with.id, kind: "private", name: with.first_name.clone(), is_forum: false }
    }

    /// A supergroup; `id` is negative (`-100…`).
    pub fn group(id: i64, title: &str) -> Self {
        Self { id, kind: "supergroup", name: title.to_owned(), is_forum: false }
    }

    /// A basic group; `id` is negative, without the `-100…`.
    pub fn basic_group(id: i64, title: &str) -> Self {
        Self { kind: "group", ..Self::group(id, title) }
    }

    /// The same with another id, as a supergroup.
    pub(super) fn upgraded(&self, id: i64) -> Self {
        Self { id, kind: "supergroup", ..self.clone() }
    }

    /// A supergroup with topics.
    pub fn forum(id: i64, title: &str) -> Self {
        Self { is_forum: true, ..Self::group(id, title) }
    }

    /// Forums have topics, and private chats may have.
    pub(super) fn has_topics(&self) -> bool {
        self.is_forum || self.kind == "private"
    }

    pub(super) fn to_json(&self) -> Value {
        let mut chat = json!({"id": self.id, "type": self.kind});
        let name = if self.kind == "private" { "first_name" } else { "title" };
        chat[name] = json!(self.name);
        if self.is_forum {
            chat["is_forum"] = json!(true);
        }
        chat
    }
}
