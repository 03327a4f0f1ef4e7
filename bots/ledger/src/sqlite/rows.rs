//! Rows to types, in one place.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Result, Row};
use zaki_envelope::{Inbound, InboundId, MessageId, ReplyHandle, SessionKey, Timestamp, TurnId};
use zaki_store::{Json, Text};

use crate::{
    Counts, DeadRecord, Delivery, DeliveryState, InboundRecord, InboundState, NewTurn, ReplyPlan,
};

/// A time as its milliseconds.
pub(super) struct Ms(pub(super) Timestamp);

impl ToSql for Ms {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.as_ms().into())
    }
}

impl FromSql for Ms {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(Timestamp::from_ms(value.as_i64()?)))
    }
}

/// A state as its word; the words are those of the `CHECK`s in `schema.sql`.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl ToSql for $name {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(match self { $(Self::$variant => $word),* }.into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_str()? {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(FromSqlError::InvalidType),
                }
            }
        }
    };
}

words!(InboundState {
    Accepted = "accepted",
    Joined = "joined",
    Settled = "settled",
    Dead = "dead",
});

words!(DeliveryState {
    Pending = "pending",
    Sending = "sending",
    Sent = "sent",
    Unknown = "unknown",
    Dead = "dead",
});

fn text<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    Text<T>: FromSql,
{
    row.get(column).map(|Text(value)| value)
}

fn json<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    Json<T>: FromSql,
{
    row.get(column).map(|Json(value)| value)
}

fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(|Ms(at)| at)
}

/// Columns: envelope.
pub(super) fn inbound(row: &Row<'_>) -> Result<Inbound> {
    json(row, 0)
}

/// Columns: envelope, state, turn, reason.
pub(super) fn inbound_record(row: &Row<'_>) -> Result<InboundRecord> {
    let turn: Option<Text<TurnId>> = row.get(2)?;
    Ok(InboundRecord {
        inbound: inbound(row)?,
        state: row.get(1)?,
        turn: turn.map(|Text(id)| id),
        reason: row.get(3)?,
    })
}

/// Columns: id, channel, account, received_at, reason, raw.
pub(super) fn dead_record(row: &Row<'_>) -> Result<DeadRecord> {
    Ok(DeadRecord {
        id: row.get(0)?,
        channel: text(row, 1)?,
        account: text(row, 2)?,
        received_at: time(row, 3)?,
        reason: row.get(4)?,
        raw: row.get(5)?,
    })
}

/// Columns: id, user, session, sandbox, address, reply_to, started_at. Its messages follow.
pub(super) fn turn(row: &Row<'_>) -> Result<NewTurn> {
    let session: Json<SessionKey> = row.get(2)?;
    let reply_to: Option<String> = row.get(5)?;
    Ok(NewTurn {
        id: text(row, 0)?,
        user: text(row, 1)?,
        session: session.0,
        sandbox: json(row, 3)?,
        inbounds: Vec::new(),
        reply: ReplyPlan { address: json(row, 4)?, reply_to: reply_to.map(MessageId::new) },
        at: time(row, 6)?,
    })
}

/// Columns: those of `sql::DELIVERY`.
pub(super) fn delivery(row: &Row<'_>) -> Result<Delivery> {
    let turn: Option<Text<TurnId>> = row.get(1)?;
    let receipt: Option<Json<Vec<MessageId>>> = row.get(9)?;
    Ok(Delivery {
        id: text(row, 0)?,
        turn: turn.map(|Text(id)| id),
        address: json(row, 2)?,
        outbound: json(row, 3)?,
        part: row.get(4)?,
        state: row.get(5)?,
        attempts: row.get(6)?,
        not_before: time(row, 7)?,
        reason: row.get(8)?,
        receipt: receipt.map(|Json(ids)| ids).unwrap_or_default(),
        changed_at: time(row, 10)?,
    })
}

/// Columns: inbound, secret, expires_at, uses_left.
pub(super) fn handle(row: &Row<'_>) -> Result<(InboundId, ReplyHandle)> {
    let handle =
        ReplyHandle { secret: row.get(1)?, expires_at: time(row, 2)?, uses_left: row.get(3)? };
    Ok((text(row, 0)?, handle))
}

/// Columns: those of `sql::COUNTS`.
pub(super) fn counts(row: &Row<'_>) -> Result<Counts> {
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Counts {
        accepted: count(0)?,
        running: count(1)?,
        pending: count(2)?,
        sending: count(3)?,
        unknown: count(4)?,
        dead: count(5)?,
        dead_letters: count(6)?,
    })
}
