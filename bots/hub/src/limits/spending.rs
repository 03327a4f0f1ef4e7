//! What people have spent, in memory: counted at once, kept once a second.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_identity::{Counts, Directory, DirectoryError, Totals};

/// So many people are remembered of whom nothing is to be kept.
const MOST: usize = 20_000;
/// How long what was read is relied upon where other replicas count, too.
const FRESH: Duration = Duration::from_secs(1);

/// By person.
#[derive(Default)]
pub(crate) struct Spending {
    /// Whether other replicas count, too.
    shared: bool,
    people: DashMap<ZakiUserId, Spent>,
    /// Held while something is being kept.
    keeping: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Spent {
    /// With all that is to be kept, and when they were read; none until somebody has asked.
    totals: Option<(Totals, Instant)>,
    /// To be kept.
    new: Counts,
    /// Being kept.
    leaving: Counts,
}

impl Spent {
    fn is_kept(&self) -> bool {
        self.new == Counts::default() && self.leaving == Counts::default()
    }
}

fn add(totals: &mut Totals, counts: Counts) {
    totals.day = totals.day.plus(counts);
    totals.month = totals.month.plus(counts);
}

impl Spending {
    pub(super) fn new(shared: bool) -> Self {
        Self { shared, ..Self::default() }
    }

    /// Counts something.
    pub(crate) fn add(&self, user: ZakiUserId, counts: Counts, now: Timestamp) {
        let mut spent = self.people.entry(user).or_default();
        spent.new = spent.new.plus(counts);
        match &mut spent.totals {
            Some((totals, _)) if now < totals.day_resets_at => add(totals, counts),
            // Another day: they are read again.
            totals => *totals = None,
        }
    }

    /// What a person has spent; none when that has to be read.
    pub(super) fn totals(&self, user: ZakiUserId, now: Timestamp) -> Option<Totals> {
        let (totals, read_at) = self.people.get(&user)?.totals?;
        let is_fresh = !self.shared || read_at.elapsed() < FRESH;
        (is_fresh && now < totals.day_resets_at).then_some(totals)
    }

    /// More has been kept than was counted here.
    pub(super) fn read_anew(&self, user: ZakiUserId) {
        if let Some(mut spent) = self.people.get_mut(&user) {
            spent.totals = None;
        }
    }

    /// It has been read; what it is with what has not been kept yet.
    pub(super) fn load(&self, user: ZakiUserId, mut totals: Totals) -> Totals {
        let mut spent = self.people.entry(user).or_default();
        add(&mut totals, spent.new.plus(spent.leaving));
        spent.totals = Some((totals, Instant::now()));
        totals
    }

    /// Keeps what has been counted. One at a time.
    pub(crate) async fn keep(
        &self,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let _alone = self.keeping.lock().await;
        let batch = self.take();
        if batch.is_empty() {
            return Ok(());
        }
        let kept = directory.count(&batch, now).await;
        match &kept {
            Ok(()) => self.kept(&batch),
            // What may have been written is not written twice.
            Err(DirectoryError::Store(error)) if error.is_unknown() => self.lose(&batch),
            Err(_) => self.put_back(&batch),
        }
        kept
    }

    fn take(&self) -> Vec<(ZakiUserId, Counts)> {
        if self.people.len() > MOST {
            self.people.retain(|_, spent| !spent.is_kept());
        }
        let mut batch = Vec::new();
        for mut entry in self.people.iter_mut() {
            let spent = entry.value_mut();
            if spent.new != Counts::default() {
                spent.leaving = std::mem::take(&mut spent.new);
                let counts = spent.leaving;
                batch.push((*entry.key(), counts));
            }
        }
        batch
    }

    fn kept(&self, batch: &[(ZakiUserId, Counts)]) {
        self.lose(batch);
        // Whom no limit bounds is not remembered.
        for (user, _) in batch {
            self.people.remove_if(user, |_, spent| spent.totals.is_none() && spent.is_kept());
        }
    }

    fn lose(&self, batch: &[(ZakiUserId, Counts)]) {
        for (user, _) in batch {
            if let Some(mut spent) = self.people.get_mut(user) {
                spent.leaving = Counts::default();
            }
        }
    }

    fn put_back(&self, batch: &[(ZakiUserId, Counts)]) {
        for (user, counts) in batch {
            let mut spent = self.people.entry(*user).or_default();
            spent.leaving = Counts::default();
            spent.new = spent.new.plus(*counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000);

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(NOW, n)
    }

    fn messages(messages: u64) -> Counts {
        Counts { messages, ..Counts::default() }
    }

    fn totals(n: u64) -> Totals {
        let (day, month) = (messages(n), messages(n));
        let (day_resets_at, month_resets_at) = (NOW.plus_ms(100), NOW.plus_ms(900));
        Totals { day, month, day_resets_at, month_resets_at }
    }

    fn known(spending: &Spending) -> Option<u64> {
        spending.totals(user(1), NOW).map(|totals| totals.day.messages)
    }

    #[test]
    fn what_is_not_kept_yet_counts() {
        let spending = Spending::default();
        spending.add(user(1), messages(2), NOW);
        assert_eq!(known(&spending), None, "nobody has read the rest");
        assert_eq!(spending.load(user(1), totals(5)).day.messages, 7);
        spending.add(user(1), messages(1), NOW);
        assert_eq!(known(&spending), Some(8));
        let batch = spending.take();
        assert_eq!(batch, [(user(1), messages(3))]);
        spending.add(user(1), messages(1), NOW);
        spending.kept(&batch);
        assert_eq!(known(&spending), Some(9));
        assert_eq!(spending.take(), [(user(1), messages(1))]);
    }

    #[test]
    fn who_is_asked_about_nothing_is_not_remembered() {
        let spending = Spending::default();
        spending.add(user(1), messages(1), NOW);
        spending.load(user(2), totals(5));
        spending.add(user(2), messages(1), NOW);
        let batch = spending.take();
        spending.add(user(3), messages(1), NOW);
        spending.kept(&batch);
        let known = [1, 2, 3].map(|n| spending.people.contains_key(&user(n)));
        assert_eq!(known, [false, true, true]);
    }

    #[test]
    fn what_was_not_kept_is_kept_next_time() {
        let spending = Spending::default();
        spending.add(user(1), messages(2), NOW);
        let batch = spending.take();
        assert!(spending.take().is_empty());
        spending.put_back(&batch);
        assert_eq!(spending.take(), batch);
        spending.lose(&batch);
        assert!(spending.take().is_empty(), "it may have been written");
    }

    #[test]
    fn another_day_is_read_anew() {
        let spending = Spending::default();
        spending.load(user(1), totals(5));
        assert_eq!(known(&spending), Some(5));
        assert!(spending.totals(user(1), NOW.plus_ms(100)).is_none());
        spending.add(user(1), messages(1), NOW.plus_ms(100));
        assert_eq!(known(&spending), None);
    }
}
