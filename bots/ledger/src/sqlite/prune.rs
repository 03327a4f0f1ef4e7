//! Removing what has been kept long enough.

use rusqlite::params;
use zaki_envelope::{DeliveryId, InboundId, Timestamp, TurnId};
use zaki_store::Text;

use super::rows::Ms;
use super::sql;
use super::tx::Tx;
use crate::retention::before;
use crate::{Error, Retention};

/// Rows per table and step.
const STEP: u32 = 500;

/// Ends what has waited too long, so that it can be removed one day.
pub(super) fn expire(tx: &Tx<'_>, now: Timestamp, retention: Retention) -> Result<(), Error> {
    let oldest = DeliveryId::from_parts(before(now, retention.messages()), 0);
    if tx.execute(sql::EXPIRE_DELIVERIES, params![Text(oldest), Ms(now)])? > 0 {
        tx.execute(sql::PROMOTE_ALL, [])?;
    }
    Ok(())
}

/// Removes some; 0 when nothing is left to remove.
pub(super) fn step(tx: &Tx<'_>, now: Timestamp, retention: Retention) -> Result<usize, Error> {
    let raw = Ms(before(now, retention.raw()));
    let seen = Ms(before(now, retention.dedupe()));
    let oldest = before(now, retention.messages());
    let mut removed = tx.execute(sql::PRUNE_HANDLES, params![Ms(now), STEP])?;
    removed += tx.execute(sql::PRUNE_REQUESTS, params![raw, STEP])?;
    removed += tx.execute(sql::PRUNE_DEAD, params![raw, STEP])?;
    removed += tx.execute(sql::PRUNE_SEEN, params![seen, STEP])?;
    removed += tx.execute(sql::PRUNE_FORGOTTEN, params![seen, STEP])?;
    let id = Text(DeliveryId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_DELIVERIES, params![id, STEP])?;
    let id = Text(InboundId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_INBOUNDS, params![id, STEP])?;
    let id = Text(TurnId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_TURNS, params![id, STEP])?;
    Ok(removed)
}
