//! How many deliveries ended how, for `/metrics`.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use zaki_envelope::ChannelKind;
use zaki_ledger::DeliveryEnd;

/// What became of one attempt at a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Sent,
    Retried,
    Held,
    Unknown,
    Dead,
}

impl Outcome {
    /// In the order of their values.
    const NAMES: [&str; 5] = ["sent", "retried", "held", "unknown", "dead"];

    pub(super) fn of(end: &DeliveryEnd) -> Self {
        match end {
            DeliveryEnd::Sent { .. } => Self::Sent,
            DeliveryEnd::Retry { .. } => Self::Retried,
            DeliveryEnd::Held { .. } => Self::Held,
            DeliveryEnd::Unknown { .. } => Self::Unknown,
            DeliveryEnd::Dead { .. } => Self::Dead,
        }
    }
}

/// By channel and outcome.
#[derive(Default)]
pub(crate) struct Tally([[AtomicU64; Outcome::NAMES.len()]; ChannelKind::ALL.len()]);

impl Tally {
    pub(super) fn count(&self, channel: ChannelKind, outcome: Outcome) {
        let count = self.0.get(channel as usize).and_then(|counts| counts.get(outcome as usize));
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All counts in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from("# TYPE zaki_deliveries_total counter\n");
        for (channel, counts) in ChannelKind::ALL.into_iter().zip(&self.0) {
            for (outcome, count) in Outcome::NAMES.into_iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                let labels = format!("channel=\"{channel}\",outcome=\"{outcome}\"");
                let _ = writeln!(text, "zaki_deliveries_total{{{labels}}} {count}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_counts_under_its_own_name() {
        let tally = Tally::default();
        tally.count(ChannelKind::Slack, Outcome::Dead);
        tally.count(ChannelKind::Telegram, Outcome::Sent);
        tally.count(ChannelKind::Telegram, Outcome::Sent);
        let text = tally.render();
        let counted: Vec<_> = text.lines().skip(1).filter(|line| !line.ends_with(" 0")).collect();
        assert_eq!(
            counted,
            [
                "zaki_deliveries_total{channel=\"telegram\",outcome=\"sent\"} 2",
                "zaki_deliveries_total{channel=\"slack\",outcome=\"dead\"} 1",
            ]
        );
    }
}
