//! What became of backups, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the edge started.
#[derive(Debug, Default)]
pub(super) struct Tally {
    made: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    restored: AtomicU64,
    passed_over: AtomicU64,
}

impl Tally {
    pub(super) fn made(&self, size: u64) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restored(&self) {
        self.restored.fetch_add(1, Ordering::Relaxed);
    }

    /// A backup that is not whole.
    pub(super) fn passed_over(&self) {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
    }

    /// With how many sandboxes have something that no backup has, and how many of those for long.
    pub(super) fn render(&self, changed: usize, overdue: usize) -> String {
        let mut text = String::new();
        let counters = [
            ("zaki_backups_made_total", &self.made),
            ("zaki_backup_bytes_total", &self.bytes),
            ("zaki_backups_failed_total", &self.failed),
            ("zaki_restores_total", &self.restored),
            ("zaki_backups_broken_total", &self.passed_over),
        ];
        for (name, count) in counters {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "# TYPE {name} counter\n{name} {count}");
        }
        for (name, count) in
            [("zaki_sandboxes_changed", changed), ("zaki_backups_overdue", overdue)]
        {
            let _ = writeln!(text, "# TYPE {name} gauge\n{name} {count}");
        }
        text
    }
}
