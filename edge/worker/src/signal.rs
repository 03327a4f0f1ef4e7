//! Telling those who wait in the same object that something has changed.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Counts changes; whoever waits has seen some number of them.
#[derive(Default)]
pub(crate) struct Signal {
    changes: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Something has changed.
    pub(crate) fn tell(&self) {
        self.changes.set(self.changes.get().wrapping_add(1));
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Looks until there is something, again after every change.
    pub(crate) async fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            let seen = self.changes.get();
            if let Some(found) = look() {
                return found;
            }
            self.after(seen).await;
        }
    }

    async fn after(&self, seen: u64) {
        poll_fn(|context| {
            if self.changes.get() != seen {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
