//! Who is who: which person a sender on a platform is, and what becomes of strangers. The only
//! place that mints a `ZakiUserId`.
//!
//! Not for what people said (the ledger), nor for what they may spend at the edge.

mod binding;
mod cache;
mod directory;
mod error;
mod mint;
mod postgres;
mod rules;
mod sqlite;

pub use binding::{Binding, BindingKind, Person};
pub use directory::{Directory, Linked, Policy, Refusal, Resolution};
pub use error::DirectoryError;
pub use postgres::PgDirectory;
pub use sqlite::SqliteDirectory;
