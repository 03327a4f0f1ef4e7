//! All languages side by side, and everything that can be said, said in each of them.

mod catalogue;
mod samples;
mod spoken;

use std::{cell::RefCell, collections::BTreeSet};

use crate::{Lang, Voice};

thread_local! {
    /// The phrases that this thread has used.
    static USED: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that a phrase is used.
pub(crate) fn used(key: &'static str) {
    USED.with_borrow_mut(|used| used.insert(key));
}

fn taken() -> BTreeSet<&'static str> {
    USED.take()
}

fn voices() -> [Voice; 5] {
    Lang::ALL.map(Voice::new)
}
