//! What a person may spend, and how near they are to it. Pure.

use serde::{Deserialize, Serialize};
use zaki_envelope::Timestamp;

use crate::Totals;

/// What people of one tier may spend; 0 is no limit. Days and months are those of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Messages in a minute, of which a burst may come at once.
    pub messages_per_minute: u32,
    /// Messages in a day.
    pub messages_per_day: u64,
    /// Turns at the same time, over all of the person's sessions.
    pub concurrent_turns: u32,
    /// Tokens in and out together, in a day.
    pub tokens_per_day: u64,
    /// The same in a month.
    pub tokens_per_month: u64,
    /// Millionths of the currency the operator counts in, in a day.
    pub cost_per_day_micros: u64,
    /// The same in a month.
    pub cost_per_month_micros: u64,
}

/// What is counted over a day or a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// [`Limits::messages_per_day`].
    MessagesPerDay,
    /// [`Limits::tokens_per_day`].
    TokensPerDay,
    /// [`Limits::tokens_per_month`].
    TokensPerMonth,
    /// [`Limits::cost_per_day_micros`].
    CostPerDay,
    /// [`Limits::cost_per_month_micros`].
    CostPerMonth,
}

/// What follows for the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to say.
    Fine,
    /// It may be answered; a tenth or less is left.
    Near {
        /// Of what.
        what: Quota,
        /// In the quota's own unit.
        left: u64,
        /// When it begins anew.
        resets_at: Timestamp,
    },
    /// It is to wait.
    Over {
        /// For what.
        what: Quota,
        /// When it begins anew: of several that are used up, the last.
        resets_at: Timestamp,
    },
}

/// One quota, as far as it is used.
#[derive(Clone, Copy)]
struct Gauge {
    what: Quota,
    limit: u64,
    used: u64,
    resets_at: Timestamp,
}

/// Judges what has been spent.
pub fn judge(limits: &Limits, totals: &Totals) -> Verdict {
    let gauges = gauges(limits, totals);
    let over = gauges.iter().filter(|gauge| gauge.stage() == Stage::Over);
    if let Some(last) = over.max_by_key(|gauge| gauge.resets_at) {
        return last.verdict();
    }
    let near = gauges.iter().filter(|gauge| gauge.stage() == Stage::Near);
    near.min_by_key(|gauge| gauge.permille_left()).map_or(Verdict::Fine, Gauge::verdict)
}

/// How much of a quota is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Fine,
    Near,
    Over,
}

impl Gauge {
    const fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn permille_left(&self) -> u128 {
        u128::from(self.left()) * 1000 / u128::from(self.limit.max(1))
    }

    fn stage(&self) -> Stage {
        match self.left() {
            _ if self.limit == 0 => Stage::Fine,
            0 => Stage::Over,
            left if left <= self.limit / 10 => Stage::Near,
            _ => Stage::Fine,
        }
    }

    fn verdict(&self) -> Verdict {
        let Self { what, resets_at, .. } = *self;
        match self.stage() {
            Stage::Fine => Verdict::Fine,
            Stage::Near => Verdict::Near { what, left: self.left(), resets_at },
            Stage::Over => Verdict::Over { what, resets_at },
        }
    }
}

fn gauges(limits: &Limits, totals: &Totals) -> [Gauge; 5] {
    let day = |what, limit, used| Gauge { what, limit, used, resets_at: totals.day_resets_at };
    let month = |what, limit, used| Gauge { what, limit, used, resets_at: totals.month_resets_at };
    [
        day(Quota::MessagesPerDay, limits.messages_per_day, totals.day.messages),
        day(Quota::TokensPerDay, limits.tokens_per_day, totals.day.tokens()),
        day(Quota::CostPerDay, limits.cost_per_day_micros, totals.day.cost_micros),
        month(Quota::TokensPerMonth, limits.tokens_per_month, totals.month.tokens()),
        month(Quota::CostPerMonth, limits.cost_per_month_micros, totals.month.cost_micros),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counts;

    const DAY: Timestamp = Timestamp::from_ms(1_000);
    const MONTH: Timestamp = Timestamp::from_ms(9_000);

    fn spent(messages: u64, tokens: u64, month_cost: u64) -> Totals {
        Totals {
            day: Counts { messages, input_tokens: tokens, ..Counts::default() },
            month: Counts { cost_micros: month_cost, ..Counts::default() },
            day_resets_at: DAY,
            month_resets_at: MONTH,
        }
    }

    fn limits() -> Limits {
        Limits {
            messages_per_day: 100,
            tokens_per_day: 1_000,
            cost_per_month_micros: 50,
            ..Limits::default()
        }
    }

    #[test]
    fn no_limit_is_never_reached() {
        let everything = spent(u64::MAX, u64::MAX, u64::MAX);
        assert_eq!(judge(&Limits::default(), &everything), Verdict::Fine);
    }

    #[test]
    fn near_and_over_say_what_and_until_when() {
        let judged = |totals| judge(&limits(), &totals);
        assert_eq!(judged(spent(89, 0, 0)), Verdict::Fine);
        let near = Verdict::Near { what: Quota::MessagesPerDay, left: 10, resets_at: DAY };
        assert_eq!(judged(spent(90, 0, 0)), near);
        let shorter = Verdict::Near { what: Quota::TokensPerDay, left: 1, resets_at: DAY };
        assert_eq!(judged(spent(90, 999, 0)), shorter, "what is shortest");
        let over = Verdict::Over { what: Quota::MessagesPerDay, resets_at: DAY };
        assert_eq!(judged(spent(100, 999, 0)), over);
        let longer = Verdict::Over { what: Quota::CostPerMonth, resets_at: MONTH };
        assert_eq!(judged(spent(100, 1_000, 50)), longer, "what lasts longest");
    }

    #[test]
    fn a_small_limit_has_no_near() {
        let limits = Limits { messages_per_day: 3, ..Limits::default() };
        assert_eq!(judge(&limits, &spent(2, 0, 0)), Verdict::Fine);
        assert!(matches!(judge(&limits, &spent(3, 0, 0)), Verdict::Over { .. }));
    }

    #[test]
    fn a_misspelt_limit_is_refused() {
        assert!(serde_json::from_str::<Limits>(r#"{"messages_per_day":1}"#).is_ok());
        assert!(serde_json::from_str::<Limits>(r#"{"messages_a_day":1}"#).is_err());
    }
}
