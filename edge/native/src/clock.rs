//! The one place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use zaki_envelope::Timestamp;

/// Now; the epoch itself when the machine's clock is before it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
