//! Telegram: a bot's webhook and long polling into envelopes, envelopes out through the Bot API.
//!
//! Requests are teloxide's payloads; one carrier of ours sends them (see `api`), and what arrives
//! is read by our own structs, since both directions meet servers newer than any library's model.
//! Not for: retrying, splitting, escaping or storing.

mod api;
mod channel;
mod config;
mod inbound;
mod offset;
mod source;
mod webhook;

pub use channel::Telegram;
pub use config::{Config, ConfigError, Receive};
pub use inbound::Reader;
pub use source::Poll;
pub use webhook::Hook;
