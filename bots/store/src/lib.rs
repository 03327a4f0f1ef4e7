//! Opening, migrating and group-committing SQLite: the only SQL plumbing in the house.
//!
//! Not for queries: those live beside the rows they read, in the ledger, identity and the edge.

mod error;
mod file;
mod schema;
mod sqlite;
mod tx;
mod value;
mod writer;

pub use error::Error;
pub use schema::{Schema, Step};
pub use sqlite::{Sqlite, Stats};
pub use tx::Tx;
pub use value::{Json, Text};
