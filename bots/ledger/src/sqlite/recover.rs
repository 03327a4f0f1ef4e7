//! Leases, and what belongs to nobody.

use rusqlite::params;
use zaki_envelope::{DeliveryId, Inbound, Timestamp};
use zaki_store::{Text, Tx};

use super::rows::{self, Token};
use super::{deliveries, sql};
use crate::{Claimed, Error, Fence, NewTurn, Next, OpenTurn, Recovery};

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

fn release(tx: &Tx<'_>) -> Result<(), Error> {
    for statement in sql::RELEASE {
        tx.execute(statement, [])?;
    }
    Ok(())
}

pub(super) fn orphans(tx: &Tx<'_>) -> Result<bool, Error> {
    Ok(tx.one(sql::ORPHANS, [], |row| row.get(0))?.unwrap_or_default())
}

pub(super) fn recover(tx: &Tx<'_>, fence: Fence, at: Timestamp) -> Result<Recovery, Error> {
    let accepted = tx.all(sql::TAKE_ACCEPTED, params![Token(fence)], rows::placed_inbound)?;
    let mut found = Recovery {
        accepted: rows::in_order(accepted),
        turns: turns(tx, fence)?,
        ..Recovery::default()
    };
    for (id, conversation, sending) in tx.all(sql::ORPHANED, [], rows::orphan)? {
        if sending {
            found.unknown.extend(sending_again(tx, fence, id)?);
            continue;
        }
        match deliveries::advance(tx, fence, &conversation, at)? {
            Next::None => {}
            next => found.deliveries.push(next),
        }
    }
    Ok(found)
}

/// As it was claimed by whoever has gone.
fn sending_again(tx: &Tx<'_>, fence: Fence, id: DeliveryId) -> Result<Option<Claimed>, Error> {
    let row = params![Text(id), Token(fence)];
    let delivery = tx.one(sql::TAKE_SENDING, row, rows::delivery)?;
    let handle = tx.one(sql::USED_HANDLE, params![Text(id)], rows::handle)?;
    let handle = handle.map(|(_, handle)| handle);
    Ok(delivery.map(|delivery| Claimed { delivery, handle }))
}

fn turns(tx: &Tx<'_>, fence: Fence) -> Result<Vec<OpenTurn>, Error> {
    let turns = tx.all(sql::TAKE_TURNS, params![Token(fence)], rows::placed_turn)?;
    rows::in_order(turns).into_iter().map(|turn| with_inbounds(tx, turn)).collect()
}

fn with_inbounds(tx: &Tx<'_>, mut turn: NewTurn) -> Result<OpenTurn, Error> {
    let read = |steered: bool| -> Result<Vec<Inbound>, Error> {
        Ok(tx.all(sql::INBOUNDS_OF_TURN, params![Text(turn.id), steered], rows::inbound)?)
    };
    let (inbounds, steered) = (read(false)?, read(true)?);
    turn.inbounds = inbounds.iter().map(|inbound| inbound.id).collect();
    Ok(OpenTurn { turn, inbounds, steered })
}
