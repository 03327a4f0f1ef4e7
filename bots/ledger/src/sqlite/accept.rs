//! Accepting and settling what comes in.

use rusqlite::params;
use zaki_envelope::InboundId;
use zaki_store::Text;

use super::rows::{Ms, Token};
use super::sql;
use super::tx::Tx;
use crate::encode::Message;
use crate::sealed::Column;
use crate::{Batch, Error, Fence, NewInbound, SettleReason};

/// Which of the items are new.
pub(super) fn accept(
    tx: &Tx<'_>,
    fence: Fence,
    batch: &Batch,
    messages: &[Message],
) -> Result<Vec<bool>, Error> {
    add_dead(tx, batch)?;
    if let Some(cursor) = &batch.cursor {
        let at = Ms(batch.received_at);
        tx.execute(sql::MOVE_CURSOR, params![cursor.name, cursor.value, at])?;
    }
    let mut request = None;
    let mut fresh = Vec::with_capacity(messages.len());
    for (item, message) in batch.items.iter().zip(messages) {
        let new = see(tx, item, message)?;
        if new {
            if request.is_none() {
                request = add_request(tx, batch)?;
            }
            add_inbound(tx, fence, item, message, request)?;
        }
        fresh.push(new);
    }
    Ok(fresh)
}

/// Whether it is the first of its key.
fn see(tx: &Tx<'_>, item: &NewInbound, message: &Message) -> Result<bool, Error> {
    let inbound = &item.inbound;
    if tx.one(sql::IS_FORGOTTEN, params![message.seen.as_slice()], |_| Ok(()))?.is_some() {
        return Ok(false);
    }
    let key = params![
        inbound.channel.as_str(),
        inbound.account.as_str(),
        inbound.dedupe.as_str(),
        Ms(inbound.received_at),
    ];
    Ok(tx.execute(sql::SEE, key)? == 1)
}

/// The row that holds the request's bytes, if it has any.
fn add_request(tx: &Tx<'_>, batch: &Batch) -> Result<Option<i64>, Error> {
    if batch.raw.is_empty() {
        return Ok(None);
    }
    let id = next_id(tx, "request")?;
    let raw = tx.keys.seal(Column::Request.of(&id.unwrap_or_default()), &batch.raw)?;
    let row = params![
        batch.channel.as_str(),
        batch.account.as_str(),
        Ms(batch.received_at),
        raw.as_ref(),
        batch.size(),
        id
    ];
    tx.execute(sql::ADD_REQUEST, row)?;
    Ok(Some(tx.last_id()))
}

/// The id of the next row, where that must be known before; none: SQLite gives one.
fn next_id(tx: &Tx<'_>, table: &str) -> Result<Option<i64>, Error> {
    if tx.keys.first().is_none() {
        return Ok(None);
    }
    let last = tx.one(sql::LAST_ID, params![table], |row| row.get::<_, i64>(0))?;
    Ok(Some(last.unwrap_or_default() + 1))
}

fn add_inbound(
    tx: &Tx<'_>,
    fence: Fence,
    item: &NewInbound,
    message: &Message,
    request: Option<i64>,
) -> Result<(), Error> {
    let (id, envelope) = (&message.id, &message.envelope);
    let reason = item.settled.map(SettleReason::as_str);
    let (state, sender) = (item.state(), message.sender.as_slice());
    let row = params![id, request, envelope, state, reason, Token(fence), sender];
    tx.execute(sql::ADD_INBOUND, row)?;
    if let Some(handle) = &item.handle {
        let (until, uses) = (Ms(handle.expires_at), handle.uses_left);
        let row = params![message.id, message.address, message.secret, until, uses];
        tx.execute(sql::ADD_HANDLE, row)?;
    }
    Ok(())
}

fn add_dead(tx: &Tx<'_>, batch: &Batch) -> Result<(), Error> {
    for letter in &batch.dead {
        let id = next_id(tx, "dead_letter")?;
        let raw = tx.keys.seal(Column::DeadLetter.of(&id.unwrap_or_default()), &letter.raw)?;
        let row = params![
            batch.channel.as_str(),
            batch.account.as_str(),
            Ms(batch.received_at),
            letter.reason,
            raw.as_ref(),
            id
        ];
        tx.execute(sql::ADD_DEAD, row)?;
    }
    Ok(())
}

pub(super) fn cursor(tx: &Tx<'_>, name: &str) -> Result<Option<String>, Error> {
    Ok(tx.one(sql::CURSOR, params![name], |row| row.get(0))?)
}

pub(super) fn settle(
    tx: &Tx<'_>,
    inbounds: &[InboundId],
    reason: SettleReason,
) -> Result<usize, Error> {
    let mut changed = 0;
    for id in inbounds {
        let row = params![Text(id), reason.state(), reason.as_str()];
        changed += tx.execute(sql::SETTLE, row)?;
    }
    Ok(changed)
}
