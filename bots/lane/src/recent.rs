//! What is remembered for a while about many: never more than so many entries.

use std::{collections::HashMap, hash::Hash};

/// Below this many entries nothing is swept up.
const FEW: usize = 1024;

/// Entries that are forgotten when their time is over, and sooner when there are too many: then
/// those go first whose time is over first.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: HashMap<K, V>,
    most: usize,
    sweep_at: usize,
}

/// Something whose time is over at some moment.
pub(crate) trait Ends {
    /// How moments are counted.
    type Moment: Copy + Ord;

    /// When.
    fn end(&self) -> Self::Moment;
}

impl<K: Eq + Hash, V: Default + Ends> Recent<K, V> {
    /// At most so many entries, and never fewer than one.
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), most: most.max(1), sweep_at: FEW.min(most.max(1)) }
    }

    /// What is remembered about `key`, from now on at least.
    pub(crate) fn entry(&mut self, key: K, now: V::Moment) -> &mut V {
        if self.entries.len() >= self.sweep_at && !self.entries.contains_key(&key) {
            self.sweep(now);
        }
        self.entries.entry(key).or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn sweep(&mut self, now: V::Moment) {
        self.entries.retain(|_, entry| entry.end() > now);
        if self.entries.len() >= self.most {
            // Half of them, so that this is not done for each that comes.
            let mut ends: Vec<_> = self.entries.values().map(Ends::end).collect();
            let middle = ends.len() / 2;
            let (_, middle, _) = ends.select_nth_unstable(middle);
            let middle = *middle;
            self.entries.retain(|_, entry| entry.end() > middle);
        }
        self.sweep_at = FEW.max(self.entries.len() * 2).min(self.most);
        self.entries.shrink_to(self.sweep_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Until(u32);

    impl Ends for Until {
        type Moment = u32;

        fn end(&self) -> u32 {
            self.0
        }
    }

    #[test]
    fn never_more_than_so_many_and_the_last_to_end_stay() {
        let mut recent = Recent::<u32, Until>::new(3000);
        for n in 0..100_000 {
            *recent.entry(n, 0) = Until(n + 1);
            assert!(recent.len() <= 3000, "{}", recent.len());
            assert!(recent.entries.contains_key(&n.saturating_sub(1000)), "{n}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten_first() {
        let mut recent = Recent::<u32, Until>::new(3000);
        *recent.entry(0, 0) = Until(u32::MAX);
        for n in 1..100_000 {
            *recent.entry(n, n) = Until(n + 10);
            assert!(recent.len() <= FEW, "{}", recent.len());
        }
        assert!(recent.entries.contains_key(&0));
    }

    #[test]
    fn where_all_end_at_once_all_go() {
        let mut recent = Recent::<u32, Until>::new(2);
        for n in 0..10 {
            *recent.entry(n, 0) = Until(7);
            assert!((1..=2).contains(&recent.len()));
        }
    }
}
