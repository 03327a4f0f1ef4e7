//! Rows to types, in one place.

use std::error::Error;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use zaki_envelope::{SenderId, SenderScope, Timestamp};
use zaki_store::Text;

use crate::rules::Owner;
use crate::{Binding, BindingKind, Person};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

impl<'a> FromSql<'a> for BindingKind {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Self::of_str(<&str>::from_sql(kind, raw)?).ok_or_else(|| "no kind of binding".into())
    }

    fn accepts(kind: &Type) -> bool {
        <&str as FromSql>::accepts(kind)
    }
}

/// Columns: sender, user, kind.
pub(super) fn found(row: &Row) -> Result<(SenderId, Owner)> {
    let Text(user) = row.try_get(1)?;
    Ok((SenderId::new(row.try_get::<_, String>(0)?), (user, row.try_get(2)?)))
}

/// Columns: channel, scope, sender, kind, bound_at.
pub(super) fn binding(row: &Row) -> Result<Binding> {
    let Text(channel) = row.try_get(0)?;
    Ok(Binding {
        channel,
        scope: SenderScope::new(row.try_get::<_, String>(1)?),
        sender: SenderId::new(row.try_get::<_, String>(2)?),
        kind: row.try_get(3)?,
        bound_at: Timestamp::from_ms(row.try_get(4)?),
    })
}

/// Columns: id, created_at. The bindings follow.
pub(super) fn person(row: &Row) -> Result<Person> {
    let Text(user) = row.try_get(0)?;
    Ok(Person { user, created_at: Timestamp::from_ms(row.try_get(1)?), bindings: Vec::new() })
}
