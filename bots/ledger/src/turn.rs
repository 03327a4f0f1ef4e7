//! A turn: one question to the agent, made of one or more messages, and its end.

use zaki_envelope::wire::ErrorCode;
use zaki_envelope::{
    Address, Inbound, InboundId, MessageId, SandboxKind, SessionKey, Timestamp, TurnId, ZakiUserId,
};

use crate::Next;

/// A turn that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTurn {
    /// Its idempotency key all the way down.
    pub id: TurnId,
    /// Whose it is.
    pub user: ZakiUserId,
    /// In which conversation with the agent.
    pub session: SessionKey,
    /// In which of the person's sandboxes.
    pub sandbox: SandboxKind,
    /// The messages it answers, in order; each of them accepted and in no other turn.
    pub inbounds: Vec<InboundId>,
    /// Where the answer goes.
    pub reply: ReplyPlan,
    /// When it begins.
    pub at: Timestamp,
}

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyPlan {
    /// The place. Its `handle` is not stored: the ledger finds a live one when it is needed.
    pub address: Address,
    /// The message it answers, where the channel shows that.
    pub reply_to: Option<MessageId>,
}

/// What became of a call to begin a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    /// It runs, and is ours to end.
    Begun {
        /// What it has taken along, in order.
        earlier: Vec<Earlier>,
    },
    /// Another turn of the lane is open. The messages wait for its end, which hands them to
    /// whoever ends it: forget them.
    Busy {
        /// That turn.
        turn: TurnId,
    },
}

/// A message that another replica had accepted, or nobody had any more, and that a turn has taken
/// along, since one of its own came later in the same [`Line`](crate::Line).
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// Its place among all messages of the call.
    pub place: usize,
    /// The envelope.
    pub inbound: Inbound,
}

impl Earlier {
    /// So many are taken along by one call, the oldest ones.
    pub const MOST: u32 = 16;

    /// The messages of a call with those taken along among them.
    pub fn among(earlier: Vec<Self>, messages: &mut Vec<Inbound>) {
        for Self { place, inbound } in earlier {
            messages.insert(place.min(messages.len()), inbound);
        }
    }
}

/// A turn taken over while it runs: to be resumed at the edge by its id.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenTurn {
    /// As it began.
    pub turn: NewTurn,
    /// The messages it began with, in order.
    pub inbounds: Vec<Inbound>,
    /// Those that joined it later, in order.
    pub steered: Vec<Inbound>,
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// With an answer (an empty one, too).
    Finished,
    /// Without.
    Failed {
        /// Which kind of failure.
        code: ErrorCode,
    },
    /// Stopped by the person.
    Aborted,
}

/// What became of a call to end a turn.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "made once a turn and taken apart at once")]
pub enum Finish {
    /// It has ended now, and its deliveries are stored.
    Ended {
        /// What is to be sent in the conversation of the first of them.
        first: Next,
        /// Messages that others have left for the lane, and those that had joined the turn unheard,
        /// in order of acceptance. Now ours.
        waiting: Vec<Inbound>,
    },
    /// It had ended before. Nothing has changed; the deliveries of this call are not stored.
    AlreadyEnded,
}
