//! Rows to types, in one place.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Result, Row};
use zaki_envelope::{SenderId, SenderScope, Timestamp};
use zaki_store::Text;

use crate::rules::Owner;
use crate::{Binding, BindingKind, Person};

impl ToSql for BindingKind {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for BindingKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::of_str(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// Columns: user, kind.
pub(super) fn owner(row: &Row<'_>) -> Result<Owner> {
    let Text(user) = row.get(0)?;
    Ok((user, row.get(1)?))
}

/// Columns: channel, scope, sender, kind, bound_at.
pub(super) fn binding(row: &Row<'_>) -> Result<Binding> {
    let Text(channel) = row.get(0)?;
    Ok(Binding {
        channel,
        scope: SenderScope::new(row.get::<_, String>(1)?),
        sender: SenderId::new(row.get::<_, String>(2)?),
        kind: row.get(3)?,
        bound_at: Timestamp::from_ms(row.get(4)?),
    })
}

/// Columns: id, created_at. The bindings follow.
pub(super) fn person(row: &Row<'_>) -> Result<Person> {
    let Text(user) = row.get(0)?;
    Ok(Person { user, created_at: Timestamp::from_ms(row.get(1)?), bindings: Vec::new() })
}
