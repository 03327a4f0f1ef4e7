//! Rows to types, in one place.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Result, Row};
use zaki_envelope::{DeliveryId, MessageId, ReplyHandle, SessionKey, Timestamp, TurnId};
use zaki_store::{Json, Text};

use crate::sealed::{Bytes, Column, Envelope, Handle, Letter, Packed, Record};
use crate::{
    Counts, DeadRecord, Delivery, DeliveryKind, DeliveryState, Fence, InboundState, Lost, NewTurn,
    ReplyPlan,
};

/// A fence as its token.
pub(super) struct Token(pub(super) Fence);

impl Token {
    pub(super) const fn as_i64(&self) -> i64 {
        self.0.token().cast_signed()
    }
}

impl ToSql for Token {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.as_i64().into())
    }
}

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

words!(DeliveryKind { Reply = "reply", Notice = "notice" });

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

/// Columns: id, envelope.
pub(super) fn inbound(row: &Row<'_>) -> Result<Envelope> {
    envelope(row, 0)
}

fn envelope(row: &Row<'_>, first: usize) -> Result<Envelope> {
    Ok(Envelope { id: row.get(first)?, stored: row.get(first + 1)? })
}

/// A value with its place in the order of its table, since `RETURNING` keeps none.
pub(super) type Placed<T> = (i64, T);

pub(super) fn in_order<T>(mut rows: Vec<Placed<T>>) -> Vec<T> {
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, value)| value).collect()
}

/// Columns: rowid, id, envelope.
pub(super) fn placed_inbound(row: &Row<'_>) -> Result<Placed<Envelope>> {
    Ok((row.get(0)?, envelope(row, 1)?))
}

/// Columns: id, envelope, state, turn, reason.
pub(super) fn inbound_record(row: &Row<'_>) -> Result<Record> {
    let turn: Option<Text<TurnId>> = row.get(3)?;
    Ok(Record {
        envelope: inbound(row)?,
        state: row.get(2)?,
        turn: turn.map(|Text(id)| id),
        reason: row.get(4)?,
    })
}

/// Columns: id, raw.
pub(super) fn raw(row: &Row<'_>) -> Result<Bytes> {
    Ok(Bytes { column: Column::Request, id: row.get(0)?, stored: row.get(1)? })
}

/// Columns: id, channel, account, received_at, reason, raw, id as text.
pub(super) fn dead_record(row: &Row<'_>) -> Result<Letter> {
    Ok(Letter(DeadRecord {
        id: row.get(0)?,
        channel: text(row, 1)?,
        account: text(row, 2)?,
        received_at: time(row, 3)?,
        reason: row.get(4)?,
        raw: row.get(5)?,
    }))
}

/// Columns: rowid, id, user, session, sandbox, address, reply_to, started_at. Its messages follow.
pub(super) fn placed_turn(row: &Row<'_>) -> Result<Placed<NewTurn>> {
    let session: Json<SessionKey> = row.get(3)?;
    let reply_to: Option<String> = row.get(6)?;
    let turn = NewTurn {
        id: text(row, 1)?,
        user: text(row, 2)?,
        session: session.0,
        sandbox: json(row, 4)?,
        inbounds: Vec::new(),
        reply: ReplyPlan { address: json(row, 5)?, reply_to: reply_to.map(MessageId::new) },
        at: time(row, 7)?,
    };
    Ok((row.get(0)?, turn))
}

/// Columns: those of `delivery!` in `sql`.
pub(super) fn delivery(row: &Row<'_>) -> Result<Packed> {
    let turn: Option<Text<TurnId>> = row.get(1)?;
    let receipt: Option<Json<Vec<MessageId>>> = row.get(10)?;
    let delivery = Delivery {
        id: text(row, 0)?,
        turn: turn.map(|Text(id)| id),
        address: json(row, 2)?,
        outbound: Packed::NOTHING,
        kind: row.get(4)?,
        part: row.get(5)?,
        state: row.get(6)?,
        attempts: row.get(7)?,
        not_before: time(row, 8)?,
        reason: row.get(9)?,
        receipt: receipt.map(|Json(ids)| ids).unwrap_or_default(),
        changed_at: time(row, 11)?,
    };
    Ok(Packed { delivery, stored: row.get(3)? })
}

/// Columns: those of `delivery!` in `sql`, rowid.
pub(super) fn placed_delivery(row: &Row<'_>) -> Result<Placed<Packed>> {
    Ok((row.get(12)?, delivery(row)?))
}

/// Where a delivery stands.
pub(super) struct Standing {
    pub conversation: String,
    pub state: DeliveryState,
    pub kind: DeliveryKind,
    pub holder: Option<i64>,
}

/// Columns: those of `sql::STANDING`.
pub(super) fn standing(row: &Row<'_>) -> Result<Standing> {
    Ok(Standing {
        conversation: row.get(0)?,
        state: row.get(1)?,
        kind: row.get(2)?,
        holder: row.get(3)?,
    })
}

/// The oldest open delivery of a conversation.
pub(super) struct Head {
    pub id: DeliveryId,
    pub sending: bool,
    pub holder: Option<i64>,
    pub not_before: Timestamp,
    pub since: Timestamp,
}

/// Columns: those of `sql::HEAD`.
pub(super) fn head(row: &Row<'_>) -> Result<Head> {
    let state: DeliveryState = row.get(1)?;
    Ok(Head {
        id: text(row, 0)?,
        sending: state == DeliveryState::Sending,
        holder: row.get(2)?,
        not_before: time(row, 3)?,
        since: time(row, 4)?,
    })
}

/// Columns: those of `sql::UNTOLD`.
pub(super) fn lost(row: &Row<'_>) -> Result<Lost> {
    let turn: Option<Text<TurnId>> = row.get(1)?;
    Ok(Lost {
        id: text(row, 0)?,
        turn: turn.map(|Text(id)| id),
        state: row.get(2)?,
        reason: row.get(3)?,
        at: time(row, 4)?,
    })
}

/// Columns: inbound, secret, expires_at, uses_left.
pub(super) fn handle(row: &Row<'_>) -> Result<Handle> {
    let handle =
        ReplyHandle { secret: row.get(1)?, expires_at: time(row, 2)?, uses_left: row.get(3)? };
    Ok(Handle(text(row, 0)?, handle))
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
