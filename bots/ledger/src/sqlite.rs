//! The ledger in one SQLite file: each operation a closure for the store's group commit.

mod accept;
mod deliveries;
mod lists;
mod operate;
#[cfg(test)]
mod plans;
mod prune;
mod recover;
mod rows;
mod sql;
mod turns;
mod tx;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use zaki_envelope::{DeliveryId, InboundId, MessageId, SessionKey, Timestamp, TurnId, ZakiUserId};
use zaki_store::{Either, Keys, Schema, Sqlite, Stats, Step};

use crate::desk::Desk;
use crate::encode::{Message, Parcel, Turn};
use crate::keys;
use crate::overdue;
use crate::privacy::{self, Dossier, Erased, Mark, Said, Who};
use crate::retention::{self, before};
use crate::{
    Accepted, Batch, Begin, Counts, DeadRecord, Delivery, DeliveryEnd, DeliveryFilter, Earlier,
    Error, Fence, Finish, InboundFilter, InboundRecord, Ledger, Listed, NewDelivery, NewTurn, Next,
    Pulse, Recovery, Retention, SettleReason, Settled, TurnEnd,
};
use tx::Tx;

const SCHEMA: Schema = Schema {
    name: "ledger",
    release: env!("CARGO_PKG_VERSION"),
    steps: &[
        Step { sql: include_str!("sqlite/step1.sql"), min_reader: 1 },
        Step { sql: include_str!("sqlite/step2.sql"), min_reader: 2 },
        Step { sql: include_str!("sqlite/step3.sql"), min_reader: 2 },
        Step { sql: include_str!("sqlite/step4.sql"), min_reader: 2 },
        Step { sql: include_str!("sqlite/step5.sql"), min_reader: 2 },
        Step { sql: include_str!("sqlite/step6.sql"), min_reader: 2 },
    ],
};

/// No run has this token.
const NO_RUN: u64 = 0;

/// The ledger of one hub, which alone writes to its file. Clones share it.
#[derive(Clone)]
pub struct SqliteLedger {
    store: Sqlite,
    keys: Keys,
    /// The token of the run that may write, changed by the writer thread alone.
    run: Arc<AtomicU64>,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, making or migrating it as needed. Its text is not encrypted.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_sealed(path, Keys::default()).await
    }

    /// The same with keys for the text in it. [`Error::MissingKey`], [`Error::WrongKey`]: some of
    /// it could not be read.
    pub async fn open_sealed(path: impl AsRef<Path>, keys: Keys) -> Result<Self, Error> {
        let store = Sqlite::open(path, &SCHEMA).await?;
        keys::register(&Either::Sqlite(store.clone()), &keys, SCHEMA.steps.len()).await?;
        Ok(Self { store, keys, run: Arc::default() })
    }

    pub(crate) fn desk(&self) -> Desk<'_> {
        Desk::Sqlite(self)
    }

    pub(crate) fn store(&self) -> Either {
        Either::Sqlite(self.store.clone())
    }

    pub(crate) const fn db(&self) -> &Sqlite {
        &self.store
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
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
        let run = Arc::clone(&self.run);
        self.write_beside(move |tx| admit(&run, fence).and_then(|()| work(tx))).await
    }

    /// The same for work that is refused, if at all, before it changes anything.
    async fn write_whole<T, F>(&self, fence: Fence, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let (run, keys) = (Arc::clone(&self.run), self.keys.clone());
        let work = move |tx: &zaki_store::Tx<'_>| {
            admit(&run, fence).and_then(|()| work(&Tx::new(tx, &keys)))
        };
        self.store.write_whole(work).await
    }

    /// What needs no lease.
    async fn write_beside<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let keys = self.keys.clone();
        self.store.write(move |tx| work(&Tx::new(tx, &keys))).await
    }

    /// Removes the keys that are older: all are looked at, beside the writer.
    async fn unsee(&self, fence: Fence, oldest: Timestamp) -> Result<usize, Error> {
        let (mut removed, mut after) = (0, prune::Key::default());
        loop {
            let from = after.clone();
            let page = self.read(move |tx| prune::keys(tx, &from, oldest)).await?;
            let Some(prune::Keys { last, any_old }) = page else { return Ok(removed) };
            if any_old {
                let (from, to) = (after, last.clone());
                let unsee = move |tx: &Tx<'_>| prune::unsee(tx, &from, &to, oldest);
                removed += self.write(fence, unsee).await?;
            }
            after = last;
        }
    }

    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let keys = self.keys.clone();
        self.store.read(move |tx| work(&Tx::new(tx, &keys))).await
    }
}

fn admit(run: &AtomicU64, fence: Fence) -> Result<(), Error> {
    let run = run.load(Ordering::Relaxed);
    if run == NO_RUN || run != fence.token() { Err(Error::Fenced) } else { Ok(()) }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn enroll(&self, name: &str) -> Result<Fence, Error> {
        let (name, run) = (name.to_owned(), Arc::clone(&self.run));
        let enroll = move |tx: &Tx<'_>| -> Result<Fence, Error> {
            // Should the commit fail, there is no run until the next try.
            let token = recover::enroll(tx, &name)?.unwrap_or_default();
            run.store(token, Ordering::Relaxed);
            Ok(Fence::from_token(token))
        };
        self.write_beside(enroll).await
    }

    async fn pulse(&self, fence: Fence) -> Result<Pulse, Error> {
        admit(&self.run, fence)?;
        if self.store.is_failing() {
            // Nobody may be sending anything for as long as we say that we cannot store it.
            self.write(fence, recover::touch).await?;
        }
        let orphans = self.read(recover::orphans).await?;
        Ok(Pulse { replicas: 1, orphans })
    }

    async fn leave(&self, fence: Fence) -> Result<(), Error> {
        let run = Arc::clone(&self.run);
        let leave = move |tx: &Tx<'_>| {
            recover::leave(tx, fence)?;
            let _ =
                run.compare_exchange(fence.token(), NO_RUN, Ordering::Relaxed, Ordering::Relaxed);
            Ok(())
        };
        self.write_beside(leave).await
    }

    async fn hold(&self, fence: Fence, _lease: &str) -> Result<bool, Error> {
        self.write(fence, |_| Ok(true)).await
    }

    fn ttl(&self) -> Option<Duration> {
        None
    }

    async fn accept(&self, fence: Fence, batch: Batch) -> Result<Accepted, Error> {
        let messages = Message::all(&batch, &self.keys)?;
        let store = move |tx: &Tx<'_>| {
            let fresh = accept::accept(tx, fence, &batch, &messages)?;
            Ok((batch, fresh))
        };
        let (batch, fresh) = self.write_whole(fence, store).await?;
        Ok(Accepted::of(batch.items, &fresh))
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, Error> {
        let name = name.to_owned();
        self.read(move |tx| accept::cursor(tx, &name)).await
    }

    async fn settle(
        &self,
        fence: Fence,
        inbounds: &[InboundId],
        reason: SettleReason,
    ) -> Result<usize, Error> {
        let inbounds = inbounds.to_vec();
        self.write_whole(fence, move |tx| accept::settle(tx, &inbounds, reason)).await
    }

    async fn begin_turn(&self, fence: Fence, turn: NewTurn) -> Result<Begin, Error> {
        let row = Turn::of(&turn)?;
        self.write(fence, move |tx| turns::begin(tx, fence, &turn, &row)).await
    }

    async fn join_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        inbounds: &[InboundId],
    ) -> Result<Option<Vec<Earlier>>, Error> {
        let inbounds = inbounds.to_vec();
        self.write(fence, move |tx| turns::join(tx, fence, turn, &inbounds)).await
    }

    async fn part_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        inbounds: &[InboundId],
    ) -> Result<bool, Error> {
        let inbounds = inbounds.to_vec();
        self.write(fence, move |tx| turns::part(tx, fence, turn, &inbounds)).await
    }

    async fn finish_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        end: TurnEnd,
        heard: &[InboundId],
        deliveries: Vec<NewDelivery>,
        at: Timestamp,
    ) -> Result<Finish, Error> {
        let (parcels, heard) = (Parcel::reply(deliveries, Some(turn), &self.keys)?, heard.to_vec());
        let finish = move |tx: &Tx<'_>| turns::finish(tx, fence, turn, end, &heard, &parcels, at);
        self.write_whole(fence, finish).await
    }

    async fn post(
        &self,
        fence: Fence,
        deliveries: Vec<NewDelivery>,
        tells: &[DeliveryId],
        at: Timestamp,
    ) -> Result<Next, Error> {
        let (parcels, tells) = (Parcel::reply(deliveries, None, &self.keys)?, tells.to_vec());
        self.write(fence, move |tx| deliveries::post(tx, fence, &parcels, &tells, at)).await
    }

    async fn claim_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> Result<Next, Error> {
        self.write_whole(fence, move |tx| deliveries::claim(tx, fence, delivery, at)).await
    }

    async fn settle_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        end: DeliveryEnd,
        at: Timestamp,
    ) -> Result<Settled, Error> {
        self.write_whole(fence, move |tx| deliveries::settle(tx, fence, delivery, &end, at)).await
    }

    async fn prove_delivery(
        &self,
        delivery: DeliveryId,
        receipt: Vec<MessageId>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write_beside(move |tx| operate::prove(tx, delivery, &receipt, at)).await
    }

    async fn refute_delivery(
        &self,
        delivery: DeliveryId,
        reason: String,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write_beside(move |tx| operate::refute(tx, delivery, &reason, at)).await
    }

    async fn retry_delivery(&self, delivery: DeliveryId, at: Timestamp) -> Result<bool, Error> {
        self.write_beside(move |tx| operate::retry(tx, delivery, at)).await
    }

    async fn drop_delivery(&self, delivery: DeliveryId, at: Timestamp) -> Result<bool, Error> {
        self.write_beside(move |tx| operate::drop_delivery(tx, delivery, at)).await
    }

    async fn recover(&self, fence: Fence) -> Result<Recovery, Error> {
        self.write(fence, move |tx| recover::recover(tx, fence)).await
    }

    async fn release(&self, fence: Fence) -> Result<(), Error> {
        self.write_whole(fence, move |tx| recover::give_up(tx, fence)).await
    }

    async fn disown(&self, fence: Fence, inbounds: &[InboundId]) -> Result<(), Error> {
        let inbounds = inbounds.to_vec();
        self.write_whole(fence, move |tx| recover::disown(tx, fence, &inbounds)).await
    }

    async fn list_inbounds(&self, filter: InboundFilter) -> Result<Listed<InboundRecord>, Error> {
        self.read(move |tx| lists::inbounds(tx, filter)).await
    }

    async fn raw(&self, inbound: InboundId) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |tx| lists::raw(tx, inbound)).await
    }

    async fn list_dead(&self, limit: u32) -> Result<Listed<DeadRecord>, Error> {
        self.read(move |tx| lists::dead(tx, limit)).await
    }

    async fn list_deliveries(&self, filter: DeliveryFilter) -> Result<Listed<Delivery>, Error> {
        self.read(move |tx| lists::deliveries(tx, filter)).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.read(lists::counts).await
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
                0 => break,
                rows => removed += rows,
            }
        }
        removed += self.unsee(fence, before(now, retention.dedupe())).await?;
        removed += overdue::sweep(self.desk(), before(now, retention.raw())).await?;
        retention::strip(self.desk(), before(now, retention.text())).await?;
        Ok(removed)
    }

    async fn dossier(&self, who: &Who, from: Mark) -> Result<Dossier, Error> {
        privacy::dossier(self.desk(), who, from).await
    }

    async fn erase(&self, who: &Who, at: Timestamp) -> Result<Erased, Error> {
        privacy::erase(self.desk(), who, at).await
    }

    async fn recent(
        &self,
        user: ZakiUserId,
        session: &SessionKey,
        most: u32,
    ) -> Result<Vec<Said>, Error> {
        privacy::recent(self.desk(), user, session, most).await
    }

    async fn rekey(&self) -> Result<u64, Error> {
        keys::rekey(self.desk()).await
    }
}
