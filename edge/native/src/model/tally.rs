//! What became of model calls, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use zaki_edge_core::breaker::Fault;

/// What became of one call to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// The provider has no such model.
    Elsewhere,
    /// It had begun to answer.
    BrokeOff,
    Unreachable,
    Silent,
    Limited,
    Refused,
    Broken,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Answered,
        Self::Elsewhere,
        Self::BrokeOff,
        Self::Unreachable,
        Self::Silent,
        Self::Limited,
        Self::Refused,
        Self::Broken,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Elsewhere => "elsewhere",
            Self::BrokeOff => "broke_off",
            Self::Unreachable => Fault::Unreachable.as_str(),
            Self::Silent => Fault::Silent.as_str(),
            Self::Limited => Fault::Limited.as_str(),
            Self::Refused => Fault::Refused.as_str(),
            Self::Broken => Fault::Broken.as_str(),
        }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable => Self::Unreachable,
            Fault::Silent => Self::Silent,
            Fault::Limited => Self::Limited,
            Fault::Refused => Self::Refused,
            Fault::Broken => Self::Broken,
        }
    }
}

/// The calls to one provider since the edge started.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; Outcome::ALL.len()]);

impl Tally {
    pub(super) fn count(&self, outcome: impl Into<Outcome>) {
        if let Some(count) = self.0.get(outcome.into() as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What has happened at least once, a line each. A label is a host: it needs no escapes.
    pub(super) fn render(&self, provider: &str, text: &mut String) {
        for (outcome, count) in Outcome::ALL.iter().zip(&self.0) {
            let (outcome, count) = (outcome.as_str(), count.load(Ordering::Relaxed));
            if count > 0 {
                let labels = format!("provider=\"{provider}\",outcome=\"{outcome}\"");
                let _ = writeln!(text, "zaki_model_calls_total{{{labels}}} {count}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_counts_under_its_own_name() {
        let tally = Tally::default();
        for (n, outcome) in Outcome::ALL.into_iter().enumerate() {
            (0..=n).for_each(|_| tally.count(outcome));
        }
        tally.count(Fault::Broken);
        let mut text = String::new();
        tally.render("a.example", &mut text);
        let line = |outcome, count| {
            format!(
                "zaki_model_calls_total{{provider=\"a.example\",outcome=\"{outcome}\"}} {count}\n"
            )
        };
        assert!(
            text.starts_with(&line("answered", 1)) && text.ends_with(&line("broken", 9)),
            "{text}"
        );
        assert!(
            text.contains(&line("broke_off", 3)) && text.contains(&line("limited", 6)),
            "{text}"
        );
    }
}
