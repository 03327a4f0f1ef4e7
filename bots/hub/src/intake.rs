//! From the ledger to the lane: accepted messages find their person, those of one sender in order.
//!
//! Most senders are known and nothing needs waiting for: then it is done at once, without a task.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use tokio_util::task::TaskTracker;
use zaki_envelope::{ChannelKind, Inbound, SenderId, SenderScope};

/// Who wrote, as far as order goes.
pub(crate) type SenderKey = (ChannelKind, SenderScope, SenderId);

pub(crate) fn key_of(inbound: &Inbound) -> SenderKey {
    (inbound.channel, inbound.sender.scope.clone(), inbound.sender.id.clone())
}

type Work = BoxFuture<'static, ()>;

/// So many messages may wait for their person to be found. More come only while the directory
/// fails; the platforms keep them meanwhile.
const MOST: usize = 10_000;

/// What must wait, by sender. A sender is in it only while something of theirs is being worked on.
#[derive(Clone)]
pub(crate) struct Intake {
    /// One for each message in it.
    places: Arc<()>,
    waiting: Arc<Mutex<HashMap<SenderKey, VecDeque<Work>>>>,
    tasks: TaskTracker,
}

impl Intake {
    pub(crate) fn new(tasks: TaskTracker) -> Self {
        Self { places: Arc::default(), waiting: Arc::default(), tasks }
    }

    /// Whether no more may be taken in.
    pub(crate) fn is_full(&self) -> bool {
        Arc::strong_count(&self.places) > MOST
    }

    /// Does `work` after all earlier work of this sender. Work that panics ends itself alone.
    pub(crate) fn push(&self, sender: SenderKey, work: Work) {
        let place = Arc::clone(&self.places);
        let work = work.inspect(move |()| drop(place)).boxed();
        match self.lock().entry(sender.clone()) {
            Entry::Occupied(mut queue) => return queue.get_mut().push_back(work),
            Entry::Vacant(queue) => {
                queue.insert(VecDeque::new());
            }
        }
        let mut work = guarded(work);
        let left = match work.as_mut().now_or_never() {
            Some(()) => self.take(&sender),
            None => Some(work),
        };
        if let Some(work) = left {
            let intake = self.clone();
            self.tasks.spawn(async move { intake.drive(sender, work).await });
        }
    }

    async fn drive(&self, sender: SenderKey, mut work: Work) {
        loop {
            work.await;
            match self.take(&sender) {
                Some(next) => work = next,
                None => return,
            }
        }
    }

    fn take(&self, sender: &SenderKey) -> Option<Work> {
        let mut waiting = self.lock();
        let next = waiting.get_mut(sender).and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.remove(sender);
        }
        next.map(guarded)
    }

    /// The map is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, HashMap<SenderKey, VecDeque<Work>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn guarded(work: Work) -> Work {
    let guarded = AssertUnwindSafe(work).catch_unwind().map(|done| {
        if done.is_err() {
            tracing::error!("a message could not be sent on its way; the next start takes it up");
        }
    });
    guarded.boxed()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    fn sender(name: &str) -> SenderKey {
        (ChannelKind::Telegram, SenderScope::new(""), SenderId::new(name))
    }

    fn intake() -> Intake {
        Intake::new(TaskTracker::new())
    }

    #[tokio::test]
    async fn senders_keep_their_order_and_do_not_wait_for_each_other() {
        let intake = intake();
        let (done, mut seen) = mpsc::unbounded_channel();
        for (who, what, ms) in [("a", "slow", 50), ("a", "after slow", 0), ("b", "other", 0)] {
            let done = done.clone();
            let work = async move {
                if ms > 0 {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                done.send(what).unwrap();
            };
            intake.push(sender(who), work.boxed());
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(seen.recv().await.unwrap());
        }
        assert_eq!(order, ["other", "slow", "after slow"]);
        intake.tasks.close();
        intake.tasks.wait().await;
        assert!(intake.lock().is_empty(), "an idle sender is gone");
    }

    #[tokio::test]
    async fn what_needs_no_waiting_is_done_at_once_and_leaves_nothing() {
        let intake = intake();
        let (done, mut seen) = mpsc::unbounded_channel();
        intake.push(sender("a"), async move { done.send(()).unwrap() }.boxed());
        assert_eq!(seen.try_recv(), Ok(()));
        assert!(intake.lock().is_empty());
        assert!(intake.tasks.is_empty(), "no task was needed");
    }

    #[tokio::test]
    async fn it_is_full_while_too_many_wait_and_no_longer() {
        let intake = intake();
        let (go, wait) = tokio::sync::watch::channel(false);
        let mut taken = 0;
        while !intake.is_full() {
            let mut wait = wait.clone();
            let work = async move { drop(wait.wait_for(|go| *go).await) };
            intake.push(sender("a"), work.boxed());
            taken += 1;
        }
        // Who drives them has a place of its own.
        assert_eq!(taken, MOST - 1);
        go.send(true).unwrap();
        intake.tasks.close();
        intake.tasks.wait().await;
        assert!(!intake.is_full());
    }

    #[tokio::test]
    async fn a_panic_ends_its_work_alone() {
        let intake = intake();
        let (done, mut seen) = mpsc::unbounded_channel();
        intake.push(sender("a"), async { panic!("on purpose") }.boxed());
        let later = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        intake.push(sender("a"), later.boxed());
        intake.push(sender("a"), async move { done.send(()).unwrap() }.boxed());
        assert!(seen.recv().await.is_some());
    }
}
