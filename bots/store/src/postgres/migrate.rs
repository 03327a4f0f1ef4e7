//! Moving a PostgreSQL database to its schema: everything of one [`Schema`] lives in a namespace
//! of its own, `zaki_<name>`, so that ledger and identity share a database.

use tokio_postgres::Row;

use super::Postgres;
use super::mark;
use super::tx::PgTx;
use crate::schema::{Found, Info};
use crate::{Error, Schema};

const INFO: &str = "CREATE TABLE store_info (
    one        integer PRIMARY KEY CHECK (one = 1),
    name       text    NOT NULL,
    version    integer NOT NULL,
    min_reader integer NOT NULL,
    release    text    NOT NULL
)";

/// One at a time: the first number is ours, the second the schema's.
const LOCK: &str = "SELECT pg_advisory_xact_lock(2053205865, hashtext($1))";
/// Whoever migrates may wait for it and may take long.
const PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

const LOOK: &str = "SELECT count(*) > 0, count(*) FILTER (WHERE relname = 'store_info') > 0
    FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)";
const HAS_NAMESPACE: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
const READ: &str = "SELECT name, version, min_reader, release FROM store_info";
const WRITE: &str = "INSERT INTO store_info (one, name, version, min_reader, release)
    VALUES (1, $1, $2, $3, $4) ON CONFLICT (one) DO UPDATE
    SET version = excluded.version, min_reader = excluded.min_reader, release = excluded.release";

/// The namespace of a schema.
pub(super) fn namespace(schema: &Schema) -> String {
    format!("zaki_{}", schema.name)
}

/// Brings the database up to this schema, or says why this program must keep off.
pub(super) async fn apply(schema: &Schema, store: &Postgres) -> Result<(), Error> {
    let tx = PgTx::begin_unmarked(store.shared.link().await?).await?;
    if is_current(schema, &tx, store).await? {
        drop(tx);
        // Not where nothing may be written; others do it then.
        let _ = store.execute(mark::PRUNE, &[]).await;
        return Ok(());
    }
    tx.batch(PATIENCE).await?;
    tx.one(LOCK, &[&schema.name], |_| Ok(())).await?;
    // Another process may have been first.
    let version = version(schema, &tx, store).await?;
    if version < schema.known() {
        climb(schema, &tx, version).await?;
    }
    // Expands, for any release: those before this table do without.
    if !has_marks(&tx).await? {
        tx.batch(mark::TABLE).await?;
    }
    tx.commit().await
}

async fn is_current(schema: &Schema, tx: &PgTx, store: &Postgres) -> Result<bool, Error> {
    Ok(version(schema, tx, store).await? >= schema.known() && has_marks(tx).await?)
}

async fn has_marks(tx: &PgTx) -> Result<bool, Error> {
    let has = tx.one(mark::HAS_TABLE, &[], |row| row.try_get(0)).await?;
    Ok(has.unwrap_or(false))
}

async fn version(schema: &Schema, tx: &PgTx, store: &Postgres) -> Result<u32, Error> {
    schema.admit(look(schema, tx).await?, store.place())
}

async fn look(schema: &Schema, tx: &PgTx) -> Result<Found, Error> {
    let flags = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    match tx.one(LOOK, &[&namespace(schema)], flags).await? {
        Some((true, true)) => {}
        Some((true, false)) => return Ok(Found::Others),
        _ => return Ok(Found::Nothing),
    }
    let info = |row: &Row| {
        let number = |column| row.try_get::<_, i32>(column).map(i32::unsigned_abs);
        Ok(Info {
            name: row.try_get(0)?,
            version: number(1)?,
            min_reader: number(2)?,
            release: row.try_get(3)?,
        })
    };
    Ok(tx.one(READ, &[], info).await?.map_or(Found::Others, Found::Ours))
}

async fn climb(schema: &Schema, tx: &PgTx, version: u32) -> Result<(), Error> {
    let namespace = namespace(schema);
    if version == 0 {
        if tx.one(HAS_NAMESPACE, &[&namespace], |_| Ok(())).await?.is_none() {
            tx.batch(&format!("CREATE SCHEMA {namespace}")).await?;
        }
        tx.batch(INFO).await?;
    }
    for step in schema.after(version) {
        tx.batch(step.sql).await?;
    }
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let (version, min_reader) = (number(schema.known()), number(schema.min_reader()));
    tx.execute(WRITE, &[&schema.name, &version, &min_reader, &schema.release]).await?;
    Ok(())
}
