//! The gateway: who gets which event. Its sessions are in `session`, its sockets in `socket`.

mod session;
mod socket;
mod zlib;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::routing::get;
use serde::Serialize;
use serde_json::json;

use super::{Channel, Said, Shared};
use crate::common::lock;
pub(super) use session::{Sessions, Signal, dispatch, signal_all};

/// The gateway intents the simulator knows.
pub mod intents {
    /// Guilds and their channels.
    pub const GUILDS: u64 = 1;
    /// Members come and go (privileged).
    pub const GUILD_MEMBERS: u64 = 1 << 1;
    /// Who is online (privileged).
    pub const GUILD_PRESENCES: u64 = 1 << 8;
    /// Messages in guilds.
    pub const GUILD_MESSAGES: u64 = 1 << 9;
    /// Private messages.
    pub const DIRECT_MESSAGES: u64 = 1 << 12;
    /// The content of messages that do not concern the bot (privileged).
    pub const MESSAGE_CONTENT: u64 = 1 << 15;
    /// Those that must be switched on for the application.
    pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
    /// Every bit that is defined.
    pub(super) const ALL: u64 = (1 << 26) - 1;
}

/// How a connection began its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// IDENTIFY: a new session.
    Identified,
    /// RESUME: an old session, with this many events replayed.
    Resumed {
        /// How many.
        replayed: usize,
    },
    /// RESUME that was refused.
    Refused,
}

/// A connection that identified or resumed.
#[derive(Clone, Debug, Serialize)]
pub struct Connected {
    /// When.
    pub at: SystemTime,
    /// `/gateway` or `/resume`.
    pub path: String,
    /// How.
    pub how: How,
    /// The session's id.
    pub session: String,
    /// The client asked for `zlib-stream`.
    pub compressed: bool,
}

pub(super) fn url(base: &str) -> String {
    format!("{}/gateway", base.replacen("http", "ws", 1))
}

pub(super) fn resume_url(base: &str) -> String {
    format!("{}/resume", base.replacen("http", "ws", 1))
}

/// Clients add `?v=10…` with and without a slash before it.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/gateway", get(socket::upgrade))
        .route("/gateway/", get(socket::upgrade))
        .route("/resume", get(socket::upgrade))
        .route("/resume/", get(socket::upgrade))
}

/// MESSAGE_CREATE by intent; its content is empty without MESSAGE_CONTENT, unless it is private
/// or mentions the bot.
pub(super) fn message_create(shared: &Shared, channel: &Channel, said: &Said) {
    let needed = match channel.guild {
        Some(_) => intents::GUILD_MESSAGES,
        None => intents::DIRECT_MESSAGES,
    };
    let concerns_bot = channel.guild.is_none()
        || said.message["mentions"].as_array().is_some_and(|mentions| {
            let bot = shared.config.application_id.to_string();
            mentions.iter().any(|m| m["id"] == bot)
        });
    dispatch(shared, "MESSAGE_CREATE", &|granted| {
        if granted & needed == 0 {
            return None;
        }
        let mut message = said.message.clone();
        if !concerns_bot && granted & intents::MESSAGE_CONTENT == 0 {
            message["content"] = json!("");
            for list in ["embeds", "attachments", "components"] {
                message[list] = json!([]);
            }
        }
        Some(message)
    });
}

/// INVALID_SESSION; where not resumable the sessions are gone.
pub(super) fn invalidate(shared: &Shared, resumable: bool) {
    signal_all(shared, &Signal::Invalid(resumable));
    if !resumable {
        lock(&shared.sessions).forget();
    }
}
