//! Beginning, steering and ending turns.

use rusqlite::params;
use zaki_envelope::wire::ErrorCode;
use zaki_envelope::{InboundId, Timestamp, TurnId};
use zaki_store::{Json, Text};

use super::rows::{self, Ms, Token};
use super::tx::Tx;
use super::{deliveries, sql};
use crate::encode::{Parcel, Turn};
use crate::sealed::read;
use crate::{Begin, Earlier, Error, Fence, Finish, NewTurn, TurnEnd};

pub(super) fn begin(tx: &Tx<'_>, fence: Fence, turn: &NewTurn, row: &Turn) -> Result<Begin, Error> {
    if add(tx, fence, row)? {
        for (place, (id, text)) in (0_u32..).zip(turn.inbounds.iter().zip(&row.inbounds)) {
            let joined = params![text, row.id, place, false, Token(fence), row.lane];
            if tx.execute(sql::JOIN, joined)? == 0 {
                return Err(Error::NotAccepted(*id));
            }
        }
        return Ok(begun());
    }
    // It cannot have ended: an ended turn leaves its lane free, and ours ends by our call alone.
    let lane = params![row.user, row.session];
    let open = tx.one(sql::OPEN_IN_LANE, lane, |row| row.get::<_, Text<TurnId>>(0))?;
    match open {
        Some(Text(open)) if open != turn.id => {
            park(tx, fence, turn, row)?;
            Ok(Begin::Busy { turn: open })
        }
        _ => Ok(begun()),
    }
}

/// One hub accepts everything: nobody else has anything to take along.
const fn begun() -> Begin {
    Begin::Begun { earlier: Vec::new() }
}

/// `false`: the turn is there already, or another one of its lane is.
fn add(tx: &Tx<'_>, fence: Fence, turn: &Turn) -> Result<bool, Error> {
    let row = params![
        turn.id,
        turn.user,
        turn.session,
        turn.sandbox,
        turn.address,
        turn.reply_to,
        turn.at,
        Token(fence)
    ];
    Ok(tx.execute(sql::ADD_TURN, row)? == 1)
}

fn park(tx: &Tx<'_>, fence: Fence, turn: &NewTurn, row: &Turn) -> Result<(), Error> {
    for (id, text) in turn.inbounds.iter().zip(&row.inbounds) {
        if tx.execute(sql::PARK, params![text, row.lane, Token(fence)])? == 0 {
            return Err(Error::NotAccepted(*id));
        }
    }
    Ok(())
}

/// Where a turn stands.
struct Standing {
    open: bool,
    holder: Option<i64>,
    lane: String,
}

fn standing(tx: &Tx<'_>, turn: TurnId) -> Result<Standing, Error> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Standing { open: row.get(0)?, holder: row.get(1)?, lane: row.get(2)? })
    };
    tx.one(sql::TURN, params![Text(turn)], read)?.ok_or(Error::UnknownTurn(turn))
}

pub(super) fn join(
    tx: &Tx<'_>,
    fence: Fence,
    turn: TurnId,
    inbounds: &[InboundId],
) -> Result<Option<Vec<Earlier>>, Error> {
    let Standing { open, lane, .. } = standing(tx, turn)?;
    if !open {
        return Ok(None);
    }
    let next = tx.one(sql::PLACES, params![Text(turn)], |row| row.get::<_, u32>(0))?;
    for (place, id) in (next.unwrap_or_default()..).zip(inbounds) {
        let row = params![Text(id), Text(turn), place, true, Token(fence), lane];
        let joined = tx.execute(sql::JOIN, row)? == 1
            || tx.one(sql::HAS_JOINED, params![Text(id), Text(turn)], |_| Ok(()))?.is_some();
        if !joined {
            return Err(Error::NotAccepted(*id));
        }
    }
    Ok(Some(Vec::new()))
}

pub(super) fn part(
    tx: &Tx<'_>,
    fence: Fence,
    turn: TurnId,
    inbounds: &[InboundId],
) -> Result<bool, Error> {
    let Standing { open, lane, .. } = standing(tx, turn)?;
    let (lane, holder) = if open { (Some(lane), None) } else { (None, Some(Token(fence))) };
    for id in inbounds {
        tx.execute(sql::PART, params![Text(id), Text(turn), lane, holder])?;
    }
    Ok(open)
}

pub(super) fn finish(
    tx: &Tx<'_>,
    fence: Fence,
    turn: TurnId,
    end: TurnEnd,
    heard: &[InboundId],
    parcels: &[Parcel],
    at: Timestamp,
) -> Result<Finish, Error> {
    let Standing { open, holder, lane } = standing(tx, turn)?;
    if !open {
        return Ok(Finish::AlreadyEnded);
    }
    if holder != Some(Token(fence).as_i64()) {
        return Err(Error::Fenced);
    }
    let (state, code) = words(end);
    tx.execute(sql::END_TURN, params![Text(turn), state, code.map(Json), Ms(at)])?;
    for Text(id) in tx.all(sql::STEERED, params![Text(turn)], |row| row.get(0))? {
        if !heard.contains(&id) {
            tx.execute(sql::PART, params![Text(id), Text(turn), lane, None::<i64>])?;
        }
    }
    // One that cannot be read is ours as well, and looked at again after our term.
    let waiting = tx.legible("message", sql::WAITING, params![lane], 0, rows::inbound)?;
    if !waiting.is_empty() {
        tx.execute(sql::TAKE_WAITING, params![lane, Token(fence)])?;
    }
    let is_asked = tx.one(sql::IS_ASKED, params![Text(turn)], |row| row.get(0))? == Some(true);
    let first = deliveries::add(tx, fence, Parcel::still_said(parcels, is_asked), at)?;
    if !is_asked {
        tx.execute(sql::FORGET_TURN, params![Text(turn)])?;
    }
    Ok(Finish::Ended { first, waiting: read(waiting) })
}

const fn words(end: TurnEnd) -> (&'static str, Option<ErrorCode>) {
    match end {
        TurnEnd::Finished => ("finished", None),
        TurnEnd::Failed { code } => ("failed", Some(code)),
        TurnEnd::Aborted => ("aborted", None),
    }
}
