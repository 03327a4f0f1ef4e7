//! Times as they were measured, and what most of them stayed under.

use std::time::Duration;

use serde_json::{Value, json};

/// All times of one measurement, to the microsecond: none is rounded into a bucket.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<u32>);

impl Times {
    /// Adds one.
    pub fn push(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds those of another measurement.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time in milliseconds that `share` of all did not exceed.
    pub fn percentile(&mut self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a place among fewer than 2^32 times"
        )]
        let place = (self.0.len() as f64 * share).ceil() as usize;
        let place = place.clamp(1, self.0.len().max(1)) - 1;
        if place >= self.0.len() {
            return f64::NAN;
        }
        let (_, time, _) = self.0.select_nth_unstable(place);
        f64::from(*time) / 1000.0
    }

    /// The percentiles that a report tells, in milliseconds.
    pub fn report(mut self) -> Value {
        let mut at = |share| self.percentile(share);
        json!({"p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1.0)})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let mut times = Times::default();
        (1..=200).rev().for_each(|ms| times.push(Duration::from_millis(ms)));
        assert_eq!(times.percentile(0.0).to_string(), "1");
        assert_eq!(times.percentile(0.5).to_string(), "100");
        assert_eq!(times.percentile(0.99).to_string(), "198");
        assert_eq!(times.percentile(1.0).to_string(), "200");
        assert!(Times::default().percentile(0.5).is_nan());
    }
}
