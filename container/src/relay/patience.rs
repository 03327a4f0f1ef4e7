//! How long a relay waits for what.

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Beyond the budget, for the gateway to report its own time-out. Measured: up to 5 s late on
    /// a cold gateway.
    pub(crate) grace: Duration,
    /// For the last word of an aborted run. Measured: 50 ms.
    pub(crate) abort: Duration,
    /// After a start, for the gateway to resume what was interrupted. Measured: what it will
    /// resume is active at once after its hello.
    pub(crate) resume: Duration,
    /// Between two looks meanwhile.
    pub(crate) step: Duration,
    /// Between two looks whether the end of a turn of which nothing is heard was missed.
    pub(crate) look: Duration,
    /// Between two looks whether what was steered in has been answered. Measured: what waited for
    /// the end of a run begins 50 ms behind it.
    pub(crate) settle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            abort: Duration::from_secs(3),
            resume: Duration::from_secs(10),
            step: Duration::from_secs(1),
            look: Duration::from_secs(10),
            settle: Duration::from_millis(200),
        }
    }
}
