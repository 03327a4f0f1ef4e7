//! What an earlier run has left.

use rusqlite::params;
use zaki_envelope::Timestamp;
use zaki_store::{Text, Tx};

use super::rows::{self, Ms};
use super::sql;
use crate::{Delivery, DeliveryState, Error, NewTurn, OpenTurn, Recovery};

/// Why a delivery found `sending` is unknown.
const STOPPED: &str = "stopped while sending";

pub(super) fn recover(tx: &Tx<'_>, at: Timestamp) -> Result<Recovery, Error> {
    let mut unknown = in_state(tx, DeliveryState::Sending)?;
    tx.execute(sql::INTERRUPTED, params![Ms(at), STOPPED])?;
    for delivery in &mut unknown {
        delivery.state = DeliveryState::Unknown;
        delivery.reason = Some(STOPPED.to_owned());
        delivery.changed_at = at;
    }
    Ok(Recovery {
        accepted: tx.all(sql::ACCEPTED, [], rows::inbound)?,
        turns: open_turns(tx)?,
        deliveries: in_state(tx, DeliveryState::Pending)?,
        unknown,
    })
}

fn in_state(tx: &Tx<'_>, state: DeliveryState) -> Result<Vec<Delivery>, Error> {
    Ok(tx.all(sql::DELIVERIES_IN, params![state], rows::delivery)?)
}

fn open_turns(tx: &Tx<'_>) -> Result<Vec<OpenTurn>, Error> {
    let turns = tx.all(sql::OPEN_TURNS, [], rows::turn)?;
    turns.into_iter().map(|turn| with_inbounds(tx, turn)).collect()
}

fn with_inbounds(tx: &Tx<'_>, mut turn: NewTurn) -> Result<OpenTurn, Error> {
    let inbounds = tx.all(sql::INBOUNDS_OF_TURN, params![Text(turn.id)], rows::inbound)?;
    turn.inbounds = inbounds.iter().map(|inbound| inbound.id).collect();
    Ok(OpenTurn { turn, inbounds })
}
