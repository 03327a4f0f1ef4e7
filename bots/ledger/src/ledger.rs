//! The trait, and what its calls as a whole return.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use zaki_envelope::{
    DeliveryId, Inbound, InboundId, MessageId, ReplyHandle, SessionKey, Timestamp, TurnId,
    ZakiUserId,
};

use crate::privacy::{Dossier, Erased, Mark, Said, Who};
use crate::{
    Accepted, Batch, Begin, Claimed, DeadRecord, Delivery, DeliveryEnd, DeliveryFilter,
    DeliveryState, Earlier, Error, Fence, Finish, InboundFilter, InboundRecord, Listed,
    NewDelivery, NewTurn, Next, OpenTurn, Pulse, SettleReason, Settled, TurnEnd,
};

/// Durable inbox, turns and outbox, shared by the replicas of a hub.
///
/// - inbound: `accepted -> joined(turn) | settled(reason) | dead`
/// - turn: `queued -> running -> finished | failed | aborted`; one open turn per lane (a person
///   and a session)
/// - delivery: `pending -> sending -> sent | unknown | dead`; a retry leads back to `pending`.
///   Strict order per conversation: one leaves when no earlier one is `pending` or `sending`, and
///   whoever settles it is handed the next by the same commit.
///
/// Each call that writes is one transaction, on the disk when it returns `Ok`, and undone whole
/// when it returns `Err`: the same call may be made again. Dropping its future does not take it
/// back. A write in the name of a lease that has gone is refused with [`Error::Fenced`].
///
/// Open work belongs to the replica that accepted, began or was handed it. Work of a replica whose
/// lease has gone belongs to nobody until somebody calls [`recover`](Ledger::recover).
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Takes a lease for a replica of this name (for people's eyes). To be followed by `recover`.
    async fn enroll(&self, name: &str) -> Result<Fence, Error>;

    /// Renews the lease; once a second. [`Error::Fenced`] when it has gone, and then for ever.
    async fn pulse(&self, fence: Fence) -> Result<Pulse, Error>;

    /// Gives the lease up, so that others take over at once. No error when it has gone already.
    async fn leave(&self, fence: Fence) -> Result<(), Error>;

    /// Takes what one replica may do at a time (receive from a polling source, hold a gateway);
    /// `true`: it is ours, as long as our lease. Idempotent.
    async fn hold(&self, fence: Fence, lease: &str) -> Result<bool, Error>;

    /// How long a lease lives without a pulse; `None`: for ever.
    fn ttl(&self) -> Option<Duration>;

    /// Stores what is new in a request, with its raw bytes, its dead letters and its cursor. Only
    /// after `Ok` may the platform be acknowledged. A message is new once per account and dedupe
    /// key: two bots in one room each get it, and only one of them may be meant.
    ///
    /// A batch with a cursor needs the lease of the cursor's name, see [`hold`](Ledger::hold).
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

    /// Begins a turn with its messages, all of them ours: [`Error::NotAccepted`] when one is not.
    /// While another turn of the lane is open they are left to that one's end: [`Begin::Busy`].
    /// A turn that has begun already, begins.
    ///
    /// What was accepted before one of them in the same [`Line`](crate::Line), and is not ours, is
    /// taken along: whoever has it is told [`Error::NotAccepted`]. So what one person says is
    /// answered in the order of acceptance, whichever replicas accepted it.
    async fn begin_turn(&self, fence: Fence, turn: NewTurn) -> Result<Begin, Error>;

    /// Makes further messages, ours or left to its end, part of an open turn (steering); what is
    /// taken along is as in [`begin_turn`](Ledger::begin_turn). `None`: it has ended, and they are
    /// as they were.
    async fn join_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        inbounds: &[InboundId],
    ) -> Result<Option<Vec<Earlier>>, Error>;

    /// Takes messages out of a turn they have joined while it was open, since the agent did not
    /// get them. `true`: they wait for its end, which hands them on. `false`: it has ended; they
    /// are accepted and ours.
    async fn part_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        inbounds: &[InboundId],
    ) -> Result<bool, Error>;

    /// Ends a turn of ours and stores its deliveries, in order of sending, behind all earlier ones
    /// of their conversation. `heard` are the messages that have joined it, whoever joined them,
    /// and that the agent has got: those it has not got wait again, and are handed on with the
    /// others. Idempotent: a turn that has ended changes no more. When everything that it was asked
    /// has been erased meanwhile, its deliveries to where nobody else is are not kept, nor is it.
    async fn finish_turn(
        &self,
        fence: Fence,
        turn: TurnId,
        end: TurnEnd,
        heard: &[InboundId],
        deliveries: Vec<NewDelivery>,
        at: Timestamp,
    ) -> Result<Finish, Error>;

    /// Stores deliveries that belong to no turn. One whose id is known is left as it is. `tells`
    /// are lost deliveries of which these tell the person. What follows is about the conversation
    /// of the first. One with the id of a message answers by that message's reply handle.
    async fn post(
        &self,
        fence: Fence,
        deliveries: Vec<NewDelivery>,
        tells: &[DeliveryId],
        at: Timestamp,
    ) -> Result<Next, Error>;

    /// Asks what is to be sent in the conversation of a delivery, as when its `not_before` has
    /// come. The answer need not be about that delivery: it may have been dropped.
    async fn claim_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> Result<Next, Error>;

    /// Records what became of a delivery that we are sending. A `pending` one can be declared
    /// dead, an `unknown` one sent; all else changes nothing.
    async fn settle_delivery(
        &self,
        fence: Fence,
        delivery: DeliveryId,
        end: DeliveryEnd,
        at: Timestamp,
    ) -> Result<Settled, Error>;

    /// Records that the platform itself says a delivery has arrived (a status callback):
    /// `sending | unknown -> sent`. Whether it changed.
    async fn prove_delivery(
        &self,
        delivery: DeliveryId,
        receipt: Vec<MessageId>,
        at: Timestamp,
    ) -> Result<bool, Error>;

    /// Records that the platform itself says a delivery has not arrived and will not (a status
    /// callback, also long after it took the message): `sending | unknown | sent -> dead`, and the
    /// later parts of its reply with it. Whether it changed.
    async fn refute_delivery(
        &self,
        delivery: DeliveryId,
        reason: String,
        at: Timestamp,
    ) -> Result<bool, Error>;

    /// The operator's: a `dead` or `unknown` delivery, and the later parts of its reply, are to be
    /// sent after all, behind what waits already. Nobody's until a pulse finds them.
    async fn retry_delivery(&self, delivery: DeliveryId, at: Timestamp) -> Result<bool, Error>;

    /// The operator's: a `pending` or `unknown` delivery, and the later parts of its reply, will
    /// not be sent. Of one that is `dead` nobody will be told any more.
    async fn drop_delivery(&self, delivery: DeliveryId, at: Timestamp) -> Result<bool, Error>;

    /// Takes over some of what belongs to no live replica, the oldest of each kind first, at any
    /// time. What is left is still nobody's, as the next pulse says.
    async fn recover(&self, fence: Fence) -> Result<Recovery, Error>;

    /// Gives up what is ours and has not begun, messages that wait for a turn and deliveries that
    /// wait to be sent, for others to take over while we close. Idempotent; to be repeated, since
    /// what still runs leaves more. What is claimed or joined meanwhile is ours, or another's, as
    /// the ledger says then.
    async fn release(&self, fence: Fence) -> Result<(), Error>;

    /// Gives up these messages, those that are ours and have not begun: whoever accepted them does
    /// not know whether they are in, since the store failed at the commit. Whatever is in, is found
    /// by the next [`Self::recover`]. Idempotent.
    async fn disown(&self, fence: Fence, inbounds: &[InboundId]) -> Result<(), Error>;

    /// Messages, newest first.
    async fn list_inbounds(&self, filter: InboundFilter) -> Result<Listed<InboundRecord>, Error>;

    /// The bytes of the request that brought a message, while they are kept.
    async fn raw(&self, inbound: InboundId) -> Result<Option<Vec<u8>>, Error>;

    /// Dead letters, newest first.
    async fn list_dead(&self, limit: u32) -> Result<Listed<DeadRecord>, Error>;

    /// Deliveries, newest first.
    async fn list_deliveries(&self, filter: DeliveryFilter) -> Result<Listed<Delivery>, Error>;

    /// How much is open.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Removes what has been kept long enough; a delivery that could not be sent for so long is
    /// declared dead first. Returns the number of rows removed. Text may go before its row does.
    async fn prune(
        &self,
        fence: Fence,
        now: Timestamp,
        retention: Retention,
    ) -> Result<usize, Error>;

    /// A page of everything kept about a person.
    async fn dossier(&self, who: &Who, from: Mark) -> Result<Dossier, Error>;

    /// Removes everything kept about a person, in small transactions; it may be called again, and
    /// is to be after a failure. What is under way of theirs ends as a verdict for whoever is at
    /// it: [`Error::NotAccepted`], [`Error::UnknownTurn`], a delivery that has not changed. What
    /// others had said in their turns stays, settled with the reason `erased`.
    ///
    /// Dedupe keys hold ids (of WhatsApp's, a phone number): digests take their place, so that a
    /// late repetition of an erased message is known. A message that is new is a new beginning.
    async fn erase(&self, who: &Who, at: Timestamp) -> Result<Erased, Error>;

    /// What was said last in a session, oldest first, as far as its text is kept.
    async fn recent(
        &self,
        user: ZakiUserId,
        session: &SessionKey,
        most: u32,
    ) -> Result<Vec<Said>, Error>;

    /// Encrypts again whatever is not encrypted with the first key; how many values that were.
    /// Then the other keys are not needed any more, once no replica has one of them first.
    async fn rekey(&self) -> Result<u64, Error>;
}

/// What belonged to nobody; all of it is ours now, and handed out once. It has bounds, so that no
/// one transaction and no one answer is as large as what a long outage has left. Whoever calls until
/// nothing is found, as the hub does, takes all of it, but for what others take meanwhile.
///
/// What cannot be read, damaged or of a release that knows more, keeps nothing else back. A message
/// or a turn is not handed out, and is ours all the same until our term ends: it is looked at once
/// in each term, by whichever release that is. A turn lacks such messages in `inbounds` and has their
/// ids in `turn.inbounds`. A delivery ends, `dead` or, where it was being sent, `unknown`, since its
/// conversation is in order; it keeps its text for [`Ledger::retry_delivery`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Waiting for a turn, in order of acceptance.
    pub accepted: Vec<Inbound>,
    /// Begun and not ended, in order of beginning.
    pub turns: Vec<OpenTurn>,
    /// The oldest open delivery of each conversation. None of them is claimed, due or not: what
    /// is claimed counts as sent should we die, and a platform's pace may keep it here for long.
    pub deliveries: Vec<Next>,
    /// Were being sent when their sender went; still `sending`, with the handle that was taken for
    /// it and the `changed_at` of its claim. The same as a send of ours that ended without our
    /// knowing how: find out, and settle it. Their conversations wait for that.
    pub unknown: Vec<Claimed>,
    /// How many were found and cannot be read: there may be more to take, behind them.
    pub illegible: usize,
}

impl Recovery {
    /// Messages taken over by one call.
    pub const MESSAGES: u32 = 500;
    /// Turns taken over by one call.
    pub const TURNS: u32 = 200;
    /// Conversations in which something is to be sent, or may have been, taken over by one call.
    pub const CONVERSATIONS: u32 = 200;

    /// The oldest open delivery of a conversation.
    pub(crate) fn add(&mut self, delivery: Delivery, handle: Option<ReplyHandle>) {
        if delivery.state == DeliveryState::Sending {
            return self.unknown.push(Claimed { delivery, handle });
        }
        let Delivery { id, not_before, changed_at: since, address, .. } = delivery;
        self.deliveries.push(Next::Later { id, not_before, since, address });
    }
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
    /// Raw requests and dead letters. Not longer than `messages`.
    pub raw: Duration,
    /// What messages and deliveries say. Not longer than `messages`.
    pub text: Duration,
    /// Messages, turns and deliveries; at least as long as dedupe keys, which hold ids of people
    /// and are found by them.
    pub messages: Duration,
    /// Dedupe keys; at least [`Retention::DEDUPE`] is kept whatever this says.
    pub dedupe: Duration,
}

impl Retention {
    /// Longer than any platform retries (WhatsApp: 7 days).
    pub const DEDUPE: Duration = Duration::from_hours(8 * 24);

    pub(crate) fn raw(&self) -> Duration {
        self.raw.min(self.messages())
    }

    pub(crate) fn text(&self) -> Duration {
        self.text.min(self.messages())
    }

    pub(crate) fn messages(&self) -> Duration {
        self.messages.max(self.dedupe())
    }

    pub(crate) fn dedupe(&self) -> Duration {
        self.dedupe.max(Self::DEDUPE)
    }
}

impl Default for Retention {
    /// Raw for a week, messages with their text for a month, dedupe keys for 8 days.
    fn default() -> Self {
        Self {
            raw: Duration::from_hours(7 * 24),
            text: Duration::from_hours(30 * 24),
            messages: Duration::from_hours(30 * 24),
            dedupe: Self::DEDUPE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key is found by the message it came with, when its person is erased.
    #[test]
    fn nothing_goes_before_what_leads_to_it() {
        let day = Duration::from_hours(24);
        let short = Retention { raw: 30 * day, text: 30 * day, messages: day, dedupe: day };
        let kept = (short.raw(), short.text(), short.messages(), short.dedupe());
        assert_eq!(kept, (8 * day, 8 * day, 8 * day, 8 * day));
        let long = Retention { messages: 90 * day, ..short };
        assert_eq!((long.raw(), long.text(), long.messages()), (30 * day, 30 * day, 90 * day));
    }
}
