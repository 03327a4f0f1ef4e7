//! PostgreSQL for tests: a database of its own for each, on a server of our own or on a given one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test speaks by panicking"
)]

mod cluster;
mod database;
mod wire;

pub use cluster::{Cluster, Durability};
pub use database::{Database, database};
pub use wire::Wire;
