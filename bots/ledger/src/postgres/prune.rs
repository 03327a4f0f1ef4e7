//! Removing what has been kept long enough.

use zaki_envelope::{DeliveryId, InboundId, Timestamp, TurnId};
use zaki_store::Text;

use super::rows::token;
use super::tx::Store;
use super::{enter, sql};
use crate::retention::before;
use crate::{Error, Fence, Retention};

/// Rows per table and step.
const STEP: i64 = 500;

/// Ends what has waited too long, so that it can be removed one day.
pub(super) async fn expire(
    store: &Store,
    fence: Fence,
    now: Timestamp,
    retention: Retention,
) -> Result<(), Error> {
    let oldest = Text(DeliveryId::from_parts(before(now, retention.messages()), 0));
    let overdue = store.all(sql::OVERDUE, &[&oldest, &now.as_ms()], |row| row.try_get(0)).await?;
    for conversation in overdue {
        let (lane, here): (Option<&str>, [&String; 1]) = (None, [&conversation]);
        let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &here.as_slice()]).await?;
        tx.execute(sql::EXPIRE_DELIVERIES, &[&oldest, &now.as_ms(), &conversation]).await?;
        tx.execute(sql::PROMOTE, &[&conversation]).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Removes some; 0 when nothing is left to remove.
pub(super) async fn step(
    store: &Store,
    fence: Fence,
    now: Timestamp,
    retention: Retention,
) -> Result<usize, Error> {
    let (lane, nothing): (Option<&str>, &[&str]) = (None, &[]);
    let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &nothing]).await?;
    let raw = before(now, retention.raw()).as_ms();
    let seen = before(now, retention.dedupe()).as_ms();
    let oldest = before(now, retention.messages());
    let mut removed = tx.execute(sql::PRUNE_HANDLES, &[&now.as_ms(), &STEP]).await?;
    removed += tx.execute(sql::PRUNE_REQUESTS, &[&raw, &STEP]).await?;
    removed += tx.execute(sql::PRUNE_DEAD, &[&raw, &STEP]).await?;
    removed += tx.execute(sql::PRUNE_SEEN, &[&seen, &STEP]).await?;
    removed += tx.execute(sql::PRUNE_FORGOTTEN, &[&seen, &STEP]).await?;
    let id = Text(DeliveryId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_DELIVERIES, &[&id, &STEP]).await?;
    let id = Text(InboundId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_INBOUNDS, &[&id, &STEP]).await?;
    let id = Text(TurnId::from_parts(oldest, 0));
    removed += tx.execute(sql::PRUNE_TURNS, &[&id, &STEP]).await?;
    tx.commit().await?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}
