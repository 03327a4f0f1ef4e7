//! The simulators by plain requests: what other people's clients do not reach.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod discord;
mod faults;
mod receiver;
mod rust_clients;
mod slack;
mod telegram;
mod vectors;
mod whatsapp;

use std::time::Duration;

/// More than anything here needs.
const SOON: Duration = Duration::from_secs(20);
