//! What the command line and `/ready` show.

use rusqlite::params;
use zaki_envelope::InboundId;
use zaki_store::Text;

use super::tx::{Tx, named};
use super::{rows, sql};
use crate::sealed::shown;
use crate::{
    Counts, DeadRecord, Delivery, DeliveryFilter, Error, InboundFilter, InboundRecord, Listed,
};

pub(super) fn inbounds(tx: &Tx<'_>, filter: InboundFilter) -> Result<Listed<InboundRecord>, Error> {
    let row = params![filter.limit, filter.before.map(Text), filter.state];
    Ok(tx.legible("message", sql::INBOUNDS, row, 0, rows::inbound_record)?.into())
}

pub(super) fn raw(tx: &Tx<'_>, inbound: InboundId) -> Result<Option<Vec<u8>>, Error> {
    tx.open_one(sql::RAW, params![Text(inbound)], rows::raw)
}

pub(super) fn dead(tx: &Tx<'_>, limit: u32) -> Result<Listed<DeadRecord>, Error> {
    let row = params![limit];
    Ok(tx.legible("dead letter", sql::DEAD_LETTERS, row, 6, rows::dead_record)?.into())
}

pub(super) fn deliveries(tx: &Tx<'_>, filter: DeliveryFilter) -> Result<Listed<Delivery>, Error> {
    let row = params![filter.limit, filter.before.map(Text), filter.state];
    let found = tx.all(sql::DELIVERIES, row, named(0, rows::delivery))?;
    Ok(shown(found, tx.keys))
}

pub(super) fn counts(tx: &Tx<'_>) -> Result<Counts, Error> {
    let counts = tx.one(sql::COUNTS, [], rows::counts)?;
    Ok(counts.unwrap_or_default())
}
