//! The hub's clock and its fresh ids. Everything below takes time and randomness from here.

pub(crate) use zaki_channel::now;
use zaki_envelope::{DeliveryId, TurnId};

/// A new turn's id.
pub(crate) fn turn_id() -> TurnId {
    TurnId::from_parts(now(), rand::random())
}

/// A new delivery's id.
pub(crate) fn delivery_id() -> DeliveryId {
    DeliveryId::from_parts(now(), rand::random())
}
