//! What the edge decides: `front` turns requests into calls, `sandbox` is the life of one sandbox,
//! `fleet` what all sandboxes of a machine share, `turn` what is kept of a turn, `person` who may
//! have any, `meter` what they cost, `backup` when a memory is saved and which backups stay.
//!
//! Pure: no I/O, no clock, no threads, no panics; compiles for `wasm32-unknown-unknown`, so that the
//! tokio shell (`edge/native`) and a Durable Object run the same decisions. Not for executing them.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod backup;
#[cfg(test)]
mod dice;
pub mod fleet;
pub mod front;
pub mod meter;
pub mod person;
pub mod sandbox;
pub mod turn;
