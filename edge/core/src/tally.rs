//! How many requests there were, what became of them and how long they took: the same counts in a
//! native edge's `/metrics` and in the events of a Worker. Nobody is named in them.

use std::collections::BTreeMap;
use std::fmt::Write;

use zaki_envelope::wire::{TurnEvent, TurnEventKind};

/// The upper bounds of what is told apart, in milliseconds; above the last one there is one more.
pub const BOUNDS_MS: [u64; 13] =
    [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 2_500, 10_000, 30_000, 120_000];

/// How a turn ended, in a word. `None`: it did not, and is taken up by whoever comes next.
pub fn outcome(end: Option<&TurnEvent>) -> &'static str {
    match end.map(|event| &event.kind) {
        Some(TurnEventKind::Final { aborted: false, .. }) => "final",
        Some(TurnEventKind::Final { .. }) => "aborted",
        Some(_) => "error",
        None => "released",
    }
}

/// How long things took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    within: [u64; BOUNDS_MS.len()],
    count: u64,
    sum_ms: u64,
    longest_ms: u64,
}

impl Times {
    /// One more.
    pub fn note(&mut self, ms: u64) {
        let place = BOUNDS_MS.iter().position(|bound| ms <= *bound);
        if let Some(within) = place.and_then(|at| self.within.get_mut(at)) {
            *within = within.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.longest_ms = self.longest_ms.max(ms);
    }

    /// How many there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All of their milliseconds.
    pub const fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// So many of a hundred took no longer than this, in milliseconds: the bound above them, and no
    /// more than the longest. 0: there were none.
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = self.count.saturating_mul(percent.min(100)).div_ceil(100);
        let mut sum = 0_u64;
        for (bound, count) in BOUNDS_MS.iter().zip(&self.within) {
            sum = sum.saturating_add(*count);
            if sum >= wanted {
                return self.longest_ms.min(*bound);
            }
        }
        self.longest_ms
    }

    /// Appends it as a histogram in Prometheus' text format; `labels` as between its braces.
    pub fn render(&self, name: &str, labels: &str, text: &mut String) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut sum = 0_u64;
        let bounds = BOUNDS_MS.iter().map(|ms| seconds(*ms)).chain(["+Inf".to_owned()]);
        let above = self.count.saturating_sub(self.within.iter().sum());
        for (bound, count) in bounds.zip(self.within.iter().chain([&above])) {
            sum = sum.saturating_add(*count);
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {sum}");
        }
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "{name}_sum{braces} {}", seconds(self.sum_ms));
        let _ = writeln!(text, "{name}_count{braces} {}", self.count);
    }
}

/// Exactly, and without a fraction where there is none.
fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Requests, by what they asked for and how they were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<(&'static str, u16), Times>);

impl Requests {
    /// One that asked for `call` ([`Call::name`](crate::front::Call::name); `None`: for nothing there
    /// is) was answered with `status` after so long. Of a stream, until it began.
    pub fn note(&mut self, call: Option<&'static str>, status: u16, ms: u64) {
        self.0.entry((call.unwrap_or("unknown"), status)).or_default().note(ms);
    }

    /// All of them, by call and status.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u16, &Times)> {
        self.0.iter().map(|((call, status), times)| (*call, *status, times))
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends them in Prometheus' text format.
    pub fn render(&self, text: &mut String) {
        text.push_str("# TYPE zaki_edge_request_seconds histogram\n");
        for (call, status, times) in self.each() {
            let labels = format!("call=\"{call}\",status=\"{status}\"");
            times.render("zaki_edge_request_seconds", &labels, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_ninety_five_took_no_longer() {
        let mut times = Times::default();
        assert_eq!(times.percentile(95), 0);
        (0..95).for_each(|_| times.note(7));
        (0..4).for_each(|_| times.note(80));
        times.note(400_000);
        assert_eq!((times.percentile(50), times.percentile(95)), (10, 10));
        assert_eq!((times.percentile(96), times.percentile(99)), (100, 100));
        assert_eq!((times.percentile(100), times.count()), (400_000, 100));
        let mut one = Times::default();
        one.note(3);
        assert_eq!(one.percentile(95), 3, "no longer than the longest");
    }

    #[test]
    fn requests_are_told_apart_and_rendered() {
        let mut requests = Requests::default();
        assert!(requests.is_empty());
        requests.note(Some("turn"), 200, 4);
        requests.note(Some("turn"), 200, 1_250);
        requests.note(Some("turn"), 503, 200_000);
        requests.note(None, 404, 0);
        let mut text = String::new();
        requests.render(&mut text);
        let name = "zaki_edge_request_seconds";
        for line in [
            "_bucket{call=\"turn\",status=\"200\",le=\"0.002\"} 0",
            "_bucket{call=\"turn\",status=\"200\",le=\"0.005\"} 1",
            "_bucket{call=\"turn\",status=\"200\",le=\"2.5\"} 2",
            "_bucket{call=\"turn\",status=\"200\",le=\"+Inf\"} 2",
            "_sum{call=\"turn\",status=\"200\"} 1.254",
            "_count{call=\"turn\",status=\"200\"} 2",
            "_bucket{call=\"turn\",status=\"503\",le=\"120\"} 0",
            "_bucket{call=\"turn\",status=\"503\",le=\"+Inf\"} 1",
            "_count{call=\"unknown\",status=\"404\"} 1",
        ] {
            let line = format!("{name}{line}");
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        let mut plain = String::new();
        Times::default().render("zaki_turn_seconds", "", &mut plain);
        assert!(plain.contains("zaki_turn_seconds_bucket{le=\"1\"} 0\n"), "{plain}");
        assert!(plain.ends_with("zaki_turn_seconds_sum 0\nzaki_turn_seconds_count 0\n"), "{plain}");
    }
}
