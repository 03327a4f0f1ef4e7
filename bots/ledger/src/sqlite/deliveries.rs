//! Storing, claiming and settling what leaves.

use std::fmt::Display;

use rusqlite::params;
use zaki_envelope::{DeliveryId, ReplyHandle, Timestamp, TurnId};
use zaki_store::{Json, Text, Tx};

use super::rows::{self, Ms};
use super::sql;
use crate::{Claimed, DeliveryEnd, DeliveryState, Error, NewDelivery};

pub(super) fn post(tx: &Tx<'_>, new: &[NewDelivery], at: Timestamp) -> Result<(), Error> {
    let Some(first) = new.first() else {
        return Ok(());
    };
    for delivery in new {
        add(tx, delivery, delivery.turn, &first.id, at)?;
    }
    Ok(())
}

/// Stores one, as part of `reply`.
pub(super) fn add(
    tx: &Tx<'_>,
    new: &NewDelivery,
    turn: Option<TurnId>,
    reply: &impl Display,
    at: Timestamp,
) -> Result<(), Error> {
    let row = params![
        Text(new.id),
        turn.map(Text),
        Text(reply),
        new.part,
        Json(&new.address),
        Json(&new.outbound),
        Ms(new.not_before),
        Ms(at)
    ];
    tx.execute(sql::ADD_DELIVERY, row)?;
    Ok(())
}

pub(super) fn claim(tx: &Tx<'_>, id: DeliveryId, at: Timestamp) -> Result<Option<Claimed>, Error> {
    if tx.execute(sql::CLAIM, params![Text(id), Ms(at)])? == 0 {
        return Ok(None);
    }
    let handle = take_handle(tx, id, at)?;
    let delivery = tx.one(sql::DELIVERY, params![Text(id)], rows::delivery)?;
    Ok(delivery.map(|delivery| Claimed { delivery, handle }))
}

fn take_handle(tx: &Tx<'_>, id: DeliveryId, at: Timestamp) -> Result<Option<ReplyHandle>, Error> {
    let found = tx.one(sql::LIVE_HANDLE, params![Text(id), Ms(at)], rows::handle)?;
    let Some((inbound, handle)) = found else {
        return Ok(None);
    };
    tx.execute(sql::USE_HANDLE, params![Text(inbound)])?;
    tx.execute(sql::NOTE_HANDLE, params![Text(id), Text(inbound)])?;
    Ok(Some(handle))
}

pub(super) fn settle(
    tx: &Tx<'_>,
    id: DeliveryId,
    end: &DeliveryEnd,
    at: Timestamp,
) -> Result<bool, Error> {
    let state = end.state();
    if state == DeliveryState::Pending {
        tx.execute(sql::RETURN_HANDLE, params![Text(id)])?;
    }
    let (mut reason, mut receipt, mut later) = (None, None, None);
    match end {
        DeliveryEnd::Sent { receipt: ids } => receipt = Some(Json(ids)),
        DeliveryEnd::Retry { not_before, reason: why } => {
            (reason, later) = (Some(why), Some(Ms(*not_before)))
        }
        DeliveryEnd::Unknown { reason: why } | DeliveryEnd::Dead { reason: why } => {
            reason = Some(why);
        }
    }
    let row = params![Text(id), state, reason, receipt, later, Ms(at)];
    let changed = tx.execute(sql::SETTLE_DELIVERY, row)? == 1;
    if changed && state == DeliveryState::Dead {
        tx.execute(sql::DROP_LATER_PARTS, params![Text(id), Ms(at)])?;
    }
    Ok(changed)
}
