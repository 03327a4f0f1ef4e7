//! Leases, and what belongs to nobody.

use rusqlite::params;
use zaki_envelope::InboundId;
use zaki_store::Text;

use super::rows::{self, Token};
use super::tx::Tx;
use super::{deliveries, sql};
use crate::sealed::{read, unread};
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
    // What cannot be read is ours until this term ends, so that it is looked at once in each.
    let row = params![us, Recovery::MESSAGES];
    let accepted = tx.legible("message", sql::TAKE_ACCEPTED, row, 1, rows::placed_inbound)?;
    let row = params![us, Recovery::TURNS];
    let turns = tx.legible("turn", sql::TAKE_TURNS, row, 1, rows::placed_turn)?;
    let illegible = unread(&accepted) + unread(&turns);
    let turns = rows::in_order(read(turns)).into_iter().map(|turn| with_inbounds(tx, turn));
    let turns = turns.collect::<Result<_, _>>()?;
    let accepted = rows::in_order(read(accepted));
    let mut found = Recovery { accepted, turns, illegible, ..Recovery::default() };
    heads(tx, fence, &mut found)?;
    Ok(found)
}

fn heads(tx: &Tx<'_>, fence: Fence, found: &mut Recovery) -> Result<(), Error> {
    let row = params![Token(fence), Recovery::CONVERSATIONS];
    let heads = tx.legible("delivery", sql::TAKE_HEADS, row, 0, rows::placed_delivery)?;
    found.illegible += unread(&heads);
    for (id, _) in heads.iter().filter(|(_, head)| head.is_none()) {
        deliveries::pass_over(tx, id)?;
    }
    for head in rows::in_order(read(heads)) {
        let row = params![Text(head.id)];
        let handle = tx.legible_one("reply handle", sql::USED_HANDLE, row, rows::handle)?;
        found.add(head, handle.map(|(_, handle)| handle));
    }
    Ok(())
}

fn with_inbounds(tx: &Tx<'_>, mut turn: NewTurn) -> Result<OpenTurn, Error> {
    let joined = |steered: bool| {
        let row = params![Text(turn.id), steered];
        tx.legible("message", sql::INBOUNDS_OF_TURN, row, 0, rows::inbound)
    };
    let (inbounds, steered) = (joined(false)?, joined(true)?);
    // With those that cannot be read.
    turn.inbounds = inbounds.iter().filter_map(|(id, _)| id.parse().ok()).collect();
    Ok(OpenTurn { turn, inbounds: read(inbounds), steered: read(steered) })
}
