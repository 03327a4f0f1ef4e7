//! The ledger in PostgreSQL, shared by many replicas: each operation one transaction, which first
//! takes its locks in one order (the term, the lane, the conversations) and only then looks.

mod accept;
mod deliveries;
mod lease;
mod operate;
#[cfg(test)]
mod plans;
mod prune;
mod recover;
mod rows;
mod sql;
mod turns;
mod tx;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio_postgres::types::ToSql;
use zaki_envelope::{DeliveryId, InboundId, MessageId, SessionKey, Timestamp, TurnId, ZakiUserId};
use zaki_store::{Either, Group, Keys, PgOptions, PgTx, Postgres, Schema, Stats, Step, Text};

use crate::desk::{Desk, Locks};
use crate::encode::clean;
use crate::encode::{Message, Parcel, Turn};
use crate::keys;
use crate::overdue;
use crate::privacy::{self, Dossier, Erased, Mark, Said, Who};
use crate::retention::{self, before};
use crate::sealed::shown;
use crate::{
    Accepted, Batch, Begin, Counts, DeadRecord, Delivery, DeliveryEnd, DeliveryFilter, Earlier,
    Error, Fence, Finish, InboundFilter, InboundRecord, Ledger, Listed, NewDelivery, NewTurn, Next,
    Pulse, Recovery, Retention, SettleReason, Settled, TurnEnd,
};
use accept::{Accepting, Request};
use rows::token;
use tx::{Store, Tx, named};

const SCHEMA: Schema = Schema {
    name: "ledger",
    release: env!("CARGO_PKG_VERSION"),
    steps: &[
        Step { sql: include_str!("postgres/step1.sql"), min_reader: 1 },
        Step { sql: include_str!("postgres/step2.sql"), min_reader: 1 },
        Step { sql: include_str!("postgres/step3.sql"), min_reader: 1 },
        Step { sql: include_str!("postgres/step4.sql"), min_reader: 1 },
    ],
};

/// The ledger of many hubs. Clones share its connections.
#[derive(Clone)]
pub struct PgLedger {
    store: Store,
    /// A connection apart, so that a lease is renewed however long the others wait.
    heart: Store,
    accepting: Group<Accepting>,
    ttl: Duration,
    /// The term that we have given up, since we do not know what was kept in its name.
    given_up: Arc<AtomicU64>,
}

impl PgLedger {
    /// How long a lease lives without a pulse, unless chosen otherwise.
    pub const TTL: Duration = Duration::from_secs(5);

    /// Opens the ledger in the database at `url`, making or migrating its tables as needed. Its
    /// text is not encrypted.
    pub async fn connect(
        url: &SecretString,
        options: &PgOptions,
        ttl: Duration,
    ) -> Result<Self, Error> {
        Self::connect_sealed(url, options, ttl, Keys::default()).await
    }

    /// The same with keys for the text in it. [`Error::MissingKey`], [`Error::WrongKey`]: some of
    /// it could not be read.
    pub async fn connect_sealed(
        url: &SecretString,
        options: &PgOptions,
        ttl: Duration,
        keys: Keys,
    ) -> Result<Self, Error> {
        let store = Postgres::connect(url, options, &SCHEMA).await?;
        keys::register(&Either::Postgres(store.clone()), &keys, SCHEMA.steps.len()).await?;
        let one = PgOptions { connections: 1, ..*options };
        let heart = Store::new(Postgres::connect(url, &one, &SCHEMA).await?, keys.clone());
        let accepting = Group::new(store.clone(), Accepting { keys: keys.clone() });
        let store = Store::new(store, keys);
        Ok(Self { store, heart, accepting, ttl, given_up: Arc::default() })
    }

    pub(crate) fn desk(&self) -> Desk<'_> {
        Desk::Postgres(self)
    }

    pub(crate) fn store(&self) -> Either {
        Either::Postgres(self.store.db.clone())
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.store.keys
    }

    /// Begins a transaction that has a lane and conversations for itself, in nobody's name.
    pub(crate) async fn occupy(&self, locks: &Locks) -> Result<PgTx, Error> {
        let tx = self.store.begin().await?;
        if let Some(lane) = &locks.lane {
            tx.one(sql::OCCUPY_LANE, &[lane], |_| Ok(())).await?;
        }
        let conversations: Vec<_> = locks.conversations.iter().map(|name| clean(name)).collect();
        tx.one(sql::OCCUPY, &[&conversations], |_| Ok(())).await?;
        Ok(tx)
    }

    /// Commits of accepted requests and the requests in them, since opening.
    pub fn stats(&self) -> Stats {
        self.accepting.stats()
    }

    /// Closes the connections; later calls fail as closed.
    pub fn close(&self) {
        self.store.close();
        self.heart.close();
    }

    /// Does something in the name of a term. When its outcome stays unknown, the term is over:
    /// whoever does not know what it has kept lets others find out.
    async fn write<T>(
        &self,
        fence: Fence,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        if self.given_up.load(Ordering::Relaxed) == fence.token() {
            return Err(Error::Fenced);
        }
        let done = work.await;
        if matches!(&done, Err(Error::Store(error)) if error.is_unknown()) {
            self.given_up.store(fence.token(), Ordering::Relaxed);
        }
        done
    }
}

/// Begins a transaction by its locks; the first parameter is the token.
async fn enter(store: &Store, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Tx, Error> {
    let (tx, admitted) = store.begin_with(sql, params, |row| row.try_get(0)).await?;
    match admitted {
        Some(true) => Ok(store.with_keys(tx)),
        _ => Err(Error::Fenced),
    }
}

#[async_trait]
impl Ledger for PgLedger {
    async fn enroll(&self, name: &str) -> Result<Fence, Error> {
        lease::enroll(&self.store, name, self.ttl).await
    }

    async fn pulse(&self, fence: Fence) -> Result<Pulse, Error> {
        let pulse = self.write(fence, lease::pulse(&self.heart, fence, self.ttl)).await?;
        pulse.ok_or(Error::Fenced)
    }

    async fn leave(&self, fence: Fence) -> Result<(), Error> {
        lease::bury(&self.heart, token(fence), true).await
    }

    async fn hold(&self, fence: Fence, lease: &str) -> Result<bool, Error> {
        self.write(fence, lease::hold(&self.store, fence, lease)).await
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }

    async fn accept(&self, fence: Fence, batch: Batch) -> Result<Accepted, Error> {
        let (messages, batch) = (Message::all(&batch, self.keys())?, Arc::new(batch));
        let request = Request { fence, batch: Arc::clone(&batch), messages };
        let fresh = self.write(fence, self.accepting.submit(request)).await?;
        Ok(Accepted::of(batch.items.clone(), &fresh))
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.store.one(sql::CURSOR, &[&name], |row| row.try_get(0)).await?)
    }

    async fn settle(
        &self,
        fence: Fence,
        inbounds: &[InboundId],
        reason: SettleReason,
    ) -> Result<usize, Error> {
        let ids: Vec<_> = inbounds.iter().map(ToString::to_string).collect();
        let settle = async {
            let (lane, nothing): (Option<&str>, &[&str]) = (None, &[]);
            let tx = enter(&self.store, sql::ENTER, &[&token(fence), &lane, &nothing]).await?;
            let settled =
                tx.execute(sql::SETTLE, &[&ids, &reason.state(), &reason.as_str()]).await?;
            tx.commit().await?;
            Ok(usize::try_from(settled).unwrap_or(usize::MAX))
        };
        self.write(fence, settle).await
    }

    async fn begin_turn(&self, fence: Fence, turn: NewTurn) -> Result<Begin, Error> {
        let row = Turn::of(&turn)?;
        self.write(fence, turns::begin(&self.store, fence, &turn, &row)).await
    }

    async fn join_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        inbounds: &[InboundId],
    ) -> Result<Option<Vec<Earlier>>, Error> {
        self.write(fence, turns::join(&self.store, fence, turn, inbounds)).await
    }

    async fn part_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        inbounds: &[InboundId],
    ) -> Result<bool, Error> {
        self.write(fence, turns::part(&self.store, fence, turn, inbounds)).await
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
        let parcels = Parcel::reply(deliveries, Some(turn), self.keys())?;
        self.write(fence, turns::finish(&self.store, fence, turn, end, heard, &parcels, at)).await
    }

    async fn post(
        &self,
        fence: Fence,
        deliveries: Vec<NewDelivery>,
        tells: &[DeliveryId],
        at: Timestamp,
    ) -> Result<Next, Error> {
        let parcels = Parcel::reply(deliveries, None, self.keys())?;
        self.write(fence, deliveries::post(&self.store, fence, &parcels, tells, at)).await
    }

    async fn claim_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> Result<Next, Error> {
        self.write(fence, deliveries::claim(&self.store, fence, delivery, at)).await
    }

    async fn settle_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        end: DeliveryEnd,
        at: Timestamp,
    ) -> Result<Settled, Error> {
        self.write(fence, deliveries::settle(&self.store, fence, delivery, &end, at)).await
    }

    async fn prove_delivery(
        &self,
        delivery: DeliveryId,
        receipt: Vec<MessageId>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        operate::prove(&self.store, delivery, &receipt, at).await
    }

    async fn refute_delivery(
        &self,
        delivery: DeliveryId,
        reason: String,
        at: Timestamp,
    ) -> Result<bool, Error> {
        operate::refute(&self.store, delivery, &reason, at).await
    }

    async fn retry_delivery(&self, delivery: DeliveryId, at: Timestamp) -> Result<bool, Error> {
        operate::retry(&self.store, delivery, at).await
    }

    async fn drop_delivery(&self, delivery: DeliveryId, at: Timestamp) -> Result<bool, Error> {
        operate::drop_delivery(&self.store, delivery, at).await
    }

    async fn recover(&self, fence: Fence) -> Result<Recovery, Error> {
        self.write(fence, recover::recover(&self.store, fence)).await
    }

    async fn release(&self, fence: Fence) -> Result<(), Error> {
        self.write(fence, lease::release(&self.store, fence)).await
    }

    async fn disown(&self, fence: Fence, inbounds: &[InboundId]) -> Result<(), Error> {
        self.write(fence, lease::disown(&self.store, fence, inbounds)).await
    }

    async fn list_inbounds(&self, filter: InboundFilter) -> Result<Listed<InboundRecord>, Error> {
        let (limit, before) = (i64::from(filter.limit), filter.before.map(Text));
        let row: [&(dyn ToSql + Sync); 3] = [&limit, &before, &filter.state];
        let map = rows::inbound_record;
        Ok(self.store.legible("message", sql::INBOUNDS, &row, 0, map).await?.into())
    }

    async fn raw(&self, inbound: InboundId) -> Result<Option<Vec<u8>>, Error> {
        self.store.open_one(sql::RAW, &[&Text(inbound)], rows::raw).await
    }

    async fn list_dead(&self, limit: u32) -> Result<Listed<DeadRecord>, Error> {
        let (limit, map) = (i64::from(limit), rows::dead_record);
        Ok(self.store.legible("dead letter", sql::DEAD_LETTERS, &[&limit], 6, map).await?.into())
    }

    async fn list_deliveries(&self, filter: DeliveryFilter) -> Result<Listed<Delivery>, Error> {
        let (limit, before) = (i64::from(filter.limit), filter.before.map(Text));
        let row: [&(dyn ToSql + Sync); 3] = [&limit, &before, &filter.state];
        let found = self.store.all(sql::DELIVERIES, &row, named(0, rows::delivery)).await?;
        Ok(shown(found, self.keys()))
    }

    async fn counts(&self) -> Result<Counts, Error> {
        Ok(self.store.one(sql::COUNTS, &[], rows::counts).await?.unwrap_or_default())
    }

    async fn prune(
        &self,
        fence: Fence,
        now: Timestamp,
        retention: Retention,
    ) -> Result<usize, Error> {
        self.write(fence, prune::expire(&self.store, fence, now, retention)).await?;
        let mut removed = 0;
        loop {
            // Small steps, so that no message waits behind a year's clean-up.
            match self.write(fence, prune::step(&self.store, fence, now, retention)).await? {
                0 => break,
                rows => removed += rows,
            }
        }
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
