//! The OpenClaw gateway on loopback: its process, its protocol, and the link turns use.

pub(crate) mod approval;
mod connection;
mod link;
mod process;
pub(crate) mod protocol;
mod supervise;

pub(crate) use connection::{CallError, Connection};
pub(crate) use link::{Link, State};
pub(crate) use supervise::supervise;
