//! Slack: Events API, slash commands and buttons in; Web API calls out.
//!
//! A translator between Slack's payloads and the envelope. Not for Socket Mode's connection (its
//! frames are read, nobody opens one), and not for retrying, storing or deciding who may talk.

mod api;
mod channel;
mod config;
mod emoji;
mod inbound;
mod prove;
mod webhook;

pub use channel::Slack;
pub use config::{Config, ConfigError};
pub use inbound::Reader;
pub use webhook::Hook;
