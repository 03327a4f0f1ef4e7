//! What model calls use and cost, and what is left to a person.

mod read;

use time::OffsetDateTime;
use zaki_envelope::{
    Timestamp,
    wire::{Budget, Usage},
};

pub use read::Reader;

/// Prices are kept per so many tokens.
const MILLION: u128 = 1_000_000;
/// No model is dearer, in units of the currency per million tokens.
const DEAREST: f64 = 1e6;

/// What a model costs, in millionths of the currency per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    input: u64,
    cached: u64,
    stored: u64,
    output: u64,
}

impl Price {
    /// From units of the currency per million tokens, as providers publish them. Tokens read from
    /// the provider's cache cost as others do unless `cached` says otherwise. `None`: a price is
    /// negative, not a number, or over a million.
    pub fn per_million(input: f64, output: f64, cached: Option<f64>) -> Option<Self> {
        let (input, cached) = (micros(input)?, micros(cached.unwrap_or(input))?);
        Some(Self { input, cached, stored: input, output: micros(output)? })
    }

    /// The same, where tokens that the provider puts into its cache cost this much; as others do
    /// otherwise.
    pub fn storing(self, units: f64) -> Option<Self> {
        Some(Self { stored: micros(units)?, ..self })
    }

    /// What so many tokens cost, rounded up.
    pub fn cost_micros(&self, tokens: Tokens) -> u64 {
        let cached = tokens.cached.min(tokens.input);
        let stored = tokens.stored.min(tokens.input - cached);
        let read = tokens.input - cached - stored;
        let parts = [
            (read, self.input),
            (cached, self.cached),
            (stored, self.stored),
            (tokens.output, self.output),
        ];
        let sum: u128 = parts.iter().map(|(n, price)| u128::from(*n) * u128::from(*price)).sum();
        u64::try_from(sum.div_ceil(MILLION)).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range is looked at
fn micros(units: f64) -> Option<u64> {
    (0.0..=DEAREST).contains(&units).then(|| (units * 1e6).round() as u64)
}

/// The tokens of one model call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read, those of the next two kinds included.
    pub input: u64,
    /// Of them, read from the provider's cache.
    pub cached: u64,
    /// Of them, put into the provider's cache.
    pub stored: u64,
    /// Written.
    pub output: u64,
}

impl Tokens {
    /// What they are to a person.
    pub fn usage(self, price: &Price) -> Usage {
        Usage {
            input_tokens: self.input,
            output_tokens: self.output,
            cost_micros: price.cost_micros(self),
        }
    }
}

/// What is left to a person, as far as anybody has said: good until the UTC day ends, when whoever
/// keeps the limits knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    tokens: Option<u64>,
    cost_micros: Option<u64>,
    day: i64,
}

impl Allowance {
    /// What the budget of a turn that begins leaves.
    pub fn of(budget: &Budget, now: Timestamp) -> Self {
        Self { tokens: budget.tokens, cost_micros: budget.cost_micros, day: day(now) }
    }

    /// The same while other turns run, whose use the asker of this one may not know: the lesser of
    /// both counts.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        if self.day != other.day {
            return if self.day > other.day { self } else { other };
        }
        let lesser = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        let tokens = lesser(self.tokens, other.tokens);
        Self { tokens, cost_micros: lesser(self.cost_micros, other.cost_micros), day: self.day }
    }

    /// Takes off what was used.
    pub fn spend(&mut self, usage: Usage) {
        let less = |left: Option<u64>, used| left.map(|left| left.saturating_sub(used));
        self.tokens = less(self.tokens, usage.tokens());
        self.cost_micros = less(self.cost_micros, usage.cost_micros);
    }

    /// Whether nothing more may be used.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        let nothing = self.tokens == Some(0) || self.cost_micros == Some(0);
        nothing && self.day == day(now)
    }

    /// Whether it never ends.
    pub const fn is_unlimited(&self) -> bool {
        self.tokens.is_none() && self.cost_micros.is_none()
    }

    /// Whether it says nothing any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.day != day(now)
    }
}

/// The UTC day, counted from the epoch.
pub const fn day(now: Timestamp) -> i64 {
    now.as_secs().div_euclid(86_400)
}

/// The first day of the UTC calendar month.
pub fn first_of_month(now: Timestamp) -> i64 {
    // Years that a clock never shows count as the first of their month.
    let of_month =
        OffsetDateTime::from_unix_timestamp(now.as_secs()).map_or(1, OffsetDateTime::day);
    day(now) - i64::from(of_month) + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_795_262_400);

    #[test]
    fn a_price_is_what_the_provider_publishes() {
        let price = Price::per_million(1.25, 10.0, Some(0.125)).unwrap();
        let tokens = Tokens { input: 12_000, cached: 10_000, output: 300, ..Tokens::default() };
        // 2,000 at 1.25, 10,000 at 0.125 and 300 at 10 per million.
        assert_eq!(price.cost_micros(tokens), 2_500 + 1_250 + 3_000);
        let no_cache = Price::per_million(1.25, 10.0, None).unwrap();
        assert_eq!(no_cache.cost_micros(tokens), 15_000 + 3_000);
        let one = Tokens { input: 1, ..Tokens::default() };
        assert_eq!(price.cost_micros(one), 2, "nothing is free by rounding");
        assert_eq!(Price::default().cost_micros(tokens), 0);
        let absurd = Tokens { input: 1, cached: 9, stored: 9, output: u64::MAX };
        assert!(price.cost_micros(absurd) > u64::MAX / 2);
        let stored = Tokens { stored: 1_000, ..tokens };
        assert_eq!(price.cost_micros(stored), price.cost_micros(tokens));
        let storing = price.storing(2.5).unwrap();
        assert_eq!(storing.cost_micros(stored), price.cost_micros(tokens) + 1_250);
        assert_eq!(price.storing(-1.0), None);
        for wrong in [-0.1, f64::NAN, f64::INFINITY, 2e6] {
            assert_eq!(Price::per_million(wrong, 1.0, None), None);
        }
    }

    #[test]
    fn months_begin_on_their_first() {
        assert_eq!(day(NOON), 20_778);
        // 21 November 2026.
        assert_eq!(first_of_month(NOON), 20_778 - 20);
        let first = Timestamp::from_secs((20_778 - 20) * 86_400);
        assert_eq!(first_of_month(first), day(first));
        assert_eq!(first_of_month(first.plus_ms(-1)), day(first) - 31);
        assert_eq!(first_of_month(Timestamp::from_ms(i64::MAX)), day(Timestamp::from_ms(i64::MAX)));
    }

    fn budget(tokens: Option<u64>, cost_micros: Option<u64>) -> Budget {
        Budget { tokens, cost_micros, ..Budget::default() }
    }

    #[test]
    fn an_allowance_is_spent_by_either_kind_and_forgotten_by_the_next_day() {
        let used = Usage { input_tokens: 60, output_tokens: 40, cost_micros: 7 };
        for (limits, spent) in [
            (budget(None, None), false),
            (budget(Some(101), None), false),
            (budget(Some(100), Some(8)), true),
            (budget(Some(101), Some(7)), true),
            (budget(Some(1), None), true),
        ] {
            let mut left = Allowance::of(&limits, NOON);
            assert!(!left.is_spent(NOON));
            left.spend(used);
            assert_eq!(left.is_spent(NOON), spent, "{limits:?}");
            let tomorrow = NOON.plus_ms(86_400_000);
            assert!(!left.is_spent(tomorrow) && left.is_over(tomorrow) && !left.is_over(NOON));
        }
        assert!(Allowance::of(&budget(Some(0), None), NOON).is_spent(NOON));
    }

    #[test]
    fn beside_other_turns_the_lesser_counts() {
        let (a, b) = (budget(Some(5), None), budget(Some(9), Some(3)));
        let both = Allowance::of(&a, NOON).beside(Allowance::of(&b, NOON));
        assert_eq!(both, Allowance::of(&budget(Some(5), Some(3)), NOON));
        let tomorrow = Allowance::of(&b, NOON.plus_ms(86_400_000));
        assert_eq!(Allowance::of(&a, NOON).beside(tomorrow), tomorrow);
        assert_eq!(tomorrow.beside(Allowance::of(&a, NOON)), tomorrow);
    }

    proptest! {
        /// However it is spent, no more than one call goes beyond what was left.
        #[test]
        fn nothing_is_left_after_what_was_left(left in 1_u64..500, calls in prop::collection::vec(1_u64..100, 1..40)) {
            let mut allowance = Allowance::of(&budget(Some(left), None), NOON);
            let mut used = 0;
            for call in calls {
                if allowance.is_spent(NOON) {
                    prop_assert!(used >= left);
                    break;
                }
                prop_assert!(used < left);
                allowance.spend(Usage { input_tokens: call, ..Usage::default() });
                used += call;
            }
        }
    }
}
