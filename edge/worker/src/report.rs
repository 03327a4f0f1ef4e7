//! What is told of what happens: one line of JSON in the log, and a point in the Analytics Engine.
//! Names, numbers and ids; never a text, a token or a key.

use std::fmt::Display;

use serde_json::json;
use worker::js_sys::Math;
use worker::{AnalyticsEngineDataPointBuilder, Env, console_error, console_log};
use zaki_envelope::TraceContext;

/// The Analytics Engine's binding.
const BINDING: &str = "METRICS";

/// Something has happened to `what`; `number`: milliseconds, bytes or a count.
pub(crate) fn event(env: &Env, name: &str, what: &str, number: f64) {
    console_log!("{}", json!({"event": name, "what": what, "number": number}));
    point(env, name, what, number);
}

/// A turn has ended, after so many milliseconds.
pub(crate) fn turn(env: &Env, sandbox: &str, trace: Option<&TraceContext>, ms: f64) {
    let trace = trace.and_then(|trace| serde_json::to_value(trace).ok());
    let line = json!({"event": "turn.ended", "what": sandbox, "number": ms, "trace": trace});
    console_log!("{}", line);
    point(env, "turn.ended", sandbox, ms);
}

/// Something has failed, for a reason that names no person's words.
pub(crate) fn failure(name: &str, why: &impl Display) {
    console_error!("{}", json!({"failure": name, "why": why.to_string()}));
}

fn point(env: &Env, name: &str, what: &str, number: f64) {
    // Without the binding there are no metrics, and all else goes on.
    let Ok(dataset) = env.analytics_engine(BINDING) else { return };
    let point = AnalyticsEngineDataPointBuilder::new().indexes([name]).add_blob(name);
    let _ = point.add_blob(what).add_double(number).write_to(&dataset);
}

/// For a point; exact as far as anybody looks.
#[expect(clippy::cast_precision_loss)]
pub(crate) const fn number(count: i64) -> f64 {
    count as f64
}

/// Tells ids of the same millisecond apart; keeps no secret.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn random() -> u128 {
    let word = || u128::from((Math::random() * f64::from(u32::MAX)) as u32);
    (0..4).fold(0, |sum, _| (sum << 32) | word())
}
