//! The trait, and what its calls as a whole return.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use zaki_envelope::{DeliveryId, Inbound, InboundId, Timestamp, TurnId};

use crate::{
    Accepted, Batch, Claimed, DeadRecord, Delivery, DeliveryEnd, DeliveryFilter, Error, Fence,
    Finish, InboundFilter, InboundRecord, NewDelivery, NewTurn, OpenTurn, SettleReason, TurnEnd,
};

/// Durable inbox, turns and outbox.
///
/// - inbound: `accepted -> joined(turn) | settled(reason) | dead`
/// - turn: `queued -> running -> finished | failed | aborted`
/// - delivery: `pending -> sending -> sent | unknown | dead`; a retry leads back to `pending`
///
/// Each call that writes is one transaction, on the disk when it returns `Ok`, and undone whole
/// when it returns `Err`. Dropping its future does not take it back.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Stores what is new in a request, with its raw bytes, its dead letters and its cursor. Only
    /// after `Ok` may the platform be acknowledged. A message is new once per account and dedupe
    /// key: two bots in one room each get it, and only one of them may be meant.
    async fn accept(&self, fence: Fence, batch: Batch) -> Result<Accepted, Error>;

    /// How far a source has read.
    async fn cursor(&self, name: &str) -> Result<Option<String>, Error>;

    /// Closes messages that get no turn. Those that are not `accepted` any more stay as they are;
    /// returns how many changed.
    async fn settle(
        &self,
        fence: Fence,
        inbounds: &[InboundId],
        reason: SettleReason,
    ) -> Result<usize, Error>;

    /// Begins a turn with its messages; [`Error::NotAccepted`] when one of them is not waiting.
    async fn begin_turn(&self, fence: Fence, turn: NewTurn) -> Result<(), Error>;

    /// Ends a turn and stores its deliveries, in order of sending. Idempotent: a turn that has
    /// ended changes no more. `claim_first` claims the first delivery in the same commit, which
    /// spares the fast path one.
    async fn finish_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        end: TurnEnd,
        deliveries: Vec<NewDelivery>,
        at: Timestamp,
        claim_first: bool,
    ) -> Result<Finish, Error>;

    /// Stores deliveries that belong to no turn. One whose id is known is left as it is.
    async fn post(
        &self,
        fence: Fence,
        deliveries: Vec<NewDelivery>,
        at: Timestamp,
    ) -> Result<(), Error>;

    /// Takes a delivery to send it. `None` when it is not pending, or an earlier part of its reply
    /// has not been sent (claim it again when that has been settled).
    async fn claim_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> Result<Option<Claimed>, Error>;

    /// Records what the platform said of a delivery that is `sending` or `unknown`; one that is
    /// `pending` can only be declared dead. Returns whether anything changed.
    async fn settle_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        end: DeliveryEnd,
        at: Timestamp,
    ) -> Result<bool, Error>;

    /// What an earlier run has left. To be called once, before anything is sent: deliveries found
    /// `sending` become `unknown`.
    async fn recover(&self, fence: Fence, at: Timestamp) -> Result<Recovery, Error>;

    /// Messages, newest first.
    async fn list_inbounds(&self, filter: InboundFilter) -> Result<Vec<InboundRecord>, Error>;

    /// The bytes of the request that brought a message, while they are kept.
    async fn raw(&self, inbound: InboundId) -> Result<Option<Vec<u8>>, Error>;

    /// Dead letters, newest first.
    async fn list_dead(&self, limit: u32) -> Result<Vec<DeadRecord>, Error>;

    /// Deliveries, newest first.
    async fn list_deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>, Error>;

    /// How much is open.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Removes what has been kept long enough; a delivery that could not be sent for so long is
    /// declared dead first. Returns the number of rows removed.
    async fn prune(
        &self,
        fence: Fence,
        now: Timestamp,
        retention: Retention,
    ) -> Result<usize, Error>;
}

/// What an earlier run has left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Waiting for a turn, in order of acceptance.
    pub accepted: Vec<Inbound>,
    /// Begun and not ended, in order of beginning.
    pub turns: Vec<OpenTurn>,
    /// To be sent, in order of storing: the parts of one reply follow each other.
    pub deliveries: Vec<Delivery>,
    /// Were being sent when the earlier run stopped.
    pub unknown: Vec<Delivery>,
}

/// How much is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages that wait for a turn.
    pub accepted: u64,
    /// Turns that have not ended.
    pub running: u64,
    /// Deliveries to be sent.
    pub pending: u64,
    /// Deliveries being sent.
    pub sending: u64,
    /// Deliveries that may have been sent.
    pub unknown: u64,
    /// Deliveries that will not be sent.
    pub dead: u64,
    /// Requests that made no sense.
    pub dead_letters: u64,
}

/// How long to keep what is done with. What is open is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw requests and dead letters.
    pub raw: Duration,
    /// Messages, turns and deliveries.
    pub messages: Duration,
    /// Dedupe keys; at least [`Retention::DEDUPE`] is kept whatever this says.
    pub dedupe: Duration,
}

impl Retention {
    /// Longer than any platform retries (WhatsApp: 7 days).
    pub const DEDUPE: Duration = Duration::from_hours(8 * 24);
}

impl Default for Retention {
    /// Raw for a week, messages for a month, dedupe keys for 8 days.
    fn default() -> Self {
        Self {
            raw: Duration::from_hours(7 * 24),
            messages: Duration::from_hours(30 * 24),
            dedupe: Self::DEDUPE,
        }
    }
}
