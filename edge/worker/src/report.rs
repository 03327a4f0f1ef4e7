//! What is told of what happens: one line of JSON in the log, and a point in the Analytics Engine
//! where one is bound. Names, numbers and ids; never a text, a token or a key. `docs/cloudflare.md`
//! has the list of events.
//!
//! Requests are counted in this isolate and told of together: an event for each would cost more than
//! the request. What an isolate has counted in its last seconds goes with it.

use std::cell::RefCell;
use std::fmt::Display;

use serde_json::{Map, Value, json};
use worker::js_sys::Math;
use worker::{AnalyticsEngineDataPointBuilder, Env, console_error, console_log};
use zaki_edge_core::tally::Requests;
use zaki_envelope::{
    Timestamp, TraceContext,
    wire::{GatewayState, ProviderReport, TurnRequest},
};

/// The Analytics Engine's binding.
const BINDING: &str = "METRICS";
/// Between two tellings of how many requests there were, in milliseconds.
const TOGETHER_MS: i64 = 10_000;

/// Something has happened to `what`; `number`: milliseconds, bytes or a count.
pub(crate) fn event(env: &Env, name: &str, what: &str, number: f64) {
    figures(env, name, what, &[("number", number)]);
}

/// The same with several numbers, each under its name; in a point they stand in this order.
pub(crate) fn figures(env: &Env, name: &str, what: &str, numbers: &[(&str, f64)]) {
    let mut line = Map::new();
    line.insert("event".to_owned(), name.into());
    line.insert("what".to_owned(), what.into());
    line.extend(numbers.iter().map(|(name, number)| ((*name).to_owned(), Value::from(*number))));
    console_log!("{}", Value::Object(line));
    point(env, name, [what, ""], numbers.iter().map(|(_, number)| *number));
}

/// A turn begins.
pub(crate) fn turn_begins(env: &Env, sandbox: &str, turn: &TurnRequest) {
    let (id, trace) = (turn.turn.to_string(), trace(turn));
    console_log!(
        "{}",
        json!({"event": "turn.begins", "what": sandbox, "turn": id, "trace": trace})
    );
    point(env, "turn.begins", [sandbox, ""], [1.0]);
}

/// A turn has ended, after so many milliseconds.
pub(crate) fn turn_ended(env: &Env, sandbox: &str, turn: &TurnRequest, end: &str, ms: f64) {
    let (id, trace) = (turn.turn.to_string(), trace(turn));
    let line = json!({
        "event": "turn.ended", "what": sandbox, "turn": id, "trace": trace, "end": end, "number": ms,
    });
    console_log!("{}", line);
    point(env, "turn.ended", [sandbox, end], [ms]);
}

fn trace(turn: &TurnRequest) -> Option<&str> {
    turn.trace.as_ref().and_then(TraceContext::id)
}

/// How a gateway does, and how many read events in this isolate.
pub(crate) fn gateway(env: &Env, sandbox: &str, state: GatewayState, streams: u64) {
    let GatewayState { up_ms, memory, connections } = state;
    let numbers = [
        ("up_ms", whole(up_ms)),
        ("memory", whole(memory)),
        ("websockets", f64::from(connections)),
        ("streams", whole(streams)),
    ];
    figures(env, "gateway.stands", sandbox, &numbers);
}

/// How a breaker of this isolate stands.
pub(crate) fn breaker(env: &Env, stands: &ProviderReport) {
    let fault = stands.fault.as_deref().filter(|_| stands.since.is_some()).unwrap_or_default();
    let (what, asked) = (&stands.provider, stands.is_asked);
    console_log!(
        "{}",
        json!({"event": "breaker.stands", "what": what, "is_asked": asked, "fault": fault})
    );
    point(env, "breaker.stands", [what, fault], [f64::from(u8::from(asked))]);
}

/// Something has failed, for a reason that names no person's words.
pub(crate) fn failure(name: &str, why: &impl Display) {
    console_error!("{}", json!({"failure": name, "why": why.to_string()}));
}

thread_local! {
    static REQUESTS: RefCell<(Requests, Timestamp)> = RefCell::default();
}

/// A request for `call` was answered. Of a stream: it has begun.
pub(crate) fn request(
    env: &Env,
    call: Option<&'static str>,
    status: u16,
    began: Timestamp,
    now: Timestamp,
) {
    let took = now.since(began).max(0).unsigned_abs();
    let due = REQUESTS.with_borrow_mut(|(requests, since)| {
        if requests.is_empty() {
            *since = began;
        }
        requests.note(call, status, took);
        (now.since(*since) >= TOGETHER_MS).then(|| std::mem::take(requests))
    });
    if let Some(requests) = due {
        tell(env, &requests);
    }
}

/// Tells of what was counted since, whenever that was.
pub(crate) fn flush(env: &Env) {
    tell(env, &REQUESTS.with_borrow_mut(|(requests, _)| std::mem::take(requests)));
}

fn tell(env: &Env, requests: &Requests) {
    for (call, status, times) in requests.each() {
        let numbers = [
            ("count", whole(times.count())),
            ("p50_ms", whole(times.percentile(50))),
            ("p95_ms", whole(times.percentile(95))),
            ("sum_ms", whole(times.sum_ms())),
        ];
        figures(env, "requests", &format!("{call} {status}"), &numbers);
    }
}

fn point(env: &Env, name: &str, what: [&str; 2], numbers: impl IntoIterator<Item = f64>) {
    // Without the binding there are no points, and all else goes on.
    let Ok(dataset) = env.analytics_engine(BINDING) else { return };
    let point = AnalyticsEngineDataPointBuilder::new().indexes([name]).add_blob(name);
    let point = what
        .into_iter()
        .filter(|it| !it.is_empty())
        .fold(point, AnalyticsEngineDataPointBuilder::add_blob);
    let point = numbers.into_iter().fold(point, AnalyticsEngineDataPointBuilder::add_double);
    let _ = point.write_to(&dataset);
}

/// For a point; exact as far as anybody looks.
#[expect(clippy::cast_precision_loss)]
pub(crate) const fn number(count: i64) -> f64 {
    count as f64
}

/// The same of what is never less than nothing.
#[expect(clippy::cast_precision_loss)]
pub(crate) const fn whole(count: u64) -> f64 {
    count as f64
}

/// Tells ids of the same millisecond apart; keeps no secret.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn random() -> u128 {
    let word = || u128::from((Math::random() * f64::from(u32::MAX)) as u32);
    (0..4).fold(0, |sum, _| (sum << 32) | word())
}
