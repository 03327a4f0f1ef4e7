//! The webhook half of a channel: pure, so that it can be tested with bytes alone.

use http::{HeaderMap, Method};
use zaki_envelope::{Inbound, ReplyHandle, Timestamp};

use crate::{Proof, Refusal};

/// An HTTP request to `/webhooks/<channel>/<account><route>` as it arrived.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// What follows the account in the path: empty, or `/events` and the like.
    pub route: &'a str,
    /// The raw query string, without `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw bytes.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Checks who sent it. The only way from a request to something a parser takes.
    pub fn verify(self, proof: &Proof<'_>, now: Timestamp) -> Result<Verified<'a>, Refusal> {
        proof.check(self.headers, self.body, now)?;
        Ok(Verified { route: self.route, body: self.body })
    }
}

/// Bytes whose origin has been proven.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    route: &'a str,
    body: &'a [u8],
}

impl<'a> Verified<'a> {
    /// Bytes that came over a connection we opened and authenticated ourselves, or that an
    /// operator hands to `zaki inspect`. Never for a webhook request.
    pub fn trusted(route: &'a str, body: &'a [u8]) -> Self {
        Self { route, body }
    }

    /// What follows the account in the path.
    pub fn route(&self) -> &'a str {
        self.route
    }

    /// The raw bytes.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// One message out of a request, with the right to answer it that came along.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The envelope.
    pub inbound: Inbound,
    /// Stored beside the envelope, never in it.
    pub handle: Option<ReplyHandle>,
}

impl From<Inbound> for Arrival {
    fn from(inbound: Inbound) -> Self {
        Self { inbound, handle: None }
    }
}

/// One item of a request that could not be read; the others are not lost with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Why, for the operator. No message text.
    pub reason: String,
    /// The item's own bytes.
    pub raw: Vec<u8>,
}

/// What a request said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// What is to be accepted, in order. Empty for what a channel ignores (its own messages).
    pub arrivals: Vec<Arrival>,
    /// What could not be read.
    pub dead: Vec<Dead>,
    /// What the platform is told once all of it is stored.
    pub answer: Answer,
}

/// The bytes are not this platform's. The hub keeps them as a dead letter and answers 200, so that
/// the platform neither repeats them forever nor blocks the chat.
#[derive(Debug, thiserror::Error)]
#[error("not a {what}: {reason}")]
pub struct ParseError {
    /// What was expected.
    pub what: &'static str,
    /// Why it is none; no message text.
    pub reason: String,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Default for Answer {
    /// 200 with nothing in it.
    fn default() -> Self {
        Self::text(200, "")
    }
}

impl Answer {
    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// 200 with JSON.
    pub fn json(body: &serde_json::Value) -> Self {
        Self { status: 200, content_type: "application/json", body: body.to_string() }
    }
}

/// Turns a platform's bytes into envelopes. Pure and tolerant: unknown fields and kinds lose no
/// message; an unknown kind becomes `Part::Unsupported` or `InboundKind::Other`.
pub trait Parse: Send + Sync {
    /// Reads one request or one socket frame.
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError>;
}

/// A channel that is called by its platform.
pub trait Webhook: Parse {
    /// The largest body it takes, in bytes.
    fn max_body(&self) -> usize {
        1 << 20
    }

    /// How a request proves where it comes from. Fails closed: there is no "none".
    fn proof(&self) -> Proof<'_>;

    /// Answers a set-up request that cannot be signed (WhatsApp's GET challenge); `None` for all
    /// others, which then must carry a proof.
    fn greet(&self, _request: &Request<'_>) -> Option<Answer> {
        None
    }

    /// Whether enough is known to read a request: the bot's own name, by which people address it.
    /// Until then the platform is asked to come again.
    fn is_ready(&self) -> bool {
        true
    }
}
