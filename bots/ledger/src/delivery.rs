//! What leaves: stored before it is sent, claimed by one sender, settled by what the platform said.

use std::{fmt, time::Duration};

use serde::Serialize;
use zaki_envelope::{Address, DeliveryId, MessageId, Outbound, ReplyHandle, Timestamp, TurnId};

/// A message that is to leave.
#[derive(Clone)]
pub struct NewDelivery {
    /// Ours; also the idempotency key towards the platform, where it takes one. Mint it from the
    /// time: old ones are found by it.
    pub id: DeliveryId,
    /// The turn it answers; none for a notice.
    pub turn: Option<TurnId>,
    /// Where to. Its `handle` is not stored.
    pub address: Address,
    /// What.
    pub outbound: Outbound,
    /// What it is for.
    pub kind: DeliveryKind,
    /// Order inside one reply, from 0. One reply is what one turn, or one call of `post`, sends to
    /// one address: when a part fails, the later ones are not sent.
    pub part: u32,
    /// Not earlier; the epoch for at once. Its conversation waits so long.
    pub not_before: Timestamp,
    /// Whoever reads it can do something by it: once it is sent, its text is not kept.
    pub fleeting: bool,
}

/// What a delivery is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// What the person waits for: they are told when it is lost.
    #[default]
    Reply,
    /// What the hub itself has to say. Nobody is told of its loss.
    Notice,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent.
    Pending,
    /// Somebody is sending it.
    Sending,
    /// The platform has it.
    Sent,
    /// The platform may have it. Not sent again by itself.
    Unknown,
    /// It will not be sent.
    Dead,
}

/// A delivery as stored.
#[derive(Clone, PartialEq, Serialize)]
pub struct Delivery {
    /// Ours.
    pub id: DeliveryId,
    /// The turn it answers.
    pub turn: Option<TurnId>,
    /// Where to.
    pub address: Address,
    /// What.
    pub outbound: Outbound,
    /// What it is for.
    pub kind: DeliveryKind,
    /// Order inside its reply.
    pub part: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it has been claimed.
    pub attempts: u32,
    /// Not earlier.
    pub not_before: Timestamp,
    /// Why it waits, is unknown or is dead.
    pub reason: Option<String>,
    /// The platform's ids of what was sent.
    pub receipt: Vec<MessageId>,
    /// Since when it stands there.
    pub changed_at: Timestamp,
}

/// Why a part of a reply ended that nobody has tried to send.
pub(crate) const EARLIER_PART: &str = "an earlier part was not sent";
/// Why one ended that an operator has dropped, and those that follow it.
pub(crate) const DROPPED: &str = "dropped by an operator";

impl Delivery {
    /// Whether an operator has dropped it, or what it follows.
    pub fn is_dropped(&self) -> bool {
        self.state == DeliveryState::Dead && self.reason.as_deref() == Some(DROPPED)
    }
}

/// A delivery that is ours alone to send, now.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// What to send, in state `sending`.
    pub delivery: Delivery,
    /// A live right to answer that one of the turn's messages brought from this very address, the
    /// newest first. One use has been taken; `uses_left` still counts it.
    pub handle: Option<ReplyHandle>,
}

/// What is to be done in a conversation.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "made once a delivery and taken apart at once")]
pub enum Next {
    /// Send this.
    Claimed(Claimed),
    /// Ask for this one then; it is ours, and nobody else will.
    Later {
        /// The oldest open delivery.
        id: DeliveryId,
        /// When it is due.
        not_before: Timestamp,
        /// When that was written down: by a wall clock that may have been set back since.
        since: Timestamp,
        /// Where to.
        address: Address,
    },
    /// Nothing: nothing is open, or somebody else is at it and will be handed what follows.
    None,
}

/// What became of a call to settle a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Whether it now stands where this call puts it.
    pub changed: bool,
    /// What is to be sent next in its conversation.
    pub next: Next,
    /// After [`DeliveryEnd::Sent`], and after [`DeliveryEnd::Unknown`] (this one and its later parts
    /// included): what was lost in this conversation and nobody was told of, oldest first. None
    /// after a notice that became unknown: a notice about a notice would have no end.
    pub untold: Vec<Lost>,
}

/// A delivery the person may have missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Ours.
    pub id: DeliveryId,
    /// The turn it answers.
    pub turn: Option<TurnId>,
    /// [`DeliveryState::Unknown`] or [`DeliveryState::Dead`].
    pub state: DeliveryState,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// What the platform said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// Sent.
    Sent {
        /// Its ids there.
        receipt: Vec<MessageId>,
    },
    /// Certainly not sent; try again, before anything later of the conversation. A use of a reply
    /// handle is given back.
    Retry {
        /// After that.
        pause: Duration,
        /// Why; never message text or tokens.
        reason: String,
    },
    /// Not tried: the platform's pace does not allow it yet. As [`DeliveryEnd::Retry`], but it does
    /// not count as an attempt and says no reason.
    Held {
        /// Until then.
        pause: Duration,
    },
    /// It may have been sent, and nothing will tell. The later parts of its reply are dead.
    Unknown {
        /// Why we cannot tell.
        reason: String,
    },
    /// It will not be sent; nor will the later parts of its reply. What a dead or unknown notice
    /// told of is untold again.
    Dead {
        /// Why.
        reason: String,
    },
}

/// Why a delivery ended that is damaged, or of a release that knows more.
pub(crate) const ILLEGIBLE: &str = "this release cannot read it";

impl DeliveryEnd {
    /// That of one that cannot be read.
    pub(crate) fn illegible(is_being_sent: bool) -> Self {
        let reason = ILLEGIBLE.to_owned();
        if is_being_sent { Self::Unknown { reason } } else { Self::Dead { reason } }
    }

    /// The state it leads to.
    pub const fn state(&self) -> DeliveryState {
        match self {
            Self::Sent { .. } => DeliveryState::Sent,
            Self::Retry { .. } | Self::Held { .. } => DeliveryState::Pending,
            Self::Unknown { .. } => DeliveryState::Unknown,
            Self::Dead { .. } => DeliveryState::Dead,
        }
    }

    /// When it is tried again, having been settled at `at`: in whole milliseconds, none too early.
    pub(crate) fn not_before(&self, at: Timestamp) -> Option<Timestamp> {
        let (Self::Retry { pause, .. } | Self::Held { pause }) = self else { return None };
        let ms = pause.as_nanos().div_ceil(1_000_000);
        Some(at.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

/// Which deliveries to list, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// At most so many.
    pub limit: u32,
    /// Older than this one, for the next page.
    pub before: Option<DeliveryId>,
    /// In this state only.
    pub state: Option<DeliveryState>,
}

impl fmt::Debug for NewDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDelivery")
            .field("id", &self.id)
            .field("turn", &self.turn)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("turn", &self.turn)
            .field("part", &self.part)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
