//! Storing, claiming and settling what leaves.
//!
//! The oldest open delivery of a conversation, its head, has a holder or waits for one; those
//! behind it hold 0. Whoever takes the head away looks after the next one.

use rusqlite::params;
use zaki_envelope::{Address, DeliveryId, ReplyHandle, Timestamp};
use zaki_store::{Json, Text};

use super::rows::{self, Head, Ms, Standing, Token};
use super::sql;
use super::tx::Tx;
use crate::delivery::EARLIER_PART;
use crate::encode::Parcel;
use crate::retention::BARE;
use crate::{
    Claimed, Delivery, DeliveryEnd, DeliveryKind, DeliveryState, Error, Fence, NewDelivery, Next,
    Settled,
};

/// Waits behind another delivery.
const BEHIND: i64 = 0;

pub(super) fn post(
    tx: &Tx<'_>,
    fence: Fence,
    parcels: &[Parcel],
    tells: &[DeliveryId],
    at: Timestamp,
) -> Result<Next, Error> {
    let next = add(tx, fence, parcels, at)?;
    if let Some(first) = parcels.first() {
        for lost in tells {
            tx.execute(sql::TELL, params![Text(lost), first.reply])?;
        }
    }
    Ok(next)
}

/// Stores deliveries behind what waits for their conversations. The first one is claimed by the
/// same statement when it is due and its conversation free.
pub(super) fn add(
    tx: &Tx<'_>,
    fence: Fence,
    parcels: &[Parcel],
    at: Timestamp,
) -> Result<Next, Error> {
    let mut next = Next::None;
    for (n, parcel) in parcels.iter().enumerate() {
        let tail = tx.one(sql::TAIL, params![parcel.conversation], |row| row.get(0))?;
        let tail: Option<i64> = tail.flatten();
        // Of other conversations nobody hears by this call: a pulse finds their heads.
        let ours = n == 0 && tail.is_none();
        let due = parcel.new.not_before <= at;
        let holder = match tail {
            Some(_) => Some(BEHIND),
            None => ours.then_some(Token(fence).as_i64()),
        };
        let seq = tail.unwrap_or_default() + 1;
        let added = insert(tx, parcel, seq, holder, ours && due, at)?;
        if ours && added {
            next = first(tx, parcel, due, at)?;
        }
    }
    Ok(next)
}

fn first(tx: &Tx<'_>, parcel: &Parcel, due: bool, at: Timestamp) -> Result<Next, Error> {
    let NewDelivery { id, not_before, .. } = parcel.new;
    if !due {
        let address = Address { handle: None, ..parcel.new.address.clone() };
        return Ok(Next::Later { id, not_before, since: at, address });
    }
    let mut claimed = parcel.claimed(at);
    claimed.handle = take_handle(tx, &claimed.delivery, at)?;
    Ok(Next::Claimed(claimed))
}

fn insert(
    tx: &Tx<'_>,
    parcel: &Parcel,
    seq: i64,
    holder: Option<i64>,
    claim: bool,
    at: Timestamp,
) -> Result<bool, Error> {
    let state = if claim { DeliveryState::Sending } else { DeliveryState::Pending };
    let row = params![
        parcel.id,
        parcel.turn,
        parcel.reply,
        parcel.new.part,
        parcel.address,
        parcel.outbound,
        parcel.new.kind,
        parcel.conversation,
        Ms(parcel.new.not_before),
        Ms(at),
        seq,
        state,
        u32::from(claim),
        holder,
        parcel.new.fleeting
    ];
    Ok(tx.execute(sql::ADD_DELIVERY, row)? == 1)
}

pub(super) fn claim(
    tx: &Tx<'_>,
    fence: Fence,
    id: DeliveryId,
    at: Timestamp,
) -> Result<Next, Error> {
    let found = tx.one(sql::STANDING, params![Text(id)], rows::standing)?;
    found.map_or(Ok(Next::None), |found| advance(tx, fence, &found.conversation, at))
}

/// Takes the head of a conversation, unless somebody has it. One that cannot be read is not sent,
/// and the next one is.
fn advance(tx: &Tx<'_>, fence: Fence, conversation: &str, at: Timestamp) -> Result<Next, Error> {
    let us = Token(fence).as_i64();
    while let Some(head) = tx.one(sql::HEAD, params![conversation], rows::head)? {
        if head.sending || head.holder.is_some_and(|holder| holder != BEHIND && holder != us) {
            break;
        }
        if let Some(next) = take(tx, us, &head, at)? {
            return Ok(next);
        }
        end(tx, head.id, &DeliveryEnd::illegible(false), at)?;
    }
    Ok(Next::None)
}

/// `None`: it cannot be read.
fn take(tx: &Tx<'_>, us: i64, head: &Head, at: Timestamp) -> Result<Option<Next>, Error> {
    let &Head { id, not_before, since, .. } = head;
    if not_before > at {
        let read = |row: &rusqlite::Row<'_>| Ok(row.get(0).ok());
        let address = tx.one(sql::TAKE_LATER, params![Text(id), us], read)?.flatten();
        let later = |Json(address)| Next::Later { id, not_before, since, address };
        return Ok(address.map(later));
    }
    let row = params![Text(id), us, Ms(at)];
    let Some(delivery) = tx.legible_one("delivery", sql::CLAIM, row, rows::delivery)? else {
        return Ok(None);
    };
    let handle = take_handle(tx, &delivery, at)?;
    Ok(Some(Next::Claimed(Claimed { delivery, handle })))
}

/// What to do about the head of a conversation that cannot be read: what leaves is in order, so it
/// cannot wait for a release that can. It keeps its text, for an operator to have it sent then.
pub(super) fn pass_over(tx: &Tx<'_>, id: &str) -> Result<(), Error> {
    let Some(found) = tx.one(sql::STANDING, params![id], rows::standing)? else { return Ok(()) };
    let Some(head) = tx.one(sql::HEAD, params![found.conversation], rows::head)? else {
        return Ok(());
    };
    end(tx, head.id, &DeliveryEnd::illegible(head.sending), head.since)?;
    tx.execute(sql::PROMOTE, params![found.conversation])?;
    Ok(())
}

fn end(tx: &Tx<'_>, id: DeliveryId, end: &DeliveryEnd, at: Timestamp) -> Result<(), Error> {
    let found = tx.one(sql::STANDING, params![Text(id)], rows::standing)?;
    set(tx, id, end, at)?;
    found.map_or(Ok(()), |found| follow(tx, id, end.state(), found.kind, at))
}

fn take_handle(
    tx: &Tx<'_>,
    delivery: &Delivery,
    at: Timestamp,
) -> Result<Option<ReplyHandle>, Error> {
    let id = delivery.id;
    let live = if delivery.turn.is_some() { sql::LIVE_HANDLE } else { sql::OWN_HANDLE };
    let row = params![Text(id), Ms(at)];
    let found = tx.legible_one("reply handle", live, row, rows::handle)?;
    let Some((inbound, handle)) = found else {
        return Ok(None);
    };
    tx.execute(sql::USE_HANDLE, params![Text(inbound)])?;
    tx.execute(sql::NOTE_HANDLE, params![Text(id), Text(inbound)])?;
    Ok(Some(handle))
}

pub(super) fn settle(
    tx: &Tx<'_>,
    fence: Fence,
    id: DeliveryId,
    end: &DeliveryEnd,
    at: Timestamp,
) -> Result<Settled, Error> {
    let Some(found) = tx.one(sql::STANDING, params![Text(id)], rows::standing)? else {
        return Ok(Settled { changed: false, next: Next::None, untold: Vec::new() });
    };
    let to = end.state();
    if may(&found, to, fence) {
        set(tx, id, end, at)?;
        follow(tx, id, to, found.kind, at)?;
    } else if found.state != to {
        let next = advance(tx, fence, &found.conversation, at)?;
        return Ok(Settled { changed: false, next, untold: Vec::new() });
    }
    let tells = match to {
        DeliveryState::Sent => true,
        DeliveryState::Unknown => found.kind == DeliveryKind::Reply,
        _ => false,
    };
    Ok(Settled {
        changed: true,
        next: advance(tx, fence, &found.conversation, at)?,
        untold: if tells {
            tx.all(sql::UNTOLD, params![found.conversation], rows::lost)?
        } else {
            Vec::new()
        },
    })
}

/// Whoever sends it settles it. What waits can be given up, what may have arrived be known to have.
fn may(found: &Standing, to: DeliveryState, fence: Fence) -> bool {
    match found.state {
        DeliveryState::Sending => found.holder == Some(Token(fence).as_i64()),
        DeliveryState::Pending => to == DeliveryState::Dead,
        DeliveryState::Unknown => to == DeliveryState::Sent,
        DeliveryState::Sent | DeliveryState::Dead => false,
    }
}

fn set(tx: &Tx<'_>, id: DeliveryId, end: &DeliveryEnd, at: Timestamp) -> Result<(), Error> {
    let state = end.state();
    if state == DeliveryState::Pending {
        tx.execute(sql::RETURN_HANDLE, params![Text(id)])?;
    }
    let later = end.not_before(at).map(Ms);
    let (reason, receipt) = match end {
        DeliveryEnd::Sent { receipt } => (None, Some(Json(receipt))),
        DeliveryEnd::Held { .. } => (None, None),
        DeliveryEnd::Retry { reason, .. }
        | DeliveryEnd::Unknown { reason }
        | DeliveryEnd::Dead { reason } => (Some(reason), None),
    };
    let untried = matches!(end, DeliveryEnd::Held { .. });
    tx.execute(
        sql::SETTLE_DELIVERY,
        params![Text(id), state, reason, receipt, later, Ms(at), untried, BARE],
    )?;
    Ok(())
}

/// What the end of one delivery means for others.
fn follow(
    tx: &Tx<'_>,
    id: DeliveryId,
    to: DeliveryState,
    kind: DeliveryKind,
    at: Timestamp,
) -> Result<(), Error> {
    if matches!(to, DeliveryState::Unknown | DeliveryState::Dead) {
        tx.execute(sql::END_LATER_PARTS, params![Text(id), Ms(at), EARLIER_PART])?;
        if kind == DeliveryKind::Notice {
            tx.execute(sql::UNTELL, params![Text(id)])?;
        }
    }
    Ok(())
}
