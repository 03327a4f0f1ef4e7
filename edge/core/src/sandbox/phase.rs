//! Where a sandbox is in its life, and when one that rests there is woken.

use zaki_envelope::{Timestamp, wire::SandboxPhase};

/// So long before its time whatever is stopped is woken, in milliseconds: a start takes ten seconds
/// and, beside others, a minute. OpenClaw puts off by two minutes what it is too late for.
const LEAD_MS: i64 = 45_000;
/// So long a stop takes, with its backup and what its agent puts in order before.
const STOP_MS: i64 = 15_000;

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    #[default]
    Stopped,
    /// It waits until the machine may start one more.
    Queued,
    /// It starts.
    Starting,
    /// It takes turns.
    Running,
    /// Its agent is being asked whether it may rest.
    Suspending,
    /// It is about to be held still.
    Freezing,
    /// It is held still, with all it has in memory.
    Frozen,
    /// It is about to go on.
    Thawing,
    /// It is being ended.
    Stopping,
}

impl Phase {
    /// In words for the wire.
    pub const fn told(self) -> SandboxPhase {
        match self {
            Self::Stopped => SandboxPhase::Stopped,
            Self::Queued => SandboxPhase::Queued,
            Self::Starting => SandboxPhase::Starting,
            Self::Running => SandboxPhase::Running,
            Self::Frozen => SandboxPhase::Frozen,
            Self::Suspending | Self::Freezing | Self::Thawing => SandboxPhase::Resting,
            Self::Stopping => SandboxPhase::Stopping,
        }
    }
}

/// When a sandbox is woken whose agent wants to act at `at`: early if it is stopped, unless it is
/// too late for that.
pub fn wake_at(at: Timestamp, is_stopped: bool, now: Timestamp) -> Timestamp {
    let early = at.plus_ms(-LEAD_MS);
    if is_stopped && early > now { early } else { at }
}

/// Whether what begins to stop now would be woken at once, or too late, for what is due at `at`.
pub(super) fn is_near(at: Timestamp, now: Timestamp) -> bool {
    at > now && at.plus_ms(-LEAD_MS - STOP_MS) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_is_woken_early() {
        let at = Timestamp::from_ms;
        let due = at(LEAD_MS + 10);
        assert_eq!(wake_at(due, true, at(9)), at(10));
        assert_eq!(wake_at(due, true, at(10)), due, "too late for that");
        assert_eq!(wake_at(due, false, at(0)), due);
    }
}
