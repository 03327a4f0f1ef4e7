//! Which keys the ledger needs, and exchanging them.

use std::borrow::Cow;
use std::fmt::Display;

use zaki_store::{Either, FromValue, Keys, Row, SealError, Sql, Value, params, snapshot, transact};

use crate::Error;
use crate::desk::Desk;
use crate::retention::BARE;
use crate::sealed::Column;

/// Rows that are re-encrypted by one transaction.
const STEP: i64 = 200;
/// A pass finds nothing to do once nobody stores anything under another key any more.
const PASSES: u32 = 5;

/// Makes sure that everything stored can be read. From the first encrypted value on, releases that
/// know nothing of them are kept off: those that know fewer than `version` steps of the schema.
pub(crate) async fn register(store: &Either, keys: &Keys, version: usize) -> Result<(), Error> {
    let known = snapshot!(store, |tx| known(tx))?;
    let first = keys.first().filter(|id| known.iter().all(|(known, _)| known != id));
    for (id, probe) in &known {
        check(keys, id, probe.clone())?;
    }
    let Some(id) = first.map(str::to_owned) else {
        return if known.is_empty() { Ok(()) } else { raise(store, version).await };
    };
    let probe = keys.seal_text(Column::Probe.of(&id), "zaki".to_owned())?;
    transact!(store, |tx| add(tx, id, probe))?;
    raise(store, version).await
}

async fn known<S: Sql>(tx: &S) -> Result<Vec<(String, String)>, Error> {
    let rows = tx.all("SELECT id, probe FROM seal_key ORDER BY id", params![]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

fn check(keys: &Keys, id: &str, probe: String) -> Result<(), Error> {
    match keys.open_text(Column::Probe.of(&id), probe) {
        Ok(_) => Ok(()),
        Err(SealError::Missing { id }) => Err(Error::MissingKey { id }),
        Err(SealError::Wrong { id }) => Err(Error::WrongKey { id }),
        Err(error @ SealError::TooLong) => Err(error.into()),
    }
}

async fn add<S: Sql>(tx: &S, id: String, probe: String) -> Result<(), Error> {
    let sql = "INSERT INTO seal_key (id, probe) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.execute(sql, params![id, probe]).await?;
    Ok(())
}

async fn raise(store: &Either, version: usize) -> Result<(), Error> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    transact!(store, |tx| raise_in(tx, version))
}

async fn raise_in<S: Sql>(tx: &S, version: i64) -> Result<(), Error> {
    let sql = "UPDATE store_info SET min_reader = $1 WHERE min_reader < $1";
    tx.execute(sql, params![version]).await?;
    Ok(())
}

/// A column that is encrypted, with the statements that read and exchange its values.
struct Table {
    column: Column,
    read: &'static str,
    exchange: &'static str,
    kind: Kind,
}

/// What keys its rows, and what the values are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text in rows named by text.
    Text,
    /// Bytes in rows that are numbered.
    Bytes,
}

/// A value is exchanged only while it is as it was read.
const TABLES: [Table; 5] = [
    Table {
        column: Column::Envelope,
        read: "SELECT id, envelope FROM inbound WHERE id > $1 ORDER BY id LIMIT $2",
        exchange: "UPDATE inbound SET envelope = $3 WHERE id = $1 AND envelope = $2",
        kind: Kind::Text,
    },
    Table {
        column: Column::Outbound,
        read: "SELECT id, outbound FROM delivery WHERE id > $1 ORDER BY id LIMIT $2",
        exchange: "UPDATE delivery SET outbound = $3 WHERE id = $1 AND outbound = $2",
        kind: Kind::Text,
    },
    Table {
        column: Column::Secret,
        read: "SELECT inbound, secret FROM reply_handle WHERE inbound > $1
            ORDER BY inbound LIMIT $2",
        exchange: "UPDATE reply_handle SET secret = $3 WHERE inbound = $1 AND secret = $2",
        kind: Kind::Text,
    },
    Table {
        column: Column::Request,
        read: "SELECT id, raw FROM request WHERE id > $1 ORDER BY id LIMIT $2",
        exchange: "UPDATE request SET raw = $3 WHERE id = $1 AND raw = $2",
        kind: Kind::Bytes,
    },
    Table {
        column: Column::DeadLetter,
        read: "SELECT id, raw FROM dead_letter WHERE id > $1 ORDER BY id LIMIT $2",
        exchange: "UPDATE dead_letter SET raw = $3 WHERE id = $1 AND raw = $2",
        kind: Kind::Bytes,
    },
];

/// Brings everything under the first key; how many values it has exchanged. After that no other
/// key is needed, as long as nobody stores anything under one.
pub(crate) async fn rekey(desk: Desk<'_>) -> Result<u64, Error> {
    let (store, mut all) = (desk.store(), 0);
    for _ in 0..PASSES {
        let mut exchanged = 0;
        for table in &TABLES {
            exchanged += match table.kind {
                Kind::Text => walk(&store, desk.keys(), table, String::new()).await?,
                Kind::Bytes => walk(&store, desk.keys(), table, 0_i64).await?,
            };
        }
        all += exchanged;
        if exchanged == 0 {
            let first = desk.keys().first().unwrap_or_default().to_owned();
            transact!(&store, |tx| forget(tx, first))?;
            break;
        }
    }
    Ok(all)
}

async fn forget<S: Sql>(tx: &S, first: String) -> Result<(), Error> {
    tx.execute("DELETE FROM seal_key WHERE id <> $1", params![first]).await?;
    Ok(())
}

/// What a row is known by.
trait RowKey: Clone + Into<Value> + FromValue + Display + Send + Sync + 'static {}

impl RowKey for String {}
impl RowKey for i64 {}

/// A row, its value as it is stored and as it should be.
struct Exchange<K> {
    row: K,
    old: Value,
    new: Value,
}

async fn walk<K: RowKey>(
    store: &Either,
    keys: &Keys,
    table: &'static Table,
    mut after: K,
) -> Result<u64, Error> {
    let mut exchanged = 0;
    loop {
        let from = after.clone();
        let rows: Vec<(K, Value)> = snapshot!(store, |tx| page(tx, table, from))?;
        let Some((last, _)) = rows.last() else { return Ok(exchanged) };
        after = last.clone();
        let stale = rows.into_iter().filter_map(|(row, old)| stale(keys, table, row, old));
        let stale = stale.collect::<Result<Vec<_>, _>>()?;
        if !stale.is_empty() {
            exchanged += transact!(store, |tx| exchange(tx, table, stale))?;
        }
    }
}

async fn page<S: Sql, K: RowKey>(tx: &S, table: &Table, from: K) -> Result<Vec<(K, Value)>, Error> {
    let rows = tx.all(table.read, params![Into::<Value>::into(from), STEP]).await?;
    let read = |row: &Row| -> Result<_, Error> {
        let value = match table.kind {
            Kind::Text => Value::Text(row.get(1)?),
            Kind::Bytes => Value::Bytes(row.get(1)?),
        };
        Ok((row.get(0)?, value))
    };
    rows.iter().map(read).collect()
}

/// How a value is to be exchanged, unless it is right.
fn stale<K: RowKey>(
    keys: &Keys,
    table: &Table,
    row: K,
    old: Value,
) -> Option<Result<Exchange<K>, Error>> {
    let cell = table.column.of(&row);
    let new = match &old {
        Value::Text(stored) if stored != BARE && !keys.is_current(stored.as_bytes()) => {
            let open = keys.open_text(cell, stored.clone());
            open.and_then(|text| keys.seal_text(cell, text)).map(Value::Text)
        }
        Value::Bytes(stored) if !keys.is_current(stored) => {
            let open = keys.open(cell, stored.clone());
            let sealed = open.and_then(|raw| keys.seal(cell, &raw).map(Cow::into_owned));
            sealed.map(Value::Bytes)
        }
        _ => return None,
    };
    Some(new.map(|new| Exchange { row, old, new }).map_err(Error::from))
}

async fn exchange<S: Sql, K: RowKey>(
    tx: &S,
    table: &Table,
    stale: Vec<Exchange<K>>,
) -> Result<u64, Error> {
    let mut exchanged = 0;
    for Exchange { row, old, new } in stale {
        exchanged +=
            tx.execute(table.exchange, params![Into::<Value>::into(row), old, new]).await?;
    }
    Ok(exchanged)
}
