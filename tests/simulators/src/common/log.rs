//! A bounded record that can be searched and waited on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::lock;

/// How many entries a log keeps unless told otherwise; the oldest go first.
const CAPACITY: usize = 10_000;

/// Nothing that was waited for came in time.
#[derive(Debug, thiserror::Error)]
#[error("not seen within {waited:?}: {seen} other entries")]
pub struct NotSeen {
    /// How long was waited.
    pub waited: Duration,
    /// How many entries there were instead.
    pub seen: usize,
}

/// What happened, oldest first. Clones share the same record.
#[derive(Debug)]
pub struct Log<T> {
    kept: Arc<Mutex<Kept<T>>>,
    pushed: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct Kept<T> {
    entries: VecDeque<T>,
    /// The number of the first entry: how many are no longer kept.
    first: usize,
    capacity: usize,
}

impl<T> Kept<T> {
    /// The entries from number `from` on, and the number after the last.
    fn since(&self, from: usize) -> (impl Iterator<Item = &T>, usize) {
        let skipped = from.saturating_sub(self.first);
        (self.entries.iter().skip(skipped), self.first + self.entries.len())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), pushed: Arc::clone(&self.pushed) }
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self::keeping(CAPACITY)
    }
}

impl<T> Log<T> {
    /// A log of the newest `capacity` entries.
    pub(crate) fn keeping(capacity: usize) -> Self {
        let kept = Kept { entries: VecDeque::new(), first: 0, capacity };
        Self { kept: Arc::new(Mutex::new(kept)), pushed: Arc::new(watch::Sender::new(())) }
    }
}

impl<T: Clone> Log<T> {
    pub(crate) fn push(&self, entry: T) {
        let mut kept = lock(&self.kept);
        if kept.entries.len() == kept.capacity {
            kept.entries.pop_front();
            kept.first += 1;
        }
        kept.entries.push_back(entry);
        drop(kept);
        self.pushed.send_replace(());
    }

    /// Everything kept, oldest first.
    pub fn all(&self) -> Vec<T> {
        self.matching(|_| true)
    }

    /// How many entries were ever pushed (also those no longer kept).
    pub fn len(&self) -> u64 {
        lock(&self.kept).since(0).1 as u64
    }

    /// Nothing was ever pushed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest entry.
    pub fn last(&self) -> Option<T> {
        lock(&self.kept).entries.back().cloned()
    }

    /// The entries that `wanted` accepts, oldest first.
    pub fn matching(&self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        lock(&self.kept).entries.iter().filter(|e| wanted(e)).cloned().collect()
    }

    /// Forget everything kept.
    pub fn clear(&self) {
        let mut kept = lock(&self.kept);
        kept.first += kept.entries.len();
        kept.entries.clear();
    }

    /// Reads along: every entry once, from the oldest kept one on. For crowds: one reader sees what
    /// thousands of [`Log::wait_for`] would each be woken for.
    pub fn follow(&self) -> Follow<T> {
        let next = lock(&self.kept).first;
        Follow { log: self.clone(), pushed: self.pushed.subscribe(), next, missed: 0 }
    }

    /// The first entry, past or to come, that `wanted` accepts.
    pub async fn wait_for(
        &self,
        wanted: impl Fn(&T) -> bool,
        within: Duration,
    ) -> Result<T, NotSeen> {
        let mut found = self.wait_for_count(1, wanted, within).await?;
        found.pop().ok_or(NotSeen { waited: within, seen: 0 })
    }

    /// The first `count` entries, past or to come, that `wanted` accepts.
    pub async fn wait_for_count(
        &self,
        count: usize,
        wanted: impl Fn(&T) -> bool,
        within: Duration,
    ) -> Result<Vec<T>, NotSeen> {
        let mut pushed = self.pushed.subscribe();
        let mut found = Vec::new();
        let search = async {
            let mut from = 0;
            loop {
                {
                    let kept = lock(&self.kept);
                    let (entries, next) = kept.since(from);
                    let missing = count - found.len();
                    found.extend(entries.filter(|e| wanted(e)).take(missing).cloned());
                    from = next;
                }
                if found.len() == count {
                    return;
                }
                // The sender lives as long as self, so this only ever waits.
                let _ = pushed.changed().await;
            }
        };
        match tokio::time::timeout(within, search).await {
            Ok(()) => Ok(found),
            Err(_) => Err(NotSeen { waited: within, seen: lock(&self.kept).entries.len() }),
        }
    }
}

/// A reader of a [`Log`].
#[derive(Debug)]
pub struct Follow<T> {
    log: Log<T>,
    pushed: watch::Receiver<()>,
    /// The number of the next entry.
    next: usize,
    missed: usize,
}

impl<T: Clone> Follow<T> {
    /// The entries since the last call, at least one: waits for it.
    pub async fn more(&mut self) -> Vec<T> {
        loop {
            self.pushed.borrow_and_update();
            let news = self.take();
            if !news.is_empty() {
                return news;
            }
            // The sender lives as long as the log, so this only ever waits.
            let _ = self.pushed.changed().await;
        }
    }

    /// The entries since the last call, if any.
    pub fn take(&mut self) -> Vec<T> {
        let kept = lock(&self.log.kept);
        self.missed += kept.first.saturating_sub(self.next);
        let (entries, next) = kept.since(self.next);
        self.next = next;
        entries.cloned().collect()
    }

    /// How many entries were no longer kept when their turn came.
    pub fn missed(&self) -> usize {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_what_comes_later_and_finds_what_came_before() {
        let log = Log::default();
        log.push(1);
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.wait_for(|n| *n == 2, Duration::from_secs(5)).await }
        });
        tokio::task::yield_now().await;
        log.push(2);
        assert_eq!(waiting.await.unwrap().unwrap(), 2);
        assert_eq!(log.wait_for(|n| *n == 1, Duration::ZERO).await.unwrap(), 1);
        assert!(log.wait_for(|n| *n == 3, Duration::ZERO).await.is_err());
    }

    #[tokio::test]
    async fn a_reader_sees_every_entry_once() {
        let log = Log::default();
        (0..3).for_each(|n| log.push(n));
        let mut reader = log.follow();
        assert_eq!(reader.more().await, [0, 1, 2]);
        let waiting = tokio::spawn(async move { reader.more().await });
        tokio::task::yield_now().await;
        log.push(3);
        assert_eq!(waiting.await.unwrap(), [3]);
    }

    #[test]
    fn a_slow_reader_is_told_what_it_missed() {
        let log = Log::keeping(2);
        log.push(0);
        let mut reader = log.follow();
        (1..5).for_each(|n| log.push(n));
        assert_eq!((reader.take(), reader.missed()), (vec![3, 4], 3));
        assert_eq!((reader.take(), reader.missed()), (vec![], 3));
    }

    #[test]
    fn keeps_the_newest_within_its_capacity() {
        let log = Log::default();
        for n in 0..=CAPACITY {
            log.push(n);
        }
        assert_eq!(log.all().len(), CAPACITY);
        assert_eq!(log.all().first(), Some(&1));
        assert_eq!(log.len(), CAPACITY as u64 + 1);
    }
}
