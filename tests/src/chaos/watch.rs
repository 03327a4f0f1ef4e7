//! Reads the platforms' records as they grow, since each keeps only its newest entries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use zaki_simulators::{Act, Attempt, Follow, Sent, Simulator};

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
    /// Entries were gone before they were read.
    overflowed: bool,
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

    /// Entries were overwritten before they were read: nothing can be said then.
    pub fn overflowed(&self) -> bool {
        self.records().overflowed
    }
}

/// How far the records of one platform have been read.
struct Tail {
    channel: ChannelKind,
    sent: Follow<Sent>,
    attempts: Follow<Attempt>,
}

impl Tail {
    fn new(channel: ChannelKind, platform: &dyn Simulator) -> Self {
        Self { channel, sent: platform.sent().follow(), attempts: platform.attempts().follow() }
    }
}

async fn read(mut tails: [Tail; 4], records: Arc<Mutex<Records>>) {
    loop {
        for Tail { channel, sent, attempts } in &mut tails {
            let (shown, tried) = (sent.take(), attempts.take());
            let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
            records.overflowed |= sent.missed() + attempts.missed() > 0;
            shown.into_iter().filter(is_shown).for_each(|sent| records.show(*channel, sent));
            for attempt in &tried {
                records.tried(*channel, attempt);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A new message; typing, reactions and edits are none.
fn is_shown(sent: &Sent) -> bool {
    matches!(sent.act, Act::Post | Act::Answer) && !sent.text.is_empty()
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
