//! What lies in the tables and files: of people who have been erased, nothing; of what people say,
//! where there are keys, nothing that can be read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod erased;
mod place;
mod sealed;
