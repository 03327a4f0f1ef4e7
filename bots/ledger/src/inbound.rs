//! What comes in, on its way to a turn.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};
use zaki_envelope::{
    AccountName, ChannelKind, Inbound, InboundId, ReplyHandle, SessionKey, Timestamp, TurnId,
};

/// One request of a platform, or one frame of its socket, with all it held: accepted together.
#[derive(Clone)]
pub struct Batch {
    /// Where it came in.
    pub channel: ChannelKind,
    /// By which of our bots.
    pub account: AccountName,
    /// When it reached us.
    pub received_at: Timestamp,
    /// Its bytes; kept once per request and for a while, unless all of it was known already.
    pub raw: Vec<u8>,
    /// What it said.
    pub items: Vec<NewInbound>,
    /// What in it made no sense.
    pub dead: Vec<DeadLetter>,
    /// How far the source has read with it.
    pub cursor: Option<CursorUpdate>,
}

/// A message or event, with the secret that came with it.
#[derive(Clone, Debug)]
pub struct NewInbound {
    /// The envelope.
    pub inbound: Inbound,
    /// A right to answer; stored apart.
    pub handle: Option<ReplyHandle>,
    /// Why it gets no turn, where that is known already: it is settled by the same commit.
    pub settled: Option<SettleReason>,
    /// Where it has its place among others that are for the agent, so that a turn of later ones
    /// takes it along. `None`: it is not for the agent, and no turn but one that names it has it.
    pub line: Option<Line>,
}

impl NewInbound {
    /// Where it stands at first.
    pub(crate) fn state(&self) -> InboundState {
        self.settled.map_or(InboundState::Accepted, SettleReason::state)
    }
}

/// What one sender says in one session: all that is known of a message's lane before anybody has
/// asked whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line([u8; 16]);

impl Line {
    /// The line of a message. A digest, since ids of platforms know no bounds.
    pub fn of(inbound: &Inbound) -> Self {
        let (sender, session) = (&inbound.sender, SessionKey::of(inbound));
        let words =
            [inbound.channel.as_str(), sender.scope.as_str(), sender.id.as_str(), session.as_str()];
        Self(digest(&words))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Words that belong together, as a key of one length.
pub(crate) fn digest(words: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.len().to_be_bytes());
        hash.update(word);
    }
    hash.finalize().first_chunk().copied().unwrap_or_default()
}

impl Batch {
    /// How much it held.
    pub(crate) fn size(&self) -> i64 {
        i64::try_from(self.items.len() + self.dead.len()).unwrap_or(i64::MAX)
    }
}

/// Authentic bytes that are not what the platform documents.
#[derive(Clone)]
pub struct DeadLetter {
    /// What is wrong with them; never their content.
    pub reason: String,
    /// The bytes.
    pub raw: Vec<u8>,
}

/// How far a socket source has read; committed with the messages it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorUpdate {
    /// `telegram:<account>`.
    pub name: String,
    /// The offset or sequence, in the source's own words.
    pub value: String,
}

/// What became of a [`Batch`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accepted {
    /// New ones that are not settled, in the order of the batch: for these alone a turn may start.
    pub fresh: Vec<Inbound>,
    /// How many were known already.
    pub duplicates: usize,
}

impl Accepted {
    /// From what was asked and which of it is new.
    pub(crate) fn of(items: Vec<NewInbound>, fresh: &[bool]) -> Self {
        let duplicates = fresh.iter().filter(|fresh| !**fresh).count();
        let fresh = items.into_iter().zip(fresh).filter(|(_, fresh)| **fresh);
        let fresh = fresh.filter(|(item, _)| item.settled.is_none());
        Self { fresh: fresh.map(|(item, _)| item.inbound).collect(), duplicates }
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundState {
    /// Stored and acknowledged, nothing done yet.
    Accepted,
    /// Part of a turn.
    Joined,
    /// No turn, and that is right.
    Settled,
    /// No turn, and that is wrong.
    Dead,
}

/// Why a message gets no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettleReason {
    /// Said to others.
    NotAddressed,
    /// Said by a program: ourselves or another bot.
    Bot,
    /// Policy keeps its sender out.
    Refused,
    /// Nothing to answer: a reaction, a status, an edit.
    Event,
    /// A command the hub has carried out itself.
    Command,
    /// No content that an agent could answer.
    Empty,
    /// Over a limit.
    Limited,
    /// We failed on it for good. The only reason that makes it [`InboundState::Dead`].
    Broken,
}

impl SettleReason {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAddressed => "not_addressed",
            Self::Bot => "bot",
            Self::Refused => "refused",
            Self::Event => "event",
            Self::Command => "command",
            Self::Empty => "empty",
            Self::Limited => "limited",
            Self::Broken => "broken",
        }
    }

    /// Where it leads.
    pub const fn state(self) -> InboundState {
        match self {
            Self::Broken => InboundState::Dead,
            _ => InboundState::Settled,
        }
    }
}

/// Which messages to list, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboundFilter {
    /// At most so many.
    pub limit: u32,
    /// Older than this one, for the next page.
    pub before: Option<InboundId>,
    /// In this state only.
    pub state: Option<InboundState>,
}

/// What was asked for, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// Newest first.
    pub rows: Vec<T>,
    /// The ids of what is damaged, or of a release that knows more.
    pub illegible: Vec<String>,
}

impl<T> Listed<T> {
    /// Whether there was nothing.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.illegible.is_empty()
    }
}

/// A message and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InboundRecord {
    /// The envelope.
    pub inbound: Inbound,
    /// Where it stands.
    pub state: InboundState,
    /// The turn it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    /// Why it has none: a [`SettleReason`], perhaps of a later release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A dead letter as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadRecord {
    /// Counts up.
    pub id: i64,
    /// Where it came in.
    pub channel: ChannelKind,
    /// By which of our bots.
    pub account: AccountName,
    /// When.
    pub received_at: Timestamp,
    /// What is wrong with it.
    pub reason: String,
    /// The bytes.
    pub raw: Vec<u8>,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("channel", &self.channel)
            .field("account", &self.account)
            .field("items", &self.items.len())
            .field("dead", &self.dead.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("reason", &self.reason)
            .field("bytes", &self.raw.len())
            .finish()
    }
}

impl fmt::Debug for DeadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadRecord")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("reason", &self.reason)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}
