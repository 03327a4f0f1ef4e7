//! The channels' clock: when something arrived, and whether a reply handle still lives.

use std::time::{SystemTime, UNIX_EPOCH};

use zaki_envelope::Timestamp;

/// Now, by the machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
