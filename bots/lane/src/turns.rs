//! One lane: what becomes of the messages of one person in one session. They keep their order, one
//! turn runs at a time, and nothing gets lost: each message ends in a turn or is settled with a
//! reason.
//!
//! A lone message begins its turn at once. Pieces of one thing, an album or a text that the
//! person's client has split, gather for a moment. What waits when a turn ends becomes one next
//! turn. `/stop` waits for nothing.

mod gather;
mod lane;
mod mode;
mod step;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use lane::{Lane, Limits};
pub use mode::{Mode, UnknownMode};
pub use step::{Effect, Event, Notice, Reason, Why};

pub use crate::commands::Command;
