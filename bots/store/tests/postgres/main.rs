//! PostgreSQL as the ledger and identity meet it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod group;
mod network;
mod schema;
mod tx;

use zaki_store::testkit::Database;
use zaki_store::{PgOptions, Postgres, Schema, Step};

const THINGS: Schema = Schema {
    name: "things",
    release: "0.1.0",
    steps: &[Step { sql: "CREATE TABLE thing (id bigint PRIMARY KEY, name text);", min_reader: 1 }],
};

async fn open(database: &Database) -> Postgres {
    Postgres::connect(&database.url(), &PgOptions::default(), &THINGS).await.unwrap()
}

async fn ids(store: &Postgres) -> Vec<i64> {
    store.all("SELECT id FROM thing ORDER BY id", &[], |row| row.try_get(0)).await.unwrap()
}

const ADD: &str = "INSERT INTO thing (id) VALUES ($1)";
