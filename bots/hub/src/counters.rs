//! Counts for `/metrics`, in Prometheus' text format.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;

/// What became of webhook requests, by account and outcome.
#[derive(Default)]
pub(crate) struct Counters(DashMap<(String, &'static str), AtomicU64>);

impl Counters {
    /// Counts one request. Only configured accounts get here, so the labels are bounded.
    pub(crate) fn count(&self, account: &str, outcome: &'static str) {
        let key = (account.to_owned(), outcome);
        self.0.entry(key).or_default().fetch_add(1, Ordering::Relaxed);
    }

    /// All counts, sorted.
    pub(crate) fn render(&self) -> String {
        let mut lines: Vec<String> =
            self.0.iter().map(|entry| line(entry.key(), entry.value())).collect();
        lines.sort();
        let mut text = String::from("# TYPE zaki_webhook_requests_total counter\n");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

fn line((account, outcome): &(String, &'static str), count: &AtomicU64) -> String {
    let count = count.load(Ordering::Relaxed);
    format!("zaki_webhook_requests_total{{account=\"{account}\",outcome=\"{outcome}\"}} {count}")
}
