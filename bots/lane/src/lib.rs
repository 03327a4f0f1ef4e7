//! What the hub decides about turns and deliveries: which message begins, joins or waits; what a
//! failed send means; how fast a conversation may be written to. Pure: no I/O, no clock, no tokio.
//!
//! Not for carrying anything out: the hub's shells do that, and tell this crate what happened.

#[cfg(test)]
mod dice;
pub mod outbox;
pub mod pace;
pub mod turns;
