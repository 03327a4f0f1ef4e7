//! Interactions and gateway events into envelopes: pure, and tolerant of what Discord may add.
//!
//! Dedupe keys: `discord:<interaction or message id>`; edits add their time, deletions
//! `:delete`, reactions who, what and the event's number. A resume replays events with the same.

mod content;
mod event;
mod interaction;
mod types;

use serde::Deserialize;
use serde_json::value::RawValue;
use zaki_channel::{Dead, Parse, ParseError, Parsed, Verified};
use zaki_envelope::{
    AccountName, ChannelKind, Conversation, DedupeKey, Inbound, InboundId, InboundKind, Sender,
    Timestamp, Version,
};

use crate::Config;
pub(crate) use content::ATTACHMENT;
pub(crate) use interaction::COMMAND;
use types::Object;

/// The opcode of events.
const DISPATCH: u64 = 0;
/// Events we read; the others are not even looked into.
const EVENTS: &[&str] = &[
    "INTERACTION_CREATE",
    "MESSAGE_CREATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_UPDATE",
];

/// Reads interactions and gateway payloads for one application.
#[derive(Clone, Debug)]
pub struct Reader {
    account: AccountName,
    config: Config,
}

/// A gateway payload, its data not yet read.
#[derive(Deserialize)]
struct Payload<'a> {
    op: u64,
    #[serde(default)]
    t: Option<String>,
    #[serde(default)]
    s: Option<u64>,
    #[serde(default, borrow)]
    d: Option<&'a RawValue>,
}

/// Why an item is kept as dead.
#[derive(Clone, Copy, Debug)]
struct Lost(&'static str);

/// What every envelope needs beside its content.
struct Moment<'a> {
    account: &'a AccountName,
    bot: Option<&'a str>,
    received_at: Timestamp,
}

impl Reader {
    /// A reader for the application configured as `account`.
    pub fn new(account: AccountName, config: Config) -> Self {
        Self { account, config }
    }

    /// A reader that needs no application, for `zaki inspect`.
    pub fn inspect() -> Self {
        let account = "inspect".parse().unwrap_or_else(|_| unreachable!("a sound name"));
        Self::new(account, Config::new("inspect".into()))
    }
}

impl Parse for Reader {
    /// Takes both: the body of an interaction, and a payload of the gateway.
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        let moment = Moment { account: &self.account, bot: self.config.bot_id(), received_at };
        let raw = bytes.body();
        let read = match serde_json::from_slice::<Payload<'_>>(raw) {
            Ok(payload) => event(&payload, &moment)?,
            Err(_) => interaction(raw, &moment)?,
        };
        Ok(read.unwrap_or_else(|Lost(reason)| Parsed {
            dead: vec![Dead { reason: reason.to_owned(), raw: raw.to_vec() }],
            ..Parsed::default()
        }))
    }
}

fn event(payload: &Payload<'_>, moment: &Moment<'_>) -> Result<Result<Parsed, Lost>, ParseError> {
    let name = payload.t.as_deref().unwrap_or_default();
    if payload.op != DISPATCH || !EVENTS.contains(&name) {
        return Ok(Ok(Parsed::default()));
    }
    let d = payload.d.map_or("", RawValue::get);
    let d: Object = serde_json::from_str(d).map_err(|e| unread("Discord gateway event", &e))?;
    if name == "INTERACTION_CREATE" {
        return Ok(interaction::read(&d, moment));
    }
    let inbounds = event::read(name, payload.s.unwrap_or_default(), &d, moment);
    Ok(inbounds.map(|inbounds| Parsed {
        arrivals: inbounds.into_iter().map(Into::into).collect(),
        ..Parsed::default()
    }))
}

fn interaction(raw: &[u8], moment: &Moment<'_>) -> Result<Result<Parsed, Lost>, ParseError> {
    let body: Object =
        serde_json::from_slice(raw).map_err(|e| unread("Discord interaction", &e))?;
    if body.get::<u64>("type").is_none() {
        let reason = "no type".to_owned();
        return Err(ParseError { what: "Discord interaction", reason });
    }
    Ok(interaction::read(&body, moment))
}

/// serde's own words may quote the bytes: line and column are all we say.
fn unread(what: &'static str, e: &serde_json::Error) -> ParseError {
    let reason = format!("no JSON object, line {} column {}", e.line(), e.column());
    ParseError { what, reason }
}

impl Moment<'_> {
    fn is_bot(&self, id: &str) -> bool {
        self.bot == Some(id)
    }

    fn envelope(&self, key: &str, conversation: Conversation, sender: Sender) -> Inbound {
        let dedupe = DedupeKey::new(format!("discord:{key}"));
        Inbound {
            v: Version,
            id: InboundId::derive(self.received_at, self.account, &dedupe),
            channel: ChannelKind::Discord,
            account: self.account.clone(),
            dedupe,
            sent_at: None,
            received_at: self.received_at,
            conversation,
            sender,
            kind: InboundKind::Message,
            message: None,
            parts: Vec::new(),
            reply_to: None,
            group: None,
            addressed: false,
            trace: None,
        }
    }
}
