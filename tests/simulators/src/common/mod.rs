//! What the four simulators share: records, faults, the server and the webhook sender.

mod body;
mod desk;
mod fault;
mod gate;
mod log;
mod made;
mod meter;
mod server;
pub mod signature;
mod webhook;

pub(crate) use body::{as_params, escape_for_meta};
pub(crate) use desk::Records;
pub use desk::{Act, Call, Desk, Sent, Simulator};
pub use fault::{Fault, Faults};
pub(crate) use gate::{Dialect, Gate, Route, gate};
pub use log::{Follow, Log, NotSeen};
pub(crate) use made::Made;
pub use meter::{Excess, Limit, Repeat, Whose};
pub(crate) use server::{listen, serve};
pub use webhook::{Attempt, Retry};
pub(crate) use webhook::{Post, Poster};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A lock that a panic elsewhere cannot poison: the data stays usable for the other tests.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time since 1970.
pub(crate) fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

/// The bot's webhook did not pass the platform's check.
#[derive(Debug, thiserror::Error)]
#[error("the webhook was refused: {0}")]
pub struct WebhookRefused(pub String);
