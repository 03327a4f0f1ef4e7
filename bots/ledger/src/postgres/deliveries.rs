//! Storing, claiming and settling what leaves, as in `../sqlite/deliveries.rs`. The conversation
//! is locked before anything is read.

use tokio_postgres::types::ToSql;
use zaki_envelope::{Address, DeliveryId, ReplyHandle, Timestamp};
use zaki_store::{Json, PgTx, Text};

use super::rows::{self, Head, token};
use super::tx::{Store, Tx};
use super::{enter, sql};
use crate::delivery::EARLIER_PART;
use crate::encode::{Parcel, clean};
use crate::retention::BARE;
use crate::{
    Claimed, Delivery, DeliveryEnd, DeliveryKind, DeliveryState, Error, Fence, NewDelivery, Next,
    Settled,
};

/// Waits behind another delivery.
const BEHIND: i64 = 0;

pub(super) fn conversations(parcels: &[Parcel]) -> Vec<String> {
    parcels.iter().map(|parcel| clean(&parcel.conversation)).collect()
}

pub(super) async fn post(
    store: &Store,
    fence: Fence,
    parcels: &[Parcel],
    tells: &[DeliveryId],
    at: Timestamp,
) -> Result<Next, Error> {
    let lane: Option<&str> = None;
    let tx =
        enter(store, sql::ENTER_LANE, &[&token(fence), &lane, &conversations(parcels)]).await?;
    let next = add(&tx, fence, parcels, at).await?;
    if let Some(first) = parcels.first().filter(|_| !tells.is_empty()) {
        let tells: Vec<_> = tells.iter().map(ToString::to_string).collect();
        tx.execute(sql::TELL, &[&tells, &first.reply]).await?;
    }
    tx.commit().await?;
    Ok(next)
}

/// Stores deliveries behind what waits for their conversations. The first one is claimed by the
/// same statement when it is due and its conversation free.
pub(super) async fn add(
    tx: &Tx,
    fence: Fence,
    parcels: &[Parcel],
    at: Timestamp,
) -> Result<Next, Error> {
    let mut next = Next::None;
    for (n, parcel) in parcels.iter().enumerate() {
        let tail = tail(tx, &clean(&parcel.conversation)).await?;
        // Of other conversations nobody hears by this call: a pulse finds their heads.
        let ours = n == 0 && tail.is_none();
        let due = parcel.new.not_before <= at;
        let holder = match tail {
            Some(_) => Some(BEHIND),
            None => ours.then_some(token(fence)),
        };
        let seq = tail.unwrap_or_default() + 1;
        let added = insert(tx, parcel, seq, holder, ours && due, at).await?;
        if ours && added {
            next = first(tx, parcel, due, at).await?;
        }
    }
    Ok(next)
}

pub(super) async fn tail(tx: &PgTx, conversation: &str) -> Result<Option<i64>, Error> {
    Ok(tx.one(sql::TAIL, &[&conversation], |row| row.try_get(0)).await?.flatten())
}

async fn first(tx: &Tx, parcel: &Parcel, due: bool, at: Timestamp) -> Result<Next, Error> {
    let NewDelivery { id, not_before, .. } = parcel.new;
    if !due {
        let address = Address { handle: None, ..parcel.new.address.clone() };
        return Ok(Next::Later { id, not_before, since: at, address });
    }
    let mut claimed = parcel.claimed(at);
    claimed.handle = take_handle(tx, &claimed.delivery, at).await?;
    Ok(Next::Claimed(claimed))
}

async fn insert(
    tx: &Tx,
    parcel: &Parcel,
    seq: i64,
    holder: Option<i64>,
    claim: bool,
    at: Timestamp,
) -> Result<bool, Error> {
    let state = if claim { DeliveryState::Sending } else { DeliveryState::Pending };
    let added = tx
        .execute(
            sql::ADD_DELIVERY,
            &[
                &parcel.id,
                &parcel.turn,
                &parcel.reply,
                &i64::from(parcel.new.part),
                &parcel.address,
                &parcel.outbound,
                &parcel.new.kind,
                &clean(&parcel.conversation),
                &parcel.new.not_before.as_ms(),
                &at.as_ms(),
                &seq,
                &state,
                &i64::from(claim),
                &holder,
                &i64::from(parcel.new.fleeting),
            ],
        )
        .await;
    Ok(added? == 1)
}

async fn enter_delivery(store: &Store, fence: Fence, id: DeliveryId) -> Result<Tx, Error> {
    enter(store, sql::ENTER_DELIVERY, &[&token(fence), &Text(id)]).await
}

pub(super) async fn claim(
    store: &Store,
    fence: Fence,
    id: DeliveryId,
    at: Timestamp,
) -> Result<Next, Error> {
    let tx = enter_delivery(store, fence, id).await?;
    let row = tx.one(sql::STANDING, &[&Text(id)], |row| row.try_get::<_, String>(0)).await?;
    let next = match row {
        Some(conversation) => advance(&tx, fence, &conversation, at).await?,
        None => Next::None,
    };
    tx.commit().await?;
    Ok(next)
}

/// Takes the head of a conversation, unless somebody has it. One that cannot be read is not sent,
/// and the next one is.
async fn advance(tx: &Tx, fence: Fence, conversation: &str, at: Timestamp) -> Result<Next, Error> {
    let us = token(fence);
    while let Some(head) = tx.one(sql::HEAD, &[&conversation], rows::head).await? {
        if head.sending || head.holder.is_some_and(|holder| holder != BEHIND && holder != us) {
            break;
        }
        if let Some(next) = take(tx, us, &head, at).await? {
            return Ok(next);
        }
        let end = DeliveryEnd::illegible(false);
        if set(tx, fence, head.id, &end, at).await?.is_none_or(|(.., changed)| !changed) {
            break;
        }
    }
    Ok(Next::None)
}

/// `None`: it cannot be read.
async fn take(tx: &Tx, us: i64, head: &Head, at: Timestamp) -> Result<Option<Next>, Error> {
    let &Head { id, not_before, since, .. } = head;
    if not_before > at {
        let read = |row: &tokio_postgres::Row| Ok(row.try_get(0).ok());
        let address = tx.one(sql::TAKE_LATER, &[&Text(id), &us], read).await?.flatten();
        let later = |Json(address)| Next::Later { id, not_before, since, address };
        return Ok(address.map(later));
    }
    let at_ms = at.as_ms();
    let row: [&(dyn ToSql + Sync); 3] = [&Text(id), &us, &at_ms];
    let claimed = tx.legible_one("delivery", sql::CLAIM, &row, rows::delivery).await?;
    let Some(delivery) = claimed else { return Ok(None) };
    let handle = take_handle(tx, &delivery, at).await?;
    Ok(Some(Next::Claimed(Claimed { delivery, handle })))
}

/// What to do about a head of ours that cannot be read, see `../sqlite/deliveries.rs`.
pub(super) async fn pass_over(tx: &Tx, fence: Fence, id: &str) -> Result<(), Error> {
    let row = tx.one(sql::STANDING, &[&id], |row| row.try_get::<_, String>(0)).await?;
    let Some(conversation) = row else { return Ok(()) };
    let Some(head) = tx.one(sql::HEAD, &[&conversation], rows::head).await? else { return Ok(()) };
    set(tx, fence, head.id, &DeliveryEnd::illegible(head.sending), head.since).await?;
    tx.execute(sql::PROMOTE, &[&conversation]).await?;
    Ok(())
}

async fn take_handle(
    tx: &Tx,
    delivery: &Delivery,
    at: Timestamp,
) -> Result<Option<ReplyHandle>, Error> {
    let id = delivery.id;
    let live = if delivery.turn.is_some() { sql::LIVE_HANDLE } else { sql::OWN_HANDLE };
    let at = at.as_ms();
    let row: [&(dyn ToSql + Sync); 2] = [&Text(id), &at];
    let found = tx.legible_one("reply handle", live, &row, rows::handle).await?;
    let Some((inbound, handle)) = found else {
        return Ok(None);
    };
    tx.execute(sql::USE_HANDLE, &[&Text(inbound)]).await?;
    tx.execute(sql::NOTE_HANDLE, &[&Text(id), &Text(inbound)]).await?;
    Ok(Some(handle))
}

pub(super) async fn settle(
    store: &Store,
    fence: Fence,
    id: DeliveryId,
    end: &DeliveryEnd,
    at: Timestamp,
) -> Result<Settled, Error> {
    let tx = enter_delivery(store, fence, id).await?;
    let settled = settle_in(&tx, fence, id, end, at).await?;
    tx.commit().await?;
    Ok(settled)
}

async fn settle_in(
    tx: &Tx,
    fence: Fence,
    id: DeliveryId,
    end: &DeliveryEnd,
    at: Timestamp,
) -> Result<Settled, Error> {
    let Some((conversation, kind, changed)) = set(tx, fence, id, end, at).await? else {
        return Ok(Settled { changed: false, next: Next::None, untold: Vec::new() });
    };
    let tells = match end.state() {
        DeliveryState::Sent => true,
        DeliveryState::Unknown => kind == DeliveryKind::Reply,
        _ => false,
    };
    Ok(Settled {
        changed,
        next: advance(tx, fence, &conversation, at).await?,
        untold: if changed && tells {
            tx.all(sql::UNTOLD, &[&conversation], rows::lost).await?
        } else {
            Vec::new()
        },
    })
}

/// Its conversation and kind, and whether it now stands at its `end`; `None` when it is not known.
async fn set(
    tx: &Tx,
    fence: Fence,
    id: DeliveryId,
    end: &DeliveryEnd,
    at: Timestamp,
) -> Result<Option<(String, DeliveryKind, bool)>, Error> {
    let (state, us) = (end.state(), token(fence));
    if state == DeliveryState::Pending {
        tx.execute(sql::RETURN_HANDLE, &[&Text(id), &us]).await?;
    }
    let later = end.not_before(at).map(Timestamp::as_ms);
    let (reason, receipt) = match end {
        DeliveryEnd::Sent { receipt } => (None, Some(Json(receipt))),
        DeliveryEnd::Held { .. } => (None, None),
        DeliveryEnd::Retry { reason, .. }
        | DeliveryEnd::Unknown { reason }
        | DeliveryEnd::Dead { reason } => (Some(clean(reason)), None),
    };
    let untried = i64::from(matches!(end, DeliveryEnd::Held { .. }));
    let settled = tx
        .one(
            sql::SETTLE_DELIVERY,
            &[&Text(id), &state, &reason, &receipt, &later, &at.as_ms(), &us, &untried, &BARE],
            |row| Ok((row.try_get(0)?, row.try_get::<_, DeliveryKind>(1)?)),
        )
        .await;
    let Some((conversation, kind)) = settled? else {
        let standing = tx
            .one(sql::STANDING, &[&Text(id)], |row| {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get::<_, DeliveryState>(2)? == state))
            })
            .await;
        return Ok(standing?);
    };
    if matches!(state, DeliveryState::Unknown | DeliveryState::Dead) {
        tx.execute(sql::END_LATER_PARTS, &[&Text(id), &at.as_ms(), &EARLIER_PART]).await?;
        if kind == DeliveryKind::Notice {
            tx.execute(sql::UNTELL, &[&Text(id)]).await?;
        }
    }
    Ok(Some((conversation, kind, true)))
}
