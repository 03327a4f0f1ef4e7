//! Values to columns and rows to types, in one place.

use std::error::Error;

use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use zaki_envelope::{DeliveryId, MessageId, ReplyHandle, SessionKey, Timestamp, TurnId};
use zaki_store::{Json, Text};

use crate::sealed::{Bytes, Column, Envelope, Handle, Joined, Letter, Packed, Record};
use crate::{
    Counts, DeadRecord, Delivery, DeliveryKind, DeliveryState, Fence, InboundState, Lost, NewTurn,
    ReplyPlan,
};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;
type Fault = Box<dyn Error + Sync + Send>;

/// A fence as its token.
pub(super) const fn token(fence: Fence) -> i64 {
    fence.token().cast_signed()
}

/// A state as its word; the words are those of the `CHECK`s in the schema.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl ToSql for $name {
            fn to_sql(
                &self,
                kind: &Type,
                out: &mut BytesMut,
            ) -> std::result::Result<IsNull, Fault> {
                match self { $(Self::$variant => $word),* }.to_sql(kind, out)
            }

            fn accepts(kind: &Type) -> bool {
                <&str as ToSql>::accepts(kind)
            }

            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(kind: &Type, raw: &'a [u8]) -> std::result::Result<Self, Fault> {
                match <&str>::from_sql(kind, raw)? {
                    $($word => Ok(Self::$variant),)*
                    _ => Err("an unknown word".into()),
                }
            }

            fn accepts(kind: &Type) -> bool {
                <&str as FromSql>::accepts(kind)
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

fn text<T>(row: &Row, column: usize) -> Result<T>
where
    for<'a> Text<T>: FromSql<'a>,
{
    row.try_get(column).map(|Text(value)| value)
}

fn json<T>(row: &Row, column: usize) -> Result<T>
where
    for<'a> Json<T>: FromSql<'a>,
{
    row.try_get(column).map(|Json(value)| value)
}

fn time(row: &Row, column: usize) -> Result<Timestamp> {
    row.try_get(column).map(Timestamp::from_ms)
}

fn small(row: &Row, column: usize) -> Result<u32> {
    let value: i64 = row.try_get(column)?;
    Ok(u32::try_from(value).unwrap_or(u32::MAX))
}

fn turn_id(row: &Row, column: usize) -> Result<Option<TurnId>> {
    let turn: Option<Text<TurnId>> = row.try_get(column)?;
    Ok(turn.map(|Text(id)| id))
}

fn envelope(row: &Row, first: usize) -> Result<Envelope> {
    Ok(Envelope { id: row.try_get(first)?, stored: row.try_get(first + 1)? })
}

/// A value with its place in the order of its table, since `RETURNING` keeps none.
pub(super) type Placed<T> = (i64, T);

pub(super) fn in_order<T>(mut rows: Vec<Placed<T>>) -> Vec<T> {
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, value)| value).collect()
}

/// Columns: no, id, envelope.
pub(super) fn placed_inbound(row: &Row) -> Result<Placed<Envelope>> {
    Ok((row.try_get(0)?, envelope(row, 1)?))
}

/// Columns: id, place, envelope where it is an earlier one.
pub(super) fn joined(row: &Row) -> Result<Joined> {
    let place = usize::try_from(row.try_get::<_, i64>(1)?).unwrap_or_default();
    Ok(Joined { id: row.try_get(0)?, place, stored: row.try_get(2)? })
}

/// Columns: id, envelope, state, turn, reason.
pub(super) fn inbound_record(row: &Row) -> Result<Record> {
    Ok(Record {
        envelope: envelope(row, 0)?,
        state: row.try_get(2)?,
        turn: turn_id(row, 3)?,
        reason: row.try_get(4)?,
    })
}

/// Columns: id, raw.
pub(super) fn raw(row: &Row) -> Result<Bytes> {
    Ok(Bytes { column: Column::Request, id: row.try_get(0)?, stored: row.try_get(1)? })
}

/// Columns: id, channel, account, received_at, reason, raw, id as text.
pub(super) fn dead_record(row: &Row) -> Result<Letter> {
    Ok(Letter(DeadRecord {
        id: row.try_get(0)?,
        channel: text(row, 1)?,
        account: text(row, 2)?,
        received_at: time(row, 3)?,
        reason: row.try_get(4)?,
        raw: row.try_get(5)?,
    }))
}

/// Columns: no, id, user, session, sandbox, address, reply_to, started_at. Its messages follow.
pub(super) fn placed_turn(row: &Row) -> Result<Placed<NewTurn>> {
    let session: Json<SessionKey> = row.try_get(3)?;
    let reply_to: Option<String> = row.try_get(6)?;
    let turn = NewTurn {
        id: text(row, 1)?,
        user: text(row, 2)?,
        session: session.0,
        sandbox: json(row, 4)?,
        inbounds: Vec::new(),
        reply: ReplyPlan { address: json(row, 5)?, reply_to: reply_to.map(MessageId::new) },
        at: time(row, 7)?,
    };
    Ok((row.try_get(0)?, turn))
}

/// Columns: those of `delivery!` in `sql`.
pub(super) fn delivery(row: &Row) -> Result<Packed> {
    let receipt: Option<Json<Vec<MessageId>>> = row.try_get(10)?;
    let delivery = Delivery {
        id: text(row, 0)?,
        turn: turn_id(row, 1)?,
        address: json(row, 2)?,
        outbound: Packed::NOTHING,
        kind: row.try_get(4)?,
        part: small(row, 5)?,
        state: row.try_get(6)?,
        attempts: small(row, 7)?,
        not_before: time(row, 8)?,
        reason: row.try_get(9)?,
        receipt: receipt.map(|Json(ids)| ids).unwrap_or_default(),
        changed_at: time(row, 11)?,
    };
    Ok(Packed { delivery, stored: row.try_get(3)? })
}

/// Columns: those of `delivery!` in `sql`, no.
pub(super) fn placed_delivery(row: &Row) -> Result<Placed<Packed>> {
    Ok((row.try_get(12)?, delivery(row)?))
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
pub(super) fn head(row: &Row) -> Result<Head> {
    let state: DeliveryState = row.try_get(1)?;
    Ok(Head {
        id: text(row, 0)?,
        sending: state == DeliveryState::Sending,
        holder: row.try_get(2)?,
        not_before: time(row, 3)?,
        since: time(row, 4)?,
    })
}

/// Columns: turn, whether it has joined later, id, envelope.
pub(super) fn inbound_of_turn(row: &Row) -> Result<(TurnId, bool, Envelope)> {
    Ok((text(row, 0)?, row.try_get(1)?, envelope(row, 2)?))
}

/// Columns: inbound, secret, expires_at, uses_left, the delivery that uses it.
pub(super) fn used_handle(row: &Row) -> Result<(DeliveryId, Handle)> {
    Ok((text(row, 4)?, handle(row)?))
}

/// Columns: those of `sql::UNTOLD`.
pub(super) fn lost(row: &Row) -> Result<Lost> {
    Ok(Lost {
        id: text(row, 0)?,
        turn: turn_id(row, 1)?,
        state: row.try_get(2)?,
        reason: row.try_get(3)?,
        at: time(row, 4)?,
    })
}

/// Columns: inbound, secret, expires_at, uses_left.
pub(super) fn handle(row: &Row) -> Result<Handle> {
    let handle = ReplyHandle {
        secret: row.try_get(1)?,
        expires_at: time(row, 2)?,
        uses_left: row.try_get::<_, i64>(3)?.try_into().unwrap_or_default(),
    };
    Ok(Handle(text(row, 0)?, handle))
}

/// Columns: those of `sql::COUNTS`.
pub(super) fn counts(row: &Row) -> Result<Counts> {
    let count = |column| row.try_get::<_, i64>(column).map(i64::unsigned_abs);
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
