//! What the hub decides about turns and deliveries: which message is a command; which begins, joins
//! or waits; whose turn is next; what a failed send means; how fast may be written. Pure: no I/O, no
//! clock, no tokio.
//!
//! Not for carrying anything out: the hub's shells do that, and tell this crate what happened.

pub mod commands;
#[cfg(test)]
mod dice;
pub mod fair;
pub mod minute;
pub mod once;
pub mod outbox;
pub mod pace;
mod recent;
pub mod turns;
