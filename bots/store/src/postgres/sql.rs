//! [`Sql`] on PostgreSQL.

use std::error::Error as StdError;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use super::tx::Link;
use super::{PgTx, Postgres};
use crate::{Error, Row, Sql, Value};

type Fault = Box<dyn StdError + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *kind == Type::INT4 => {
                i32::try_from(*number)?.to_sql_checked(kind, out)
            }
            Self::Int(number) => number.to_sql_checked(kind, out),
            Self::Text(text) => text.to_sql_checked(kind, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(kind, out),
        }
    }

    /// What does not fit is found when it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        self.to_sql(kind, out)
    }
}

impl FromSql<'_> for Value {
    fn from_sql(kind: &Type, raw: &[u8]) -> Result<Self, Fault> {
        Ok(match *kind {
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::BOOL => Self::Int(bool::from_sql(kind, raw)?.into()),
            Type::BYTEA => Self::Bytes(Vec::from_sql(kind, raw)?),
            Type::VOID => Self::Null,
            _ => Self::Text(String::from_sql(kind, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Fault> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::BOOL | Type::BYTEA | Type::VOID)
            || <String as FromSql<'_>>::accepts(kind)
    }
}

/// A connection that only reads: on one snapshot, from [`Postgres::snapshot`], or statement by
/// statement, from [`Postgres::look`].
#[doc(hidden)]
pub struct PgView {
    link: Link,
}

impl Postgres {
    /// A snapshot to read.
    #[doc(hidden)]
    pub async fn snapshot(&self) -> Result<PgView, Error> {
        Ok(PgView { link: self.shared.link().await?.snapshot().await? })
    }

    /// A connection to read from.
    #[doc(hidden)]
    pub async fn look(&self) -> Result<PgView, Error> {
        Ok(PgView { link: self.shared.link().await? })
    }
}

impl PgTx {
    /// Keeps what was done, or undoes it after a failure of the caller's.
    #[doc(hidden)]
    pub async fn end<T, E: From<Error>>(self, done: Result<T, E>) -> Result<T, E> {
        if done.is_ok() {
            self.commit().await?;
        } else {
            self.rollback().await;
        }
        done
    }
}

impl Link {
    async fn change(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.execute(sql, &borrowed(params)).await
    }

    async fn find(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let place = self.place();
        let row = |row: &tokio_postgres::Row| {
            let values = (0..row.len()).map(|column| row.try_get(column));
            Ok(Row::new(values.collect::<Result<_, _>>()?, place.clone()))
        };
        self.all(sql, &borrowed(params), row).await
    }
}

fn borrowed(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as _).collect()
}

// The first number is ours. The release before this one takes the same locks for the ids of
// senders.
const LOCK: &str = "SELECT pg_advisory_xact_lock(2053205867, hashtext($1))";
const SHARE: &str = "SELECT pg_advisory_xact_lock_shared(2053205867, hashtext($1))";

impl Sql for PgTx {
    async fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.link.change(sql, params).await
    }

    async fn all(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.link.find(sql, params).await
    }

    async fn one(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.link.find(sql, params).await?.into_iter().next())
    }

    async fn lock(&self, name: &str) -> Result<(), Error> {
        self.link.execute(LOCK, &[&name]).await.map(drop)
    }

    async fn share(&self, name: &str) -> Result<(), Error> {
        self.link.execute(SHARE, &[&name]).await.map(drop)
    }
}

impl Sql for PgView {
    async fn execute(&self, _: &str, _: &[Value]) -> Result<u64, Error> {
        Err(self.link.reads())
    }

    async fn all(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.link.find(sql, params).await
    }

    async fn one(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.link.find(sql, params).await?.into_iter().next())
    }

    async fn lock(&self, _: &str) -> Result<(), Error> {
        Err(self.link.reads())
    }

    async fn share(&self, _: &str) -> Result<(), Error> {
        Err(self.link.reads())
    }
}
