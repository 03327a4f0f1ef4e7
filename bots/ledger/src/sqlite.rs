//! The ledger in one SQLite file: each operation a closure for the store's group commit.

mod accept;
mod deliveries;
mod lists;
mod prune;
mod recover;
mod rows;
mod sql;
mod turns;

use std::path::Path;

use async_trait::async_trait;
use zaki_envelope::{DeliveryId, InboundId, Timestamp, TurnId};
use zaki_store::{Schema, Sqlite, Stats, Step, Tx};

use crate::{
    Accepted, Batch, Claimed, Counts, DeadRecord, Delivery, DeliveryEnd, DeliveryFilter, Error,
    Fence, Finish, InboundFilter, InboundRecord, Ledger, NewDelivery, NewTurn, Recovery, Retention,
    SettleReason, TurnEnd,
};

const SCHEMA: Schema = Schema {
    name: "ledger",
    release: env!("CARGO_PKG_VERSION"),
    steps: &[Step { sql: include_str!("sqlite/schema.sql"), min_reader: 1 }],
};

/// The ledger of one hub. Clones share the file.
#[derive(Clone)]
pub struct SqliteLedger {
    store: Sqlite,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, making or migrating it as needed.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let store = Sqlite::open(path, &SCHEMA).await?;
        Ok(Self { store })
    }

    /// Commits and the writes in them, since opening.
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// Finishes the waiting writes; later calls fail as closed.
    pub async fn close(&self) {
        self.store.close().await;
    }

    async fn write<T, F>(&self, fence: Fence, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        if fence != Fence::SINGLE {
            return Err(Error::Fenced);
        }
        self.store.write(work).await
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn accept(&self, fence: Fence, batch: Batch) -> Result<Accepted, Error> {
        self.write(fence, move |tx| accept::accept(tx, &batch)).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, Error> {
        let name = name.to_owned();
        self.store.read(move |tx| accept::cursor(tx, &name)).await
    }

    async fn settle(
        &self,
        fence: Fence,
        inbounds: &[InboundId],
        reason: SettleReason,
    ) -> Result<usize, Error> {
        let inbounds = inbounds.to_vec();
        self.write(fence, move |tx| accept::settle(tx, &inbounds, reason)).await
    }

    async fn begin_turn(&self, fence: Fence, turn: NewTurn) -> Result<(), Error> {
        self.write(fence, move |tx| turns::begin(tx, &turn)).await
    }

    async fn finish_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        end: TurnEnd,
        deliveries: Vec<NewDelivery>,
        at: Timestamp,
        claim_first: bool,
    ) -> Result<Finish, Error> {
        self.write(fence, move |tx| turns::finish(tx, turn, end, &deliveries, at, claim_first))
            .await
    }

    async fn post(
        &self,
        fence: Fence,
        deliveries: Vec<NewDelivery>,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.write(fence, move |tx| deliveries::post(tx, &deliveries, at)).await
    }

    async fn claim_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> Result<Option<Claimed>, Error> {
        self.write(fence, move |tx| deliveries::claim(tx, delivery, at)).await
    }

    async fn settle_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        end: DeliveryEnd,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(fence, move |tx| deliveries::settle(tx, delivery, &end, at)).await
    }

    async fn recover(&self, fence: Fence, at: Timestamp) -> Result<Recovery, Error> {
        self.write(fence, move |tx| recover::recover(tx, at)).await
    }

    async fn list_inbounds(&self, filter: InboundFilter) -> Result<Vec<InboundRecord>, Error> {
        self.store.read(move |tx| lists::inbounds(tx, filter)).await
    }

    async fn raw(&self, inbound: InboundId) -> Result<Option<Vec<u8>>, Error> {
        self.store.read(move |tx| lists::raw(tx, inbound)).await
    }

    async fn list_dead(&self, limit: u32) -> Result<Vec<DeadRecord>, Error> {
        self.store.read(move |tx| lists::dead(tx, limit)).await
    }

    async fn list_deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>, Error> {
        self.store.read(move |tx| lists::deliveries(tx, filter)).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.store.read(lists::counts).await
    }

    async fn prune(
        &self,
        fence: Fence,
        now: Timestamp,
        retention: Retention,
    ) -> Result<usize, Error> {
        self.write(fence, move |tx| prune::expire(tx, now, retention)).await?;
        let mut removed = 0;
        loop {
            // Small steps, so that no message waits behind a year's clean-up.
            let step = move |tx: &Tx<'_>| prune::step(tx, now, retention);
            match self.write(fence, step).await? {
                0 => return Ok(removed),
                rows => removed += rows,
            }
        }
    }
}
