//! Leases, and what belongs to nobody.

use rusqlite::params;
use zaki_envelope::{Inbound, InboundId};
use zaki_store::Text;

use super::rows::{self, Token};
use super::sql;
use super::tx::Tx;
use crate::{Error, Fence, NewTurn, OpenTurn, Recovery};

/// Counts the run. What the earlier ones held is nobody's.
pub(super) fn enroll(tx: &Tx<'_>, name: &str) -> Result<Option<u64>, Error> {
    let token = tx.one(sql::ENROLL, params![name], |row| row.get::<_, i64>(0))?;
    release(tx)?;
    Ok(token.map(i64::unsigned_abs))
}

pub(super) fn leave(tx: &Tx<'_>, fence: Fence) -> Result<(), Error> {
    if tx.execute(sql::END_RUN, params![Token(fence)])? == 1 {
        release(tx)?;
    }
    Ok(())
}

/// Changes something, to see whether that is possible.
pub(super) fn touch(tx: &Tx<'_>) -> Result<(), Error> {
    tx.execute(sql::TOUCH, [])?;
    Ok(())
}

fn release(tx: &Tx<'_>) -> Result<(), Error> {
    for statement in sql::RELEASE {
        tx.execute(statement, [])?;
    }
    Ok(())
}

/// Leaves to others what has not begun.
pub(super) fn give_up(tx: &Tx<'_>, fence: Fence) -> Result<(), Error> {
    for statement in sql::GIVE_UP {
        tx.execute(statement, params![Token(fence)])?;
    }
    Ok(())
}

/// Leaves to others what may have been accepted.
pub(super) fn disown(tx: &Tx<'_>, fence: Fence, inbounds: &[InboundId]) -> Result<(), Error> {
    for id in inbounds {
        tx.execute(sql::DISOWN, params![Token(fence), Text(id)])?;
    }
    Ok(())
}

pub(super) fn orphans(tx: &Tx<'_>) -> Result<bool, Error> {
    Ok(tx.one(sql::ORPHANS, [], |row| row.get(0))?.unwrap_or_default())
}

pub(super) fn recover(tx: &Tx<'_>, fence: Fence) -> Result<Recovery, Error> {
    let us = Token(fence);
    let row = params![us, Recovery::MESSAGES];
    let accepted = rows::in_order(tx.open_all(sql::TAKE_ACCEPTED, row, rows::placed_inbound)?);
    let turns = tx.all(sql::TAKE_TURNS, params![us, Recovery::TURNS], rows::placed_turn)?;
    let turns = rows::in_order(turns).into_iter().map(|turn| with_inbounds(tx, turn));
    let turns = turns.collect::<Result<_, _>>()?;
    let mut found = Recovery { accepted, turns, ..Recovery::default() };
    let row = params![us, Recovery::CONVERSATIONS];
    for head in rows::in_order(tx.open_all(sql::TAKE_HEADS, row, rows::placed_delivery)?) {
        let handle = tx.open_one(sql::USED_HANDLE, params![Text(head.id)], rows::handle)?;
        found.add(head, handle.map(|(_, handle)| handle));
    }
    Ok(found)
}

fn with_inbounds(tx: &Tx<'_>, mut turn: NewTurn) -> Result<OpenTurn, Error> {
    let read = |steered: bool| -> Result<Vec<Inbound>, Error> {
        tx.open_all(sql::INBOUNDS_OF_TURN, params![Text(turn.id), steered], rows::inbound)
    };
    let (inbounds, steered) = (read(false)?, read(true)?);
    turn.inbounds = inbounds.iter().map(|inbound| inbound.id).collect();
    Ok(OpenTurn { turn, inbounds, steered })
}
