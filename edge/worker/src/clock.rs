//! The one clock, and waiting.

use std::time::Duration;

use futures::future::{Either, select};
use std::pin::pin;
use worker::{Date, Delay};
use zaki_envelope::Timestamp;

/// Now. In a Worker time stands still between two waits.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
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
