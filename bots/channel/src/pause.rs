//! Waiting between attempts that fail.

use std::time::Duration;

use rand::Rng;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// However long a platform asks to be left alone: after this it is asked again. A figure that makes
/// no sense must not silence a bot.
pub const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Pauses that double from half a second to half a minute, each drawn from its upper half, so that
/// many who fail at once do not come back at once. A success starts anew with the default.
///
/// For a [`Source`](crate::Source) that reconnects; a channel's calls are repeated by `deliver`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    failures: u32,
}

impl Pause {
    /// Waits after one more failure.
    pub async fn wait(&mut self) {
        self.wait_for(Duration::ZERO).await;
    }

    /// As [`Pause::wait`], and at least as long as the platform asks for, up to [`LONGEST_ASKED`].
    pub async fn wait_for(&mut self, asked: Duration) {
        let share = rand::rng().random_range(0.5..=1.0);
        let wait = self.next(asked, share);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(wait).await;
    }

    /// How many attempts have failed.
    pub fn failures(self) -> u32 {
        self.failures
    }

    fn next(self, asked: Duration, share: f64) -> Duration {
        self.whole().mul_f64(share).max(asked.min(LONGEST_ASKED))
    }

    fn whole(self) -> Duration {
        FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let whole = |failures| Pause { failures }.whole();
        assert_eq!([0, 1, 2].map(whole), [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!([6, 10, u32::MAX].map(whole), [LONGEST; 3]);
    }

    #[test]
    fn what_is_asked_for_holds_within_reason() {
        let next = |asked| Pause { failures: 1 }.next(asked, 1.0);
        assert_eq!(next(Duration::ZERO), FIRST * 2);
        assert_eq!(next(Duration::from_mins(20)), Duration::from_mins(20));
        assert_eq!(next(Duration::from_secs(999_999_999)), LONGEST_ASKED);
    }
}
