//! What every simulator offers, and the two records it keeps: calls and what they did.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::meter::Meter;
use super::{Attempt, Excess, Fault, Faults, Limit, Log, Repeat, meter};

/// What was shown and what was delivered is kept for a whole suite's load.
const KEPT: usize = 100_000;

/// One request to the platform's API, whatever came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// When it was answered.
    pub at: SystemTime,
    /// The method's name: Telegram's and Slack's own, for Discord and Graph as the module lists.
    pub method: String,
    /// The HTTP method.
    pub verb: String,
    /// The path, without a token where the platform puts one in it.
    pub path: String,
    /// The request's headers, without `authorization`.
    #[serde(skip)]
    pub headers: HeaderMap,
    /// The parameters (query, JSON, form or multipart) as one JSON value.
    pub body: Value,
    /// The status answered; 0 where the connection was dropped instead.
    pub status: u16,
    /// The JSON answered, null where there was none.
    pub answer: Value,
}

/// What an accepted call did to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A new message.
    Post,
    /// New content for an earlier message.
    Edit,
    /// An earlier message taken back.
    Retract,
    /// A reaction set (text = the emoji, empty = removed).
    React,
    /// Shown as typing.
    Typing,
    /// An earlier message marked as read.
    Read,
    /// An answer to an interaction: button, slash command.
    Answer,
}

/// Something the bot did that people can see.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// When.
    pub at: SystemTime,
    /// What.
    pub act: Act,
    /// Chat or channel id; on WhatsApp the recipient.
    pub conversation: String,
    /// The id of the message made or changed; empty for typing.
    pub message: String,
    /// The text, empty where there is none.
    pub text: String,
    /// The thread or topic in the conversation.
    pub thread: Option<String>,
    /// The message this one replies to.
    pub reply_to: Option<String>,
    /// SHA-256 of the bytes of its files, in hex.
    pub files: Vec<String>,
    /// The request's parameters.
    pub raw: Value,
}

impl Sent {
    pub(crate) fn new(act: Act, conversation: &str, message: &str, text: &str) -> Self {
        Self {
            at: SystemTime::now(),
            act,
            conversation: conversation.to_owned(),
            message: message.to_owned(),
            text: text.to_owned(),
            thread: None,
            reply_to: None,
            files: Vec::new(),
            raw: Value::Null,
        }
    }

    /// It is a new message.
    pub fn is_post(&self) -> bool {
        self.act == Act::Post
    }

    /// It shows text: a new message, an edit or an answer.
    pub fn has_text(&self) -> bool {
        matches!(self.act, Act::Post | Act::Edit | Act::Answer) && !self.text.is_empty()
    }
}

/// The records, faults and lifetime of one simulator. Clones share them.
#[derive(Clone, Debug)]
pub struct Desk {
    url: String,
    records: Records,
    stop: CancellationToken,
    _stops_on_drop: Arc<DropGuard>,
}

impl Desk {
    pub(crate) fn new(url: String, records: Records, stop: CancellationToken) -> Self {
        let guard = Arc::new(stop.clone().drop_guard());
        Self { url, records, stop, _stops_on_drop: guard }
    }
}

/// The part of a [`Desk`] that the server itself writes to: it keeps nothing alive.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    /// Written by [`Records::show`].
    sent: Log<Sent>,
    meter: Meter,
    pub(crate) arrived: Log<String>,
    pub(crate) calls: Log<Call>,
    pub(crate) attempts: Log<Attempt>,
    pub(crate) faults: Faults,
}

impl Records {
    /// Nothing yet, on a platform with these limits.
    pub(crate) fn new(limits: &'static [Limit]) -> Self {
        Self {
            sent: Log::keeping(KEPT),
            meter: Meter::new(limits),
            arrived: Log::default(),
            calls: Log::default(),
            attempts: Log::keeping(KEPT),
            faults: Faults::default(),
        }
    }

    /// People see it.
    pub(crate) fn show(&self, sent: Sent) {
        if matches!(sent.act, Act::Post | Act::Edit) {
            self.meter.count(&sent.conversation);
        }
        self.sent.push(sent);
    }
}

/// What every simulated platform offers.
pub trait Simulator {
    /// The platform's name: `telegram`, `discord`, `whatsapp`, `slack`.
    fn name(&self) -> &'static str;

    /// Its records.
    fn desk(&self) -> &Desk;

    /// Tokens, secrets, ids and URLs a client needs, as JSON.
    fn credentials(&self) -> Value;

    /// The base URL, `http://127.0.0.1:<port>`, without a slash at the end.
    fn url(&self) -> &str {
        &self.desk().url
    }

    /// What accepted calls did.
    fn sent(&self) -> &Log<Sent> {
        &self.desk().records.sent
    }

    /// The method of every call, when it comes: a long poll long before it is answered.
    fn arrived(&self) -> &Log<String> {
        &self.desk().records.arrived
    }

    /// Where messages and edits came faster than the platform allows: one more than a limit's
    /// count in less than `share` of its stretch. 1.0 is the platform's own word; less leaves room
    /// for what a busy machine adds between the sender and us.
    fn excesses(&self, share: f64) -> Vec<Excess> {
        self.desk().records.meter.excesses(share)
    }

    /// Texts that stand more than once in a conversation, among what is kept of [`Self::sent`].
    fn repeats(&self) -> Vec<Repeat> {
        meter::repeats(&self.sent().matching(Sent::is_post))
    }

    /// Every call of the API when it was answered, refused ones too.
    fn calls(&self) -> &Log<Call> {
        &self.desk().records.calls
    }

    /// Every POST to the bot's webhook and what came back.
    fn attempts(&self) -> &Log<Attempt> {
        &self.desk().records.attempts
    }

    /// The trouble still to come.
    fn faults(&self) -> &Faults {
        &self.desk().records.faults
    }

    /// Shorthand: the next `count` calls (of `method`, if given) go wrong.
    fn fail(&self, method: Option<&str>, count: u32, fault: Fault) {
        match method {
            Some(method) => self.faults().next_of(method, count, fault),
            None => self.faults().next(count, fault),
        }
    }

    /// Stop serving and delivering, and close all connections. Dropping the last handle does too.
    fn stop(&self) {
        self.desk().stop.cancel();
    }
}
