//! Accepting and settling what comes in.

use rusqlite::params;
use zaki_envelope::{Address, InboundId};
use zaki_store::{Json, Text, Tx};

use super::rows::Ms;
use super::sql;
use crate::{Accepted, Batch, Error, NewInbound, SettleReason};

pub(super) fn accept(tx: &Tx<'_>, batch: &Batch) -> Result<Accepted, Error> {
    add_dead(tx, batch)?;
    if let Some(cursor) = &batch.cursor {
        let at = Ms(batch.received_at);
        tx.execute(sql::MOVE_CURSOR, params![cursor.name, cursor.value, at])?;
    }
    let mut request = None;
    let mut accepted = Accepted::default();
    for item in &batch.items {
        if !see(tx, item)? {
            accepted.duplicates += 1;
            continue;
        }
        if request.is_none() {
            request = add_request(tx, batch)?;
        }
        add_inbound(tx, item, request)?;
        accepted.fresh.push(item.inbound.clone());
    }
    Ok(accepted)
}

/// Whether it is the first of its key.
fn see(tx: &Tx<'_>, item: &NewInbound) -> Result<bool, Error> {
    let inbound = &item.inbound;
    let key = params![
        inbound.channel.as_str(),
        inbound.account.as_str(),
        inbound.dedupe.as_str(),
        Ms(inbound.received_at)
    ];
    Ok(tx.execute(sql::SEE, key)? == 1)
}

/// The row that holds the request's bytes, if it has any.
fn add_request(tx: &Tx<'_>, batch: &Batch) -> Result<Option<i64>, Error> {
    if batch.raw.is_empty() {
        return Ok(None);
    }
    let row =
        params![batch.channel.as_str(), batch.account.as_str(), Ms(batch.received_at), batch.raw];
    tx.execute(sql::ADD_REQUEST, row)?;
    Ok(Some(tx.last_id()))
}

fn add_inbound(tx: &Tx<'_>, item: &NewInbound, request: Option<i64>) -> Result<(), Error> {
    let (id, envelope) = (Text(item.inbound.id), Json(&item.inbound));
    tx.execute(sql::ADD_INBOUND, params![id, request, envelope])?;
    if let Some(handle) = &item.handle {
        let row = params![
            id,
            Json(Address::of(&item.inbound)),
            handle.secret,
            Ms(handle.expires_at),
            handle.uses_left
        ];
        tx.execute(sql::ADD_HANDLE, row)?;
    }
    Ok(())
}

fn add_dead(tx: &Tx<'_>, batch: &Batch) -> Result<(), Error> {
    for letter in &batch.dead {
        let row = params![
            batch.channel.as_str(),
            batch.account.as_str(),
            Ms(batch.received_at),
            letter.reason,
            letter.raw
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
