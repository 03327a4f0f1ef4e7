//! What comes from beside the hub: a platform's own word, an operator's. No replica hears of it,
//! so what it frees is nobody's until a pulse finds it.

use rusqlite::params;
use zaki_envelope::{DeliveryId, MessageId, Timestamp};
use zaki_store::{Json, Text};

use super::rows::Ms;
use super::sql;
use super::tx::Tx;
use crate::Error;
use crate::delivery::{DROPPED, EARLIER_PART};
use crate::retention::BARE;

pub(super) fn prove(
    tx: &Tx<'_>,
    id: DeliveryId,
    receipt: &[MessageId],
    at: Timestamp,
) -> Result<bool, Error> {
    let row = params![Text(id), Json(receipt), Ms(at)];
    release(tx, tx.one(sql::PROVE, row, |row| row.get(0))?)
}

pub(super) fn refute(
    tx: &Tx<'_>,
    id: DeliveryId,
    reason: &str,
    at: Timestamp,
) -> Result<bool, Error> {
    let refuted = tx.one(sql::REFUTE, params![Text(id), reason, Ms(at)], |row| row.get(0))?;
    if refuted.is_some() {
        tx.execute(sql::END_LATER_PARTS, params![Text(id), Ms(at), EARLIER_PART])?;
        tx.execute(sql::UNTELL, params![Text(id)])?;
    }
    release(tx, refuted)
}

pub(super) fn drop_delivery(tx: &Tx<'_>, id: DeliveryId, at: Timestamp) -> Result<bool, Error> {
    let dropped = tx.one(sql::DROP, params![Text(id), Ms(at), DROPPED], |row| row.get(0))?;
    if dropped.is_none() {
        return Ok(tx.execute(sql::DROP_DEAD, params![Text(id)])? == 1);
    }
    tx.execute(sql::END_LATER_PARTS, params![Text(id), Ms(at), DROPPED])?;
    tx.execute(sql::UNTELL, params![Text(id)])?;
    release(tx, dropped)
}

/// The head of a conversation that may have a new one.
fn release(tx: &Tx<'_>, conversation: Option<String>) -> Result<bool, Error> {
    let Some(conversation) = conversation else {
        return Ok(false);
    };
    tx.execute(sql::PROMOTE, params![conversation])?;
    Ok(true)
}

pub(super) fn retry(tx: &Tx<'_>, id: DeliveryId, at: Timestamp) -> Result<bool, Error> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let parts = tx.all(sql::FAILED_PARTS, params![Text(id), BARE], read)?;
    for (part, conversation) in &parts {
        let tail = tx.one(sql::TAIL, params![conversation], |row| row.get(0))?;
        let tail: Option<i64> = tail.flatten();
        let (seq, holder) = (tail.unwrap_or_default() + 1, tail.map(|_| 0));
        tx.execute(sql::RETRY, params![part, Ms(at), seq, holder])?;
    }
    Ok(!parts.is_empty())
}
