//! Things remembered by key, within bounds.

use std::collections::{HashMap, VecDeque};

/// The newest of what was made, by key, for delivering it again; the oldest are forgotten.
pub(crate) struct Made<T> {
    by_key: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Made<T> {
    /// How many are remembered.
    const CAPACITY: usize = 100_000;

    pub(crate) fn insert(&mut self, key: &str, made: T) {
        if self.by_key.insert(key.to_owned(), made).is_some() {
            return;
        }
        if self.order.len() == Self::CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.order.push_back(key.to_owned());
    }

    pub(crate) fn get(&self, key: &str) -> Option<&T> {
        self.by_key.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.by_key.get_mut(key)
    }

    /// Its place in the order stays: one that is made again under the same key may be forgotten
    /// sooner.
    pub(crate) fn remove(&mut self, key: &str) -> Option<T> {
        self.by_key.remove(key)
    }
}
