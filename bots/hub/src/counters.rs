//! Counts for `/metrics`, in Prometheus' text format.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;

use crate::outbox;

/// What became of a webhook request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Stored and acknowledged.
    Accepted,
    /// A set-up request, answered.
    Greeted,
    /// Not proven to be the platform's.
    Refused,
    /// Its body is larger than the channel takes.
    TooLarge,
    /// Its body did not come in time.
    TooSlow,
    /// The store did not take it; the platform is asked to come again.
    Unavailable,
}

impl Outcome {
    /// In the order of their values.
    const NAMES: [&str; 6] =
        ["accepted", "greeted", "refused", "too_large", "too_slow", "unavailable"];
}

/// One account's counts, by [`Outcome`].
type Tally = [AtomicU64; Outcome::NAMES.len()];

/// What became of webhook requests, by account and outcome, and of deliveries.
#[derive(Default)]
pub(crate) struct Counters {
    webhooks: DashMap<String, Tally>,
    /// What became of deliveries.
    pub deliveries: outbox::Tally,
}

impl Counters {
    /// Counts one request. Only configured accounts get here, so the labels are bounded.
    pub(crate) fn count(&self, account: &str, outcome: Outcome) {
        let add =
            |tally: &Tally| tally.get(outcome as usize).map(|n| n.fetch_add(1, Ordering::Relaxed));
        match self.webhooks.get(account) {
            Some(tally) => add(&tally),
            None => add(&self.webhooks.entry(account.to_owned()).or_default()),
        };
    }

    /// All counts, sorted.
    pub(crate) fn render(&self) -> String {
        let mut lines: Vec<String> =
            self.webhooks.iter().flat_map(|entry| lines(entry.key(), entry.value())).collect();
        lines.sort();
        let mut text = String::from("# TYPE zaki_webhook_requests_total counter\n");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text + &self.deliveries.render()
    }
}

/// What has happened at least once.
fn lines(account: &str, tally: &Tally) -> Vec<String> {
    let counts = tally.iter().map(|count| count.load(Ordering::Relaxed));
    let counts = Outcome::NAMES.iter().zip(counts).filter(|(_, count)| *count > 0);
    let line = |(outcome, count)| {
        format!(
            "zaki_webhook_requests_total{{account=\"{account}\",outcome=\"{outcome}\"}} {count}"
        )
    };
    counts.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_counts_under_its_own_name() {
        let counters = Counters::default();
        counters.count("slack/main", Outcome::Unavailable);
        counters.count("slack/main", Outcome::Accepted);
        counters.count("slack/main", Outcome::Accepted);
        counters.count("slack/beta", Outcome::TooLarge);
        let text = counters.render();
        let lines: Vec<_> = text.lines().skip(1).take(3).collect();
        assert_eq!(
            lines,
            [
                "zaki_webhook_requests_total{account=\"slack/beta\",outcome=\"too_large\"} 1",
                "zaki_webhook_requests_total{account=\"slack/main\",outcome=\"accepted\"} 2",
                "zaki_webhook_requests_total{account=\"slack/main\",outcome=\"unavailable\"} 1",
            ]
        );
    }
}
