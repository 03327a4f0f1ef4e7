//! Removing what has been kept long enough.

use rusqlite::{Row, params};
use zaki_envelope::{DeliveryId, InboundId, Timestamp, TurnId};
use zaki_store::Text;

use super::rows::Ms;
use super::sql;
use super::tx::Tx;
use crate::retention::before;
use crate::{Error, Retention};

/// Rows per table and step.
const STEP: u32 = 500;
/// Keys looked at in one go.
const PAGE: u32 = 1000;

/// A key in `seen`. The empty one is before all.
#[derive(Clone, Default)]
pub(super) struct Key {
    channel: String,
    account: String,
    dedupe: String,
}

/// Some keys, one after another.
pub(super) struct Keys {
    /// The last of them.
    pub last: Key,
    /// Whether one of them is old.
    pub any_old: bool,
}

/// The next keys, as far as there are any; it only reads.
pub(super) fn keys(tx: &Tx<'_>, after: &Key, oldest: Timestamp) -> Result<Option<Keys>, Error> {
    let read = |row: &Row<'_>| {
        let key = Key { channel: row.get(0)?, account: row.get(1)?, dedupe: row.get(2)? };
        Ok((key, row.get(3)?))
    };
    let page = params![after.channel, after.account, after.dedupe, PAGE];
    let mut page: Vec<(Key, i64)> = tx.all(sql::SEEN, page, read)?;
    let any_old = page.iter().any(|(_, at)| *at < oldest.as_ms());
    Ok(page.pop().map(|(last, _)| Keys { last, any_old }))
}

/// Removes the old ones behind one key and up to another.
pub(super) fn unsee(tx: &Tx<'_>, from: &Key, to: &Key, oldest: Timestamp) -> Result<usize, Error> {
    let range = params![
        from.channel,
        from.account,
        from.dedupe,
        to.channel,
        to.account,
        to.dedupe,
        Ms(oldest)
    ];
    Ok(tx.execute(sql::PRUNE_SEEN, range)?)
}

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
    let forgotten = Ms(before(now, retention.dedupe()));
    let oldest = before(now, retention.messages());
    let mut removed = tx.execute(sql::PRUNE_HANDLES, params![Ms(now), STEP])?;
    removed += tx.execute(sql::PRUNE_REQUESTS, params![raw, STEP])?;
    removed += tx.execute(sql::PRUNE_DEAD, params![raw, STEP])?;
    removed += tx.execute(sql::PRUNE_FORGOTTEN, params![forgotten, STEP])?;
    let id = Text(DeliveryId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_DELIVERIES, params![id, STEP])?;
    let id = Text(InboundId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_INBOUNDS, params![id, STEP])?;
    let id = Text(TurnId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_TURNS, params![id, STEP])?;
    Ok(removed)
}
