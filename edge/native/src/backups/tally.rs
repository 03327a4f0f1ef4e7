//! What became of backups, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use zaki_envelope::{Timestamp, wire::BackupState};

/// How all memories stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stock {
    /// So many sandboxes have something that no backup has.
    changed: u64,
    /// So many of those for long.
    overdue: u64,
    /// How much room all backups take, as far as is known.
    bytes: u64,
    /// Since when there is something that no backup has.
    unsaved_s: u64,
    /// How old the newest backup is of whoever has waited longest for another one.
    age_s: u64,
}

impl Stock {
    pub(super) fn of(records: &[BackupState], now: Timestamp) -> Self {
        let seconds = |since: Timestamp| now.since(since).max(0).unsigned_abs() / 1_000;
        let mut all = Self::default();
        for record in records {
            all.bytes += record.stored.unwrap_or_default();
            all.overdue += u64::from(record.overdue);
            let Some(since) = record.changed_since else { continue };
            all.changed += 1;
            all.unsaved_s = all.unsaved_s.max(seconds(since));
            // What rests unchanged may have an old backup, and needs no other.
            all.age_s = all.age_s.max(record.made_at.map_or(0, seconds));
        }
        all
    }
}

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

    /// With how all memories stand.
    pub(super) fn render(&self, stock: &Stock) -> String {
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
        for (name, count) in [
            ("zaki_sandboxes_changed", stock.changed),
            ("zaki_backups_overdue", stock.overdue),
            ("zaki_backups_stored_bytes", stock.bytes),
            ("zaki_backup_oldest_change_seconds", stock.unsaved_s),
            ("zaki_backup_age_seconds_max", stock.age_s),
        ] {
            let _ = writeln!(text, "# TYPE {name} gauge\n{name} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_of_what_has_changed_and_room_is_of_all() {
        let at = Timestamp::from_ms;
        let rests = BackupState { stored: Some(40), made_at: Some(at(0)), ..<_>::default() };
        let changed = BackupState {
            stored: Some(2),
            made_at: Some(at(50_000)),
            changed_since: Some(at(90_000)),
            ..<_>::default()
        };
        let new = BackupState { changed_since: Some(at(70_000)), ..<_>::default() };
        let overdue = BackupState { overdue: true, ..changed.clone() };
        let stock = Stock::of(&[rests, changed, new, overdue], at(100_000));
        let wanted = Stock { changed: 3, overdue: 1, bytes: 44, unsaved_s: 30, age_s: 50 };
        assert_eq!(stock, wanted);
        let text = Tally::default().render(&stock);
        assert!(text.contains("zaki_backups_stored_bytes 44\n"), "{text}");
    }
}
