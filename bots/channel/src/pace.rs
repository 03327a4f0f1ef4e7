//! How fast a platform lets itself be written to, as data. The hub's outbox keeps to it.

use std::time::Duration;

/// A token bucket: `burst` messages at once, and one more for every `every` that passes. Posts and
/// edits count; what leaves no message (typing, reactions, deletions) does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, at least 1.
    pub burst: u32,
    /// After how long one more.
    pub every: Duration,
}

impl Rate {
    /// A bucket that never lets more than `count` through in any stretch of `per`, which is how
    /// platforms state their limits: `burst` of them at once (fewer than `count`), the others
    /// spread over the stretch.
    #[must_use]
    pub const fn within(count: u32, per: Duration, burst: u32) -> Self {
        let every = match per.checked_div(count.saturating_sub(burst)) {
            Some(every) => every,
            None => per,
        };
        Self { burst, every }
    }
}

/// All the rates that bind a message to one conversation. It leaves when every one of them allows.
/// Empty: no limit is known, and only the platform's own refusals slow us down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// For this conversation, its threads included.
    pub conversation: &'static [Rate],
    /// For everything this bot sends, whatever the conversation; shared by all replicas.
    pub account: &'static [Rate],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stretch_holds_more_than_the_platform_allows() {
        for (count, per, burst) in [(20, 60_000, 5), (30, 1000, 1), (5, 5000, 3), (2, 1000, 1)] {
            let per = Duration::from_millis(per);
            let rate = Rate::within(count, per, burst);
            assert_eq!(rate.burst, burst);
            // The most a stretch holds: a full bucket at its beginning, and what is refilled
            // before its end.
            let most = u128::from(burst) + (per.as_nanos() - 1) / rate.every.as_nanos();
            assert!(most <= u128::from(count), "{most} of {count}");
            assert!(most + 2 > u128::from(count), "no slower than need be: {most} of {count}");
        }
    }
}
