//! Recent answers, in front of the store: bounded, first in first out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use sha2::{Digest, Sha256};
use zaki_envelope::{ConversationKind, Inbound, SenderId, Timestamp, ZakiUserId};

use crate::seen;

/// A digest of all that an answer depends on: the sender with its aliases (a new one must reach the
/// store), and where they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 16]);

impl Key {
    pub(crate) fn of(inbound: &Inbound) -> Self {
        let Inbound { sender, conversation, .. } = inbound;
        let (room, heard) = match (conversation.kind, inbound.addressed) {
            (ConversationKind::Direct, _) => ("", ""),
            (_, true) => (conversation.id.as_str(), "addressed"),
            (_, false) => (conversation.id.as_str(), "overheard"),
        };
        let place = [inbound.channel.as_str(), inbound.account.as_str(), room, heard];
        let names = [sender.scope.as_str(), sender.id.as_str()];
        let aliases = sender.aliases.iter().map(SenderId::as_str);
        let mut all = Sha256::new();
        for part in place.into_iter().chain(names).chain(aliases) {
            all.update(part.len().to_le_bytes());
            all.update(part);
        }
        let mut key = [0; 16];
        key.iter_mut().zip(all.finalize()).for_each(|(to, from)| *to = from);
        Self(key)
    }
}

/// Somebody who is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// Whose sandbox answers.
    pub(crate) user: ZakiUserId,
    /// Who wrote.
    pub(crate) speaker: ZakiUserId,
}

/// An answer, and when the sender was last noted to have written.
struct Answer {
    served: Served,
    seen_at: AtomicI64,
}

/// Which moment of the directory an answer was read in. It changes with every [`Cache::forget`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

pub(crate) struct Cache {
    answers: DashMap<Key, Answer>,
    capacity: usize,
    order: Mutex<Order>,
}

struct Order {
    epoch: u64,
    keys: VecDeque<Key>,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            answers: DashMap::new(),
            capacity,
            order: Mutex::new(Order { epoch: 0, keys: VecDeque::new() }),
        }
    }

    /// What is remembered. `seen` is called when it is time to note that the sender has written.
    pub(crate) fn get(&self, key: &Key, now: Timestamp, seen: impl FnOnce()) -> Option<Served> {
        let answer = self.answers.get(key)?;
        let seen_at = Timestamp::from_ms(answer.seen_at.load(Ordering::Relaxed));
        if seen::is_due(Some(seen_at), now) {
            answer.seen_at.store(now.as_ms(), Ordering::Relaxed);
            seen();
        }
        Some(answer.served)
    }

    /// To be taken before the store is read.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.order().epoch)
    }

    /// Remembers an answer, unless something has been forgotten since it was read: a slow reader
    /// must not bring back what a link has just changed.
    pub(crate) fn remember(&self, read_in: Epoch, key: Key, served: Served, seen_at: Timestamp) {
        let mut order = self.order();
        if Epoch(order.epoch) != read_in || self.capacity == 0 {
            return;
        }
        let answer = Answer { served, seen_at: seen_at.as_ms().into() };
        if self.answers.insert(key, answer).is_none() {
            order.keys.push_back(key);
        }
        while order.keys.len() > self.capacity {
            if let Some(oldest) = order.keys.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }

    /// Forgets everything: bindings move seldom, and refilling costs one read each.
    pub(crate) fn forget(&self) {
        let mut order = self.order();
        order.epoch += 1;
        order.keys.clear();
        self.answers.clear();
    }

    /// The lock guards counters and a queue, which a panic elsewhere leaves whole.
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_le_bytes());
        Key(key)
    }

    fn served(n: u32) -> Served {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), n.into());
        Served { user, speaker: user }
    }

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn get(cache: &Cache, n: u32) -> Option<Served> {
        cache.get(&key(n), NOW, || ())
    }

    #[test]
    fn holds_the_newest_and_no_more() {
        let cache = Cache::new(3);
        for n in 0..10 {
            cache.remember(cache.epoch(), key(n), served(n), NOW);
            cache.remember(cache.epoch(), key(n), served(n), NOW);
        }
        let held: Vec<_> = (0..10).filter(|n| get(&cache, *n).is_some()).collect();
        assert_eq!(held, [7, 8, 9]);
        assert_eq!((cache.answers.len(), cache.order().keys.len()), (3, 3));
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered() {
        let cache = Cache::new(3);
        let before = cache.epoch();
        cache.forget();
        cache.remember(before, key(1), served(1), NOW);
        assert_eq!(get(&cache, 1), None);
        cache.remember(cache.epoch(), key(1), served(2), NOW);
        assert_eq!(get(&cache, 1), Some(served(2)));
    }

    #[test]
    fn whoever_writes_is_noted_once_an_hour() {
        let cache = Cache::new(3);
        cache.remember(cache.epoch(), key(1), served(1), NOW);
        let mut noted = Vec::new();
        for minute in 0..150 {
            let now = NOW.plus_ms(minute * 60_000);
            cache.get(&key(1), now, || noted.push(minute));
        }
        assert_eq!(noted, [60, 120]);
    }
}
