//! The OpenClaw gateway on loopback: its process, its protocol, and the link turns use.

pub(crate) mod approval;
mod connection;
pub(crate) mod jobs;
mod link;
mod process;
pub(crate) mod protocol;
mod refusal;
mod supervise;
mod validate;

pub(crate) use connection::{CallError, Connection};
pub(crate) use link::{Link, Spoken, State, Word};
pub(crate) use supervise::supervise;
pub(crate) use validate::validate;
