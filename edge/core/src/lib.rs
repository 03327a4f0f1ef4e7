//! What the edge decides: `front` turns requests into calls, `http` is what both shells make of
//! those, `sandbox` is the life of one sandbox, `fleet` what all sandboxes of a machine share, `turn`
//! what is kept of a turn, `person` who may have any, `limit` how often, `proactive` what becomes of
//! what agents say unasked, `model` what is passed on of a model call, `breaker` what is asked and
//! what is left alone, `meter` what a model call costs, `tally` how many requests there were and how
//! long they took, `backup` when a memory is saved and which backups stay, `release` which version of
//! its agent a sandbox is on.
//!
//! Pure: no I/O, no clock, no threads, no panics; compiles for `wasm32-unknown-unknown`, so that the
//! tokio shell (`edge/native`) and a Durable Object run the same decisions. Not for executing them.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod backup;
pub mod breaker;
#[cfg(test)]
mod dice;
pub mod fleet;
pub mod front;
pub mod http;
pub mod limit;
pub mod meter;
pub mod model;
pub mod person;
pub mod proactive;
pub mod release;
pub mod sandbox;
pub mod tally;
pub mod turn;
