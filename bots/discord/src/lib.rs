//! Discord: interactions over HTTP and the gateway's events into envelopes, envelopes out by REST.
//!
//! Payloads and the interaction signature are serenity's, the gateway is twilight's, REST calls go
//! through one carrier of ours (see `api`). What arrives is read by our own structs. Not for:
//! retrying, splitting, escaping or storing.
//!
//! [`Gateway`] opens TLS connections: the program must have installed rustls' crypto provider
//! (`rustls::crypto::ring::default_provider().install_default()`), once and before it runs.

mod api;
mod channel;
mod config;
mod handle;
mod inbound;
mod session;
mod source;
mod webhook;
mod widgets;

pub use channel::Discord;
pub use config::{Config, ConfigError};
pub use inbound::Reader;
pub use source::Gateway;
pub use webhook::Hook;
