//! What is answered: a status, headers and a body, or events as they come.

use serde::Serialize;
use serde_json::json;
use zaki_envelope::wire::{ErrorCode, TurnEvent, TurnEventKind, Usage, WakeAnswer, encode_sse};

use crate::{front::Refusal, turn::TurnLog};

/// As much of a stream goes out at once, in bytes, when there is more to tell.
pub const CHUNK: usize = 64 * 1024;
/// What a stream of events says when there is nothing to tell for a while.
pub const ALIVE: &str = ": keep-alive\n\n";
/// The headers of a stream of events.
pub const EVENTS: [(&str, &str); 2] =
    [("content-type", "text/event-stream"), ("cache-control", "no-store")];

/// One whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// No body.
    pub const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// It is done, and there is nothing to say about it.
    pub const fn done() -> Self {
        Self::empty(204)
    }

    /// It will be done.
    pub const fn accepted() -> Self {
        Self::empty(202)
    }

    /// A value of the wire.
    pub fn json(value: &impl Serialize) -> Self {
        Self::with(200, value)
    }

    /// The same with a status of its own.
    pub fn with(status: u16, value: &impl Serialize) -> Self {
        // Our own types always have a JSON form.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, headers: vec![("content-type", "application/json")], body }
    }

    /// The edge is up.
    pub fn health() -> Self {
        Self::json(&json!({"ok": true}))
    }

    /// The sandbox is up, or coming up.
    pub fn woken(ready: bool) -> Self {
        Self::with(202, &WakeAnswer { ready })
    }

    /// All of somebody has gone, or goes.
    pub const fn left(done: bool) -> Self {
        if done { Self::done() } else { Self::accepted() }
    }

    /// Counts in Prometheus' text format.
    pub fn metrics(text: String) -> Self {
        let headers = vec![("content-type", "text/plain; charset=utf-8")];
        Self { status: 200, headers, body: text.into_bytes() }
    }

    /// Events that are all known already.
    pub fn events(text: String) -> Self {
        Self { status: 200, headers: EVENTS.to_vec(), body: text.into_bytes() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = Self::with(refusal.status(), &json!({"error": refusal.to_string()}));
        match refusal {
            Refusal::Method { allow } => answer.headers.push(("allow", allow)),
            Refusal::Unavailable => answer.headers.push(("retry-after", "1")),
            Refusal::TooMany { after } => answer.headers.push(("retry-after", after.as_str())),
            _ => {}
        }
        answer
    }
}

/// Appends an event.
pub fn write(chunk: &mut String, event: &TurnEvent) {
    // Our own types always have a JSON form.
    if let Ok(text) = encode_sse(event) {
        chunk.push_str(&text);
    }
}

/// What is left of a turn that has ended, for a reader who has everything up to `after`.
pub fn ended(log: &TurnLog, after: u64) -> String {
    let mut chunk = String::new();
    log.after(after).iter().for_each(|event| write(&mut chunk, event));
    chunk
}

/// The end of a turn that may not begin.
pub fn barred(code: ErrorCode, why: &str, after: u64) -> String {
    let kind = TurnEventKind::Error { code, message: why.to_owned(), usage: Usage::default() };
    let mut chunk = String::new();
    write(&mut chunk, &TurnEvent { seq: after.saturating_add(1), kind });
    chunk
}
