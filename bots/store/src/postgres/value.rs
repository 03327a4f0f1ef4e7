//! Columns of PostgreSQL that hold more than SQL knows. All are text: `jsonb` refuses the zero
//! character, which people can send.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::value::{Json, JsonError, Text};

type Fault = Box<dyn Error + Sync + Send>;

impl<T: Display> ToSql for Text<T> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        self.0.to_string().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl<'a, T> FromSql<'a> for Text<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        Ok(Self(<&str>::from_sql(kind, raw)?.parse()?))
    }

    fn accepts(kind: &Type) -> bool {
        <&str as FromSql>::accepts(kind)
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        let text = serde_json::to_string(&self.0).map_err(|error| JsonError::from(&error))?;
        text.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl<'a, T: DeserializeOwned> FromSql<'a> for Json<T> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        let parsed = serde_json::from_str(<&str>::from_sql(kind, raw)?);
        Ok(Self(parsed.map_err(|error| JsonError::from(&error))?))
    }

    fn accepts(kind: &Type) -> bool {
        <&str as FromSql>::accepts(kind)
    }
}
