//! [`Sql`] on SQLite: everything is done by the time the future is made.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Result as Answer};

use super::Tx;
use crate::{Error, Row, Sql, Value};

impl ToSql for Value {
    fn to_sql(&self) -> Answer<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl FromSql for Value {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Int(number),
            // What is no text any more is damaged: whoever asks for it as text is told, nobody else.
            ValueRef::Text(bytes) => value
                .as_str()
                .map_or_else(|_| Self::Bytes(bytes.to_owned()), |text| Self::Text(text.to_owned())),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_owned()),
            ValueRef::Real(_) => return Err(FromSqlError::InvalidType),
        })
    }
}

impl Tx<'_> {
    /// Runs a future that waits for nothing but this transaction.
    #[doc(hidden)]
    pub fn drive<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let waits = || Error::Statement { place: self.place.clone(), cause: Arc::new(Waits) };
        work.now_or_never().unwrap_or_else(|| Err(waits().into()))
    }

    fn portable<T>(
        &self,
        sql: &str,
        params: &[Value],
        run: impl FnOnce(&mut CachedStatement<'_>) -> Answer<T>,
    ) -> Result<T, Error> {
        let done = || {
            let mut statement = self.conn.prepare_cached(sql)?;
            bind(&mut statement, params)?;
            run(&mut statement)
        };
        done().map_err(|error| self.failed(error))
    }

    fn rows(&self, sql: &str, params: &[Value], most: usize) -> Result<Vec<Row>, Error> {
        self.portable(sql, params, |statement| {
            let columns = statement.column_count();
            let (mut rows, mut found) = (statement.raw_query(), Vec::new());
            while found.len() < most
                && let Some(row) = rows.next()?
            {
                let values = (0..columns).map(|column| row.get(column)).collect::<Answer<_>>()?;
                found.push(Row::new(values, self.place.clone()));
            }
            Ok(found)
        })
    }
}

/// To SQLite, `$2` is a name, numbered as it comes. PostgreSQL's meaning is ours; nor may there be
/// more or fewer values than the statement counts.
fn bind(statement: &mut CachedStatement<'_>, params: &[Value]) -> Answer<()> {
    let mut counted = 0;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index);
        let number = name.and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let number = number.filter(|number| *number > 0).unwrap_or(usize::MAX);
        let Some(value) = params.get(number - 1) else {
            return Err(rusqlite::Error::InvalidParameterCount(params.len(), number));
        };
        counted = counted.max(number);
        statement.raw_bind_parameter(index, value)?;
    }
    if counted == params.len() {
        return Ok(());
    }
    Err(rusqlite::Error::InvalidParameterCount(params.len(), counted))
}

#[derive(Debug, thiserror::Error)]
#[error("the work waited for something else than its transaction")]
struct Waits;

impl Sql for Tx<'_> {
    async fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let changed = self.portable(sql, params, |statement| statement.raw_execute())?;
        Ok(changed as u64)
    }

    async fn all(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.rows(sql, params, usize::MAX)
    }

    async fn one(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.rows(sql, params, 1)?.pop())
    }

    async fn lock(&self, _name: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn share(&self, _name: &str) -> Result<(), Error> {
        Ok(())
    }
}
