//! WhatsApp Cloud API: webhooks of Meta's Graph in, messages out.
//!
//! A translator between Graph's payloads and the envelope. Not for message templates, and not for
//! retrying, storing or deciding who may talk.

mod api;
mod channel;
mod config;
mod inbound;
mod webhook;

pub use channel::WhatsApp;
pub use config::{Config, ConfigError};
pub use inbound::Reader;
pub use webhook::Hook;
