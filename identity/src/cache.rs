//! Recent answers, in front of the store: bounded, first in first out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, ZakiUserId};

/// What names a sender. Its aliases too: a new one must reach the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    channel: ChannelKind,
    scope: SenderScope,
    id: SenderId,
    aliases: Vec<SenderId>,
}

impl Key {
    pub(crate) fn of(channel: ChannelKind, sender: &Sender) -> Self {
        Self {
            channel,
            scope: sender.scope.clone(),
            id: sender.id.clone(),
            aliases: sender.aliases.clone(),
        }
    }
}

/// Which moment of the directory an answer was read in. It changes with every [`Cache::forget`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

pub(crate) struct Cache {
    people: DashMap<Key, ZakiUserId>,
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
            people: DashMap::new(),
            capacity,
            order: Mutex::new(Order { epoch: 0, keys: VecDeque::new() }),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<ZakiUserId> {
        self.people.get(key).map(|user| *user)
    }

    /// To be taken before the store is read.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.order().epoch)
    }

    /// Remembers an answer, unless something has been forgotten since it was read: a slow reader
    /// must not bring back what a link has just changed.
    pub(crate) fn remember(&self, read_in: Epoch, key: Key, user: ZakiUserId) {
        let mut order = self.order();
        if Epoch(order.epoch) != read_in || self.capacity == 0 {
            return;
        }
        if self.people.insert(key.clone(), user).is_none() {
            order.keys.push_back(key);
        }
        while order.keys.len() > self.capacity {
            if let Some(oldest) = order.keys.pop_front() {
                self.people.remove(&oldest);
            }
        }
    }

    /// Forgets everything: bindings move seldom, and refilling costs one read each.
    pub(crate) fn forget(&self) {
        let mut order = self.order();
        order.epoch += 1;
        order.keys.clear();
        self.people.clear();
    }

    /// The lock guards counters and a queue, which a panic elsewhere leaves whole.
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    fn key(n: u32) -> Key {
        let sender = Sender::new(SenderScope::new(""), SenderId::new(n.to_string()));
        Key::of(ChannelKind::Telegram, &sender)
    }

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    #[test]
    fn holds_the_newest_and_no_more() {
        let cache = Cache::new(3);
        for n in 0..10 {
            cache.remember(cache.epoch(), key(n), user(u128::from(n)));
            cache.remember(cache.epoch(), key(n), user(u128::from(n)));
        }
        let held: Vec<_> = (0..10).filter(|n| cache.get(&key(*n)).is_some()).collect();
        assert_eq!(held, [7, 8, 9]);
        assert_eq!((cache.people.len(), cache.order().keys.len()), (3, 3));
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered() {
        let cache = Cache::new(3);
        let before = cache.epoch();
        cache.forget();
        cache.remember(before, key(1), user(1));
        assert_eq!(cache.get(&key(1)), None);
        cache.remember(cache.epoch(), key(1), user(2));
        assert_eq!(cache.get(&key(1)), Some(user(2)));
    }
}
