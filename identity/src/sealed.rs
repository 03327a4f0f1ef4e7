//! What people say to the directory, encrypted where there are keys: feedback, names of sessions, and
//! by what somebody who is no more was known until all of theirs is gone.

use std::fmt::Display;

use zaki_store::{Cell, Either, Keys, Row, Sql, Value, params, snapshot, transact};

use crate::{Directory, DirectoryError};

/// A column that is encrypted: a name that must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Feedback,
    Session,
    Errand,
}

impl Column {
    pub(crate) const fn of(self, row: &dyn Display) -> Cell<'_> {
        let column = match self {
            Self::Feedback => "identity.feedback.text",
            Self::Session => "identity.session.name",
            Self::Errand => "identity.errand.detail",
        };
        Cell { column, row }
    }
}

/// The name of a session, as it is stored.
pub(crate) fn name(
    keys: &Keys,
    user: impl Display,
    n: u32,
    name: Option<String>,
) -> Result<Option<String>, DirectoryError> {
    let row = format!("{user} {n}");
    Ok(name.map(|name| keys.seal_text(Column::Session.of(&row), name)).transpose()?)
}

/// The name of a session that is stored so.
pub(crate) fn open_name(
    keys: &Keys,
    user: impl Display,
    n: u32,
    stored: Option<String>,
) -> Result<Option<String>, DirectoryError> {
    let row = format!("{user} {n}");
    Ok(stored.map(|stored| keys.open_text(Column::Session.of(&row), stored)).transpose()?)
}

/// From the first encrypted value on, releases that cannot read it are kept off: those that know
/// fewer than `version` steps of the schema.
pub(crate) async fn raise(store: &Either, version: usize) -> Result<(), DirectoryError> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    if snapshot!(store, |tx| min_reader(tx))? < version {
        transact!(store, |tx| raise_in(tx, version))?;
    }
    Ok(())
}

async fn min_reader<S: Sql>(tx: &S) -> Result<i64, DirectoryError> {
    let row = tx.one("SELECT min_reader FROM store_info", params![]).await?;
    Ok(row.map(|row| row.get(0)).transpose()?.unwrap_or_default())
}

async fn raise_in<S: Sql>(tx: &S, version: i64) -> Result<(), DirectoryError> {
    let sql = "UPDATE store_info SET min_reader = $1 WHERE min_reader < $1";
    tx.execute(sql, params![version]).await?;
    Ok(())
}

/// A column, the statement that finds values that are not under a key, by what they begin with then,
/// and the one that exchanges such a value while it is as it was read.
struct Table {
    column: Column,
    stale: &'static str,
    exchange: &'static str,
}

const TABLES: [Table; 3] = [
    Table {
        column: Column::Feedback,
        stale: "SELECT id, text FROM feedback
            WHERE substr(text, 1, length(CAST($1 AS TEXT))) <> $1 LIMIT 200",
        exchange: "UPDATE feedback SET text = $3 WHERE id = $1 AND text = $2",
    },
    Table {
        column: Column::Session,
        stale: "SELECT user_id || ' ' || n, name FROM session WHERE name IS NOT NULL
            AND substr(name, 1, length(CAST($1 AS TEXT))) <> $1 LIMIT 200",
        exchange: "UPDATE session SET name = $3 WHERE user_id || ' ' || n = $1 AND name = $2",
    },
    Table {
        column: Column::Errand,
        stale: "SELECT user_id || ' ' || n, detail FROM errand
            WHERE substr(detail, 1, length(CAST($1 AS TEXT))) <> $1 LIMIT 200",
        exchange: "UPDATE errand SET detail = $3 WHERE user_id || ' ' || n = $1 AND detail = $2",
    },
];

impl Directory {
    /// Brings everything that is encrypted, or should be, under the first key; how many values it
    /// has exchanged. Without a key nothing is done.
    pub async fn rekey(&self) -> Result<u64, DirectoryError> {
        let Some(first) = self.options.keys.first() else { return Ok(0) };
        let (mark, mut exchanged) = (format!("zaki-sealed:{first}:"), 0);
        for table in &TABLES {
            loop {
                let (keys, mark) = (self.options.keys.clone(), mark.clone());
                let found = transact!(&self.store, |tx| rekey(tx, &keys, table, &mark))?;
                if found == 0 {
                    break;
                }
                exchanged += found;
            }
        }
        Ok(exchanged)
    }
}

async fn rekey<S: Sql>(
    tx: &S,
    keys: &Keys,
    table: &Table,
    mark: &str,
) -> Result<u64, DirectoryError> {
    let read =
        |row: &Row| -> Result<(String, String), DirectoryError> { Ok((row.get(0)?, row.get(1)?)) };
    let rows = tx.all(table.stale, params![mark]).await?;
    let rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut exchanged = 0;
    for (row, old) in rows {
        let cell = table.column.of(&row);
        let new = keys.seal_text(cell, keys.open_text(cell, old.clone())?)?;
        exchanged += tx.execute(table.exchange, params![row, Value::Text(old), new]).await?;
    }
    Ok(exchanged)
}
