//! Beginning and ending turns.

use rusqlite::params;
use zaki_envelope::wire::ErrorCode;
use zaki_envelope::{MessageId, Timestamp, TurnId};
use zaki_store::{Json, Text, Tx};

use super::rows::Ms;
use super::{deliveries, sql};
use crate::{Error, Finish, NewDelivery, NewTurn, TurnEnd};

pub(super) fn begin(tx: &Tx<'_>, turn: &NewTurn) -> Result<(), Error> {
    let row = params![
        Text(turn.id),
        Text(turn.user),
        Json(&turn.session),
        Json(&turn.sandbox),
        Json(&turn.reply.address),
        turn.reply.reply_to.as_ref().map(MessageId::as_str),
        Ms(turn.at)
    ];
    tx.execute(sql::ADD_TURN, row)?;
    for (place, inbound) in (0_u32..).zip(&turn.inbounds) {
        let joined = tx.execute(sql::JOIN, params![Text(inbound), Text(turn.id), place])?;
        if joined == 0 {
            return Err(Error::NotAccepted(*inbound));
        }
    }
    Ok(())
}

pub(super) fn finish(
    tx: &Tx<'_>,
    turn: TurnId,
    end: TurnEnd,
    new: &[NewDelivery],
    at: Timestamp,
    claim_first: bool,
) -> Result<Finish, Error> {
    let (state, code) = words(end);
    let row = params![Text(turn), state, code.map(Json), Ms(at)];
    if tx.execute(sql::END_TURN, row)? == 0 {
        let known = tx.one(sql::HAS_TURN, params![Text(turn)], |_| Ok(()))?;
        return match known {
            Some(()) => Ok(Finish::AlreadyEnded),
            None => Err(Error::UnknownTurn(turn)),
        };
    }
    for delivery in new {
        deliveries::add(tx, delivery, Some(turn), &turn, at)?;
    }
    let first = match new.first().filter(|_| claim_first) {
        Some(first) => deliveries::claim(tx, first.id, at)?,
        None => None,
    };
    Ok(Finish::Ended { first })
}

const fn words(end: TurnEnd) -> (&'static str, Option<ErrorCode>) {
    match end {
        TurnEnd::Finished => ("finished", None),
        TurnEnd::Failed { code } => ("failed", Some(code)),
        TurnEnd::Aborted => ("aborted", None),
    }
}
