//! The one clock, and waiting.

use std::time::Duration;

use futures::future::{Either, select};
use std::pin::pin;
use worker::{Delay, js_sys::Date};
use zaki_envelope::Timestamp;

/// Now. In a Worker time stands still between two waits.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(ms(Date::now()))
}

/// Milliseconds since 1970, which JavaScript has as a float that is whole.
#[expect(clippy::cast_possible_truncation)]
const fn ms(count: f64) -> i64 {
    count as i64
}

/// Waits.
pub(crate) async fn sleep(ms: u64) {
    Delay::from(Duration::from_millis(ms)).await;
}

/// `None`: it took longer.
pub(crate) async fn timeout<T>(ms: u64, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(sleep(ms))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
