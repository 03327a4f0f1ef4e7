//! One number from which all chance of a run comes.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The variable that replays a run.
const VARIABLE: &str = "ZAKI_SEED";

/// The seed of a run; printed, so that the run can be had again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// `ZAKI_SEED`, or a new one.
    pub fn find() -> Self {
        let given = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        let seed = Self(given.unwrap_or_else(|| rand::rng().random_range(0..1_000_000)));
        println!("{VARIABLE}={seed}");
        seed
    }

    /// Chance for one purpose: another stream for each `what`.
    pub fn chance(self, what: u64) -> Chance {
        let mixed = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what;
        Chance(StdRng::seed_from_u64(mixed))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stream of chance that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub struct Chance(StdRng);

impl Chance {
    /// One of the range.
    pub fn among(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() { range.start } else { self.0.random_range(range) }
    }

    /// A pause of so many milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.among(range))
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.among(0..100) < percent
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.among(0..of.len() as u64)).ok()?;
        of.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_chance_and_another_purpose_another() {
        let draw = |mut chance: Chance| [(); 8].map(|()| chance.among(0..1_000_000));
        assert_eq!(draw(Seed(7).chance(1)), draw(Seed(7).chance(1)));
        assert_ne!(draw(Seed(7).chance(1)), draw(Seed(7).chance(2)));
        assert_ne!(draw(Seed(7).chance(1)), draw(Seed(8).chance(1)));
    }
}
