//! When a sandbox is to be backed up, which backups are kept, and what never replaces what.
//!
//! A sandbox is *changed* from the end of a turn, or from where a turn was cut off, until a backup
//! that began later has succeeded. It is due once it has been quiet for a while, or at the latest some
//! minutes after it changed, and in any case before it stops. A backup that is long due is overdue,
//! which operators are shown. Not from the beginning of a turn: an agent at work cannot be backed up,
//! and each try would only put off the next.

use std::collections::{BTreeMap, BTreeSet};

use zaki_envelope::{
    BackupId, Timestamp,
    wire::{Backup, BackupSummary},
};

mod stock;
mod trial;

pub use stock::{Stock, UNREAD, told};
pub use trial::{Flaw, Trial, Withheld};

/// After a failure, in milliseconds; doubled with each, up to the schedule's own pace.
const PAUSE_MS: i64 = 5_000;

/// When backups are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// So long nothing may have changed, in milliseconds.
    pub quiet_ms: i64,
    /// So long after a change it is made at the latest, in milliseconds.
    pub every_ms: i64,
}

/// What one sandbox has that its backups have not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracker {
    /// Since when something in it is in no backup, and when it last changed.
    changed: Option<(Timestamp, Timestamp)>,
    /// When the backup under way began.
    under_way: Option<Timestamp>,
    /// How often in a row it failed, and when it did last.
    failed: Option<(u32, Timestamp)>,
}

impl Tracker {
    /// Something in it may be new.
    pub fn change(&mut self, now: Timestamp) {
        let since = self.changed.map_or(now, |(since, _)| since);
        self.changed = Some((since, now));
    }

    /// Since when something in it is in no backup.
    pub fn changed_since(&self) -> Option<Timestamp> {
        self.changed.map(|(since, _)| since)
    }

    /// Whether there is something to back up, and nobody at it.
    pub const fn is_wanted(&self) -> bool {
        self.changed.is_some() && self.under_way.is_none()
    }

    /// When the next backup is due; `None`: there is nothing to back up, or one is under way.
    pub fn due_at(&self, schedule: Schedule) -> Option<Timestamp> {
        let (since, last) = self.changed.filter(|_| self.under_way.is_none())?;
        let due = since.plus_ms(schedule.every_ms).min(last.plus_ms(schedule.quiet_ms));
        let Some((times, at)) = self.failed else { return Some(due) };
        let pause = PAUSE_MS.saturating_mul(1 << times.saturating_sub(1).min(16));
        Some(due.max(at.plus_ms(pause.min(schedule.every_ms.max(PAUSE_MS)))))
    }

    /// Whether what changed should have been backed up long ago.
    pub fn is_overdue(&self, schedule: Schedule, now: Timestamp) -> bool {
        self.changed.is_some_and(|(since, _)| now.since(since) > 2 * schedule.every_ms)
    }

    /// A backup begins; `false`: one is under way.
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let free = self.under_way.is_none();
        if free {
            self.under_way = Some(now);
        }
        free
    }

    /// It succeeded: what changed since it began is still in no backup.
    pub fn succeed(&mut self) {
        let Some(begun) = self.under_way.take() else { return };
        self.failed = None;
        self.changed =
            self.changed.filter(|(_, last)| *last >= begun).map(|(_, last)| (begun, last));
    }

    /// It came to nothing.
    pub fn fail(&mut self, now: Timestamp) {
        self.under_way = None;
        let times = self.failed.map_or(0, |(times, _)| times);
        self.failed = Some((times.saturating_add(1), now));
    }

    /// The state is the one of a backup again.
    pub fn restore(&mut self) {
        *self = Self::default();
    }
}

/// Why an archive is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unkept {
    /// An empty one never stands before a full one.
    #[error("the sandbox has nothing to back up, and an earlier backup has: it is not replaced")]
    Empty,
}

/// Why no backup was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    /// Whether that one has everything shows when it has ended.
    #[error("a backup is under way")]
    UnderWay,
    /// An agent at work cannot be backed up.
    #[error("the agent has something to do")]
    Busy,
    /// Nothing of theirs is to be kept.
    #[error("its person is erased")]
    Erased,
    /// Something else, in a sentence for operators.
    #[error("{0}")]
    Failed(String),
}

impl From<String> for Missed {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl Missed {
    /// Whether the last backup before a stop is tried again. `cut`: turns were cut off, and the agent
    /// lets go of them in a while.
    pub const fn passes(&self, cut: bool) -> bool {
        match self {
            Self::UnderWay => true,
            Self::Busy => cut,
            Self::Erased | Self::Failed(_) => false,
        }
    }
}

/// Whether an archive may become the newest backup.
pub fn admit(summary: &BackupSummary, kept: &[Backup]) -> Result<(), Unkept> {
    let full = kept.iter().any(|backup| !backup.summary.is_empty());
    if summary.is_empty() && full { Err(Unkept::Empty) } else { Ok(()) }
}

/// How many backups are kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of each lineage; at least one.
    pub count: usize,
    /// Beyond it only the newest of each lineage stays, in milliseconds.
    pub age_ms: i64,
}

/// How much room backups take, in bytes, once some of them are gone.
pub fn room(kept: &[Backup], gone: &BTreeSet<BackupId>) -> u64 {
    kept.iter().filter(|it| !gone.contains(&it.id)).map(|it| it.size).sum()
}

/// Which backups are not kept any longer. The newest full one of every lineage stays whatever its
/// age: what begins anew after a restore that failed must not push out the memory that was lost.
pub fn expired(kept: &[Backup], retention: Retention, now: Timestamp) -> BTreeSet<BackupId> {
    let mut lineages: BTreeMap<&str, Vec<&Backup>> = BTreeMap::new();
    for backup in kept {
        lineages.entry(&backup.summary.lineage).or_default().push(backup);
    }
    let mut expired = BTreeSet::new();
    for mut backups in lineages.into_values() {
        backups.sort_by_key(|backup| (backup.summary.is_empty(), std::cmp::Reverse(backup.id)));
        let rest = backups.iter().enumerate().skip(1);
        let old = rest.filter(|(place, backup)| {
            *place >= retention.count || now.since(backup.at) > retention.age_ms
        });
        expired.extend(old.map(|(_, backup)| backup.id));
    }
    expired
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEDULE: Schedule = Schedule { quiet_ms: 15_000, every_ms: 300_000 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_795_000_000_000 + ms)
    }

    pub(super) fn backup(ms: i64, lineage: &str, databases: u64) -> Backup {
        let summary = BackupSummary {
            lineage: lineage.to_owned(),
            root: "/data".to_owned(),
            agent: None,
            files: 3,
            bytes: 100,
            databases,
        };
        let id = BackupId::from_parts(at(ms), 1);
        Backup { id, at: at(ms), size: 10, sha256: String::new(), key: None, summary }
    }

    #[test]
    fn a_change_is_due_when_it_is_quiet_and_at_the_latest_after_five_minutes() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.due_at(SCHEDULE), None);
        tracker.change(at(0));
        assert_eq!(tracker.due_at(SCHEDULE), Some(at(15_000)));
        for minute in 0..10 {
            tracker.change(at(minute * 60_000));
        }
        assert_eq!(tracker.due_at(SCHEDULE), Some(at(300_000)));
        assert!(!tracker.is_overdue(SCHEDULE, at(600_000)));
        assert!(tracker.is_overdue(SCHEDULE, at(600_001)));
    }

    #[test]
    fn a_last_backup_waits_for_the_one_under_way_and_for_what_was_cut_off() {
        for cut in [true, false] {
            assert!(Missed::UnderWay.passes(cut));
            assert_eq!(Missed::Busy.passes(cut), cut);
            assert!(!Missed::Erased.passes(cut));
            assert!(!Missed::from("no store".to_owned()).passes(cut));
        }
    }

    #[test]
    fn what_changes_during_a_backup_is_in_the_next_one() {
        let mut tracker = Tracker::default();
        tracker.change(at(0));
        assert!(tracker.begin(at(10)) && !tracker.begin(at(11)));
        assert_eq!(tracker.due_at(SCHEDULE), None, "one is under way");
        tracker.change(at(20));
        tracker.succeed();
        assert_eq!(tracker.changed_since(), Some(at(10)));
        assert!(tracker.begin(at(30)));
        tracker.succeed();
        assert_eq!(tracker.changed_since(), None);
    }

    #[test]
    fn a_failure_is_tried_again_ever_later_and_forgotten_by_a_success() {
        let mut tracker = Tracker::default();
        tracker.change(at(0));
        let mut now = 0;
        for pause in [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
            now += 100_000;
            assert!(tracker.begin(at(now)));
            tracker.fail(at(now));
            assert_eq!(tracker.due_at(SCHEDULE), Some(at(now + pause).max(at(15_000))));
        }
        assert!(tracker.is_overdue(SCHEDULE, at(now)));
        tracker.begin(at(now + 1));
        tracker.succeed();
        assert_eq!(tracker, Tracker::default());
    }

    #[test]
    fn nothing_never_replaces_something() {
        let (empty, full) = (backup(2, "a", 0), backup(1, "a", 2));
        assert_eq!(admit(&empty.summary, &[]), Ok(()));
        assert_eq!(admit(&empty.summary, std::slice::from_ref(&empty)), Ok(()));
        let kept = [full.clone(), empty.clone()];
        assert_eq!(admit(&empty.summary, &kept), Err(Unkept::Empty));
        assert_eq!(admit(&full.summary, &kept), Ok(()));
        let stock = Stock { kept: kept.to_vec(), unread: Vec::new() };
        assert_eq!(stock.in_turn(None), [Ok(full), Ok(empty)]);
    }

    #[test]
    fn the_newest_of_a_lost_memory_stays() {
        let mut kept = vec![backup(0, "lost", 2), backup(1, "lost", 2)];
        kept.extend((10..20).map(|ms| backup(ms, "new", 2)));
        let retention = Retention { count: 3, age_ms: 1_000 };
        let gone = expired(&kept, retention, at(20));
        let left: Vec<_> =
            kept.iter().filter(|it| !gone.contains(&it.id)).map(|it| it.at).collect();
        assert_eq!(left, [at(0), at(1), at(17), at(18), at(19)]);
        let size = kept.first().map(|it| it.size).unwrap();
        assert_eq!(room(&kept, &gone), 5 * size);
        let gone = expired(&kept, retention, at(1_000_000));
        let left: Vec<_> =
            kept.iter().filter(|it| !gone.contains(&it.id)).map(|it| it.at).collect();
        assert_eq!(left, [at(1), at(19)], "by age all others go");
    }

    proptest! {
        /// Whatever is dropped, the newest full backup stays, and so it does step by step.
        #[test]
        fn the_newest_full_backup_is_never_dropped(
            made in prop::collection::vec((0_i64..1_000, 0_u8..3, 0_u64..2), 1..40),
            count in 0_usize..5,
            age_ms in 0_i64..2_000,
            now in 0_i64..5_000,
        ) {
            let mut kept: Vec<Backup> = Vec::new();
            for (ms, lineage, databases) in made {
                let one = backup(ms, &lineage.to_string(), databases);
                if kept.iter().all(|other| other.id != one.id) && admit(&one.summary, &kept).is_ok() {
                    kept.push(one);
                }
                let gone = expired(&kept, Retention { count, age_ms }, at(now));
                let stock = Stock { kept: kept.clone(), unread: Vec::new() };
                let best = stock.in_turn(None).remove(0);
                prop_assert!(best.is_ok_and(|best| !gone.contains(&best.id)));
                kept.retain(|backup| !gone.contains(&backup.id));
            }
        }

        /// However turns, backups and failures interleave: nothing is forgotten that no backup has.
        #[test]
        fn no_change_is_lost(steps in prop::collection::vec((0_u8..4, 0_i64..1_000), 0..60)) {
            let (mut tracker, mut now) = (Tracker::default(), 0);
            let (mut unsaved, mut begun): (Option<i64>, Option<i64>) = (None, None);
            for (what, pause) in steps {
                now += pause;
                match what {
                    0 => { tracker.change(at(now)); unsaved = Some(now); }
                    1 => if tracker.begin(at(now)) { begun = Some(now); },
                    2 => {
                        tracker.succeed();
                        if let Some(begun) = begun.take() && unsaved.is_some_and(|at| at < begun) {
                            unsaved = None;
                        }
                    }
                    _ => { tracker.fail(at(now)); begun = None; }
                }
                prop_assert_eq!(tracker.changed_since().is_some(), unsaved.is_some());
            }
        }
    }
}
