//! What comes from beside the hub: a platform's own word, an operator's. No replica hears of it,
//! so what it frees is nobody's until a pulse finds it.

use zaki_envelope::{DeliveryId, MessageId, Timestamp};
use zaki_store::{Json, PgTx, Text};

use super::tx::Store;
use super::{deliveries, sql};
use crate::Error;
use crate::delivery::{DROPPED, EARLIER_PART};
use crate::encode::clean;
use crate::retention::BARE;

/// A transaction that has its conversation for itself.
async fn occupy(store: &Store, id: DeliveryId) -> Result<PgTx, Error> {
    let (tx, _) = store.begin_with(sql::OCCUPY_DELIVERY, &[&Text(id)], |_| Ok(())).await?;
    Ok(tx)
}

pub(super) async fn prove(
    store: &Store,
    id: DeliveryId,
    receipt: &[MessageId],
    at: Timestamp,
) -> Result<bool, Error> {
    let tx = occupy(store, id).await?;
    let proven =
        tx.one(sql::PROVE, &[&Text(id), &Json(receipt), &at.as_ms()], conversation).await?;
    release(tx, proven).await
}

pub(super) async fn refute(
    store: &Store,
    id: DeliveryId,
    reason: &str,
    at: Timestamp,
) -> Result<bool, Error> {
    let tx = occupy(store, id).await?;
    let refuted =
        tx.one(sql::REFUTE, &[&Text(id), &clean(reason), &at.as_ms()], conversation).await?;
    if refuted.is_some() {
        end_later_parts(&tx, id, at, EARLIER_PART).await?;
    }
    release(tx, refuted).await
}

pub(super) async fn drop_delivery(
    store: &Store,
    id: DeliveryId,
    at: Timestamp,
) -> Result<bool, Error> {
    let tx = occupy(store, id).await?;
    let dropped = tx.one(sql::DROP, &[&Text(id), &at.as_ms(), &DROPPED], conversation).await?;
    if dropped.is_none() {
        let silenced = tx.execute(sql::DROP_DEAD, &[&Text(id)]).await? == 1;
        tx.commit().await?;
        return Ok(silenced);
    }
    end_later_parts(&tx, id, at, DROPPED).await?;
    release(tx, dropped).await
}

fn conversation(row: &tokio_postgres::Row) -> Result<String, tokio_postgres::Error> {
    row.try_get(0)
}

async fn end_later_parts(
    tx: &PgTx,
    id: DeliveryId,
    at: Timestamp,
    reason: &str,
) -> Result<(), Error> {
    tx.execute(sql::END_LATER_PARTS, &[&Text(id), &at.as_ms(), &reason]).await?;
    tx.execute(sql::UNTELL, &[&Text(id)]).await?;
    Ok(())
}

/// The head of a conversation that may have a new one.
async fn release(tx: PgTx, conversation: Option<String>) -> Result<bool, Error> {
    if let Some(conversation) = &conversation {
        tx.execute(sql::PROMOTE, &[conversation]).await?;
    }
    tx.commit().await?;
    Ok(conversation.is_some())
}

pub(super) async fn retry(store: &Store, id: DeliveryId, at: Timestamp) -> Result<bool, Error> {
    let tx = occupy(store, id).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?))
    };
    let parts = tx.all(sql::FAILED_PARTS, &[&Text(id), &BARE], read).await?;
    for (part, conversation) in &parts {
        let tail = deliveries::tail(&tx, conversation).await?;
        let (seq, holder) = (tail.unwrap_or_default() + 1, tail.map(|_| 0_i64));
        tx.execute(sql::RETRY, &[part, &at.as_ms(), &seq, &holder]).await?;
    }
    tx.commit().await?;
    Ok(!parts.is_empty())
}
