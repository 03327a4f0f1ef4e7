//! The right to act, as this machine's own clock sees it.
//!
//! The ledger judges the lease when it is asked to write; a platform or an edge cannot. So before
//! every call that leaves this process the lease is looked at here, and it ends here a little
//! before anybody else may think that it has ended.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};
use zaki_ledger::Fence;

/// A lease of the ledger. On SQLite, where there is one hub, it never ends.
pub(crate) struct Lease {
    fence: Fence,
    ttl: Option<Duration>,
    /// Milliseconds since the machine started.
    ends: AtomicU64,
    replicas: AtomicU32,
}

impl Lease {
    /// A lease that was asked for at `asked`.
    pub(crate) fn new(fence: Fence, ttl: Option<Duration>, asked: Uptime) -> Self {
        let lease = Self { fence, ttl, ends: AtomicU64::new(0), replicas: AtomicU32::new(1) };
        lease.renew(asked, 1);
        lease
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// It was renewed by a call begun at `asked`, when so many replicas were alive.
    pub(crate) fn renew(&self, asked: Uptime, replicas: u32) {
        // A tenth for clocks that do not run alike, and for the way of what is sent last.
        let sure = self.ttl.map_or(Duration::MAX, |ttl| ttl / 10 * 9);
        let ends = asked.0.saturating_add(sure).as_millis();
        self.ends.store(u64::try_from(ends).unwrap_or(u64::MAX), Ordering::Release);
        self.replicas.store(replicas.max(1), Ordering::Relaxed);
    }

    /// It is over, as after a long sleep of the machine.
    #[cfg(test)]
    pub(crate) fn lapse(&self) {
        self.ends.store(0, Ordering::Release);
    }

    /// Whether something may still be sent or begun.
    pub(crate) fn is_live(&self) -> bool {
        let now = Uptime::now().0.as_millis();
        now < u128::from(self.ends.load(Ordering::Acquire))
    }

    /// How many replicas share the platforms' limits.
    pub(crate) fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed)
    }
}

/// Time since the machine started. It goes on while the machine or this process sleeps, and does
/// not jump with the wall clock.
#[derive(Clone, Copy)]
pub(crate) struct Uptime(Duration);

impl Uptime {
    pub(crate) fn now() -> Self {
        // Cannot fail on Linux 2.6.39 and newer; if it did, no lease would be live.
        Self(clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    fn asked_ago(ms: u64) -> Uptime {
        Uptime(Uptime::now().0.saturating_sub(Duration::from_millis(ms)))
    }

    fn lease(ttl: Option<Duration>, asked: Uptime) -> Lease {
        Lease::new(Fence::from_token(7), ttl, asked)
    }

    #[test]
    fn it_counts_from_before_it_was_asked_for_and_ends_early() {
        assert!(lease(Some(TTL), asked_ago(4000)).is_live());
        assert!(!lease(Some(TTL), asked_ago(4600)).is_live());
    }

    #[test]
    fn a_pulse_makes_it_live_again() {
        let lease = lease(Some(TTL), asked_ago(6000));
        assert!(!lease.is_live());
        lease.renew(asked_ago(0), 3);
        assert!(lease.is_live());
        assert_eq!(lease.replicas(), 3);
    }

    #[test]
    fn the_only_hub_of_a_ledger_keeps_it() {
        assert!(lease(None, asked_ago(3_000)).is_live());
    }
}
