//! The hub's clock and its fresh ids. Everything below takes time and randomness from here.

use std::time::{SystemTime, UNIX_EPOCH};

use zaki_envelope::{DeliveryId, Timestamp, TurnId};

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A new turn's id.
pub(crate) fn turn_id() -> TurnId {
    TurnId::from_parts(now(), rand::random())
}

/// A new delivery's id.
pub(crate) fn delivery_id() -> DeliveryId {
    DeliveryId::from_parts(now(), rand::random())
}
