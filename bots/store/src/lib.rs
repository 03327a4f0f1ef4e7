//! Opening, migrating and group-committing SQLite and PostgreSQL: the only SQL plumbing in the
//! house.
//!
//! Not for queries: those live beside the rows they read, in the ledger, identity and the edge.

mod error;
mod place;
mod portable;
mod postgres;
mod schema;
mod seal;
mod sqlite;
mod stats;
#[cfg(feature = "testkit")]
pub mod testkit;
mod value;

pub use error::Error;
pub use place::Place;
pub use portable::{Either, FromValue, Row, Sql, Value};
pub use postgres::{Group, PgOptions, PgTx, PgView, Postgres, Together};
pub use schema::{Schema, Step};
pub use seal::{Cell, KeyError, Keys, SealError};
pub use sqlite::{Sqlite, Tx};
pub use stats::Stats;
pub use value::{Json, Text};
