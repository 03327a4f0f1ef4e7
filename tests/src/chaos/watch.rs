//! Reads the platforms' records as they grow, since each keeps only its newest entries.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use zaki_simulators::{Act, Attempt, Log, Sent, Simulator};

use super::check::Shown;
use super::crowd::canonical;
use super::script::{MessageNo, words};
use crate::{ChannelKind, World};

/// Much shorter than a record takes to overflow.
const EVERY: Duration = Duration::from_millis(50);

/// A key of an [`Attempt`] on one platform.
pub(super) type Key = (ChannelKind, String);

#[derive(Default)]
struct Records {
    shown: Vec<Shown>,
    /// The words of each message that were shown, and when the last of them was.
    words: HashMap<MessageNo, (u32, SystemTime)>,
    acknowledged: HashMap<Key, SystemTime>,
    /// When a webhook request was first made.
    first_try: HashMap<Key, SystemTime>,
    /// Entries that were gone before they were read.
    missed: u64,
}

/// A background reader; ends when dropped.
pub struct Watch {
    records: Arc<Mutex<Records>>,
    reader: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Watch {
    /// Watches all platforms of a world from now on.
    pub fn on(world: &World) -> Self {
        let records = Arc::new(Mutex::new(Records::default()));
        let tails = ChannelKind::ALL.map(|channel| Tail::new(channel, world.platform(channel)));
        let reader = tokio::spawn(read(tails, Arc::clone(&records)));
        Self { records, reader }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was shown, in order on each platform.
    pub fn shown(&self) -> Vec<Shown> {
        self.records().shown.clone()
    }

    /// How many words of a message were shown, copies counted, and when the last one was.
    pub fn answer(&self, message: MessageNo) -> Option<(u32, SystemTime)> {
        self.records().words.get(&message).copied()
    }

    /// When a request with one of these keys was first acknowledged.
    pub fn acknowledged(&self, channel: ChannelKind, keys: &[String]) -> Option<SystemTime> {
        let records = self.records();
        keys.iter()
            .filter_map(|key| records.acknowledged.get(&(channel, key.clone())))
            .min()
            .copied()
    }

    /// When a request with one of these keys was first made.
    pub fn tried(&self, channel: ChannelKind, keys: &[String]) -> Option<SystemTime> {
        let records = self.records();
        keys.iter().filter_map(|key| records.first_try.get(&(channel, key.clone()))).min().copied()
    }

    /// A number that grows with every entry: whether anything happens.
    pub fn progress(&self) -> usize {
        let records = self.records();
        records.shown.len() + records.acknowledged.len()
    }

    /// Entries that were overwritten before they were read: must be 0.
    pub fn missed(&self) -> u64 {
        self.records().missed
    }
}

/// How far the records of one platform have been read.
struct Tail {
    channel: ChannelKind,
    sent: Log<Sent>,
    attempts: Log<Attempt>,
    at: [u64; 2],
}

impl Tail {
    fn new(channel: ChannelKind, platform: &dyn Simulator) -> Self {
        let (sent, attempts) = (platform.sent().clone(), platform.attempts().clone());
        Self { channel, at: [sent.len(), attempts.len()], sent, attempts }
    }
}

async fn read(mut tails: [Tail; 4], records: Arc<Mutex<Records>>) {
    loop {
        for tail in &mut tails {
            let [sent, attempts] = &mut tail.at;
            let (shown, lost) = fresh(&tail.sent, sent, is_shown);
            let (tried, missed) = fresh(&tail.attempts, attempts, |_| true);
            let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
            records.missed += lost + missed;
            for sent in shown {
                records.show(tail.channel, sent);
            }
            for attempt in tried {
                records.tried(tail.channel, &attempt);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A new message; typing, reactions and edits are none.
fn is_shown(sent: &Sent) -> bool {
    matches!(sent.act, Act::Post | Act::Answer) && !sent.text.is_empty()
}

/// What has been added since entry number `from`, and how many entries were gone already.
fn fresh<T: Clone>(log: &Log<T>, from: &mut u64, wanted: impl Fn(&T) -> bool) -> (Vec<T>, u64) {
    loop {
        let (before, kept) = (log.len(), Cell::new(0));
        log.matching(|_| {
            kept.set(kept.get() + 1);
            false
        });
        let first = before.saturating_sub(kept.get());
        let number = Cell::new(first);
        let new = log.matching(|entry| {
            let this = number.replace(number.get() + 1);
            this >= *from && wanted(entry)
        });
        // Otherwise an entry came in between, and the numbers may be wrong.
        if log.len() == before {
            let missed = first.saturating_sub(*from);
            *from = before;
            return (new, missed);
        }
    }
}

impl Records {
    fn show(&mut self, channel: ChannelKind, sent: Sent) {
        for (message, _) in words(&sent.text) {
            let (count, at) = self.words.entry(message).or_insert((0, sent.at));
            (*count, *at) = (*count + 1, sent.at);
        }
        let place = (channel, canonical(channel, &sent.conversation));
        self.shown.push(Shown { at: sent.at, place, text: sent.text });
    }

    fn tried(&mut self, channel: ChannelKind, attempt: &Attempt) {
        for key in attempt.key.split(' ') {
            let key = (channel, key.to_owned());
            if attempt.accepted() {
                let at = attempt.at + attempt.took;
                self.acknowledged.entry(key.clone()).or_insert(at);
            }
            self.first_try.entry(key).or_insert(attempt.at);
        }
    }
}
