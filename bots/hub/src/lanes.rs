//! Work in order per key: one job in flight for a key, all keys side by side.
//!
//! A lane exists only while it has work. Used for turns (key: person and session) and for
//! deliveries (key: conversation).

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::task::TaskTracker;

/// Lanes of jobs `J`, keyed by `K`.
pub(crate) struct Lanes<K, J> {
    waiting: Arc<Mutex<HashMap<K, VecDeque<J>>>>,
    tasks: TaskTracker,
}

impl<K, J> Lanes<K, J>
where
    K: Clone + Eq + Hash + Send + 'static,
    J: Send + 'static,
{
    pub(crate) fn new(tasks: TaskTracker) -> Self {
        Self { waiting: Arc::default(), tasks }
    }

    /// Runs `job` after all earlier ones of `key`. `run` must be the same for all jobs of a lane.
    /// A job that panics ends itself, not its lane.
    pub(crate) fn push<F, R>(&self, key: K, job: J, run: R)
    where
        F: Future<Output = ()> + Send + 'static,
        R: Fn(J) -> F + Send + 'static,
    {
        match lock(&self.waiting).entry(key.clone()) {
            Entry::Occupied(mut lane) => return lane.get_mut().push_back(job),
            Entry::Vacant(lane) => {
                lane.insert(VecDeque::new());
            }
        }
        let (waiting, tasks) = (Arc::clone(&self.waiting), self.tasks.clone());
        self.tasks.spawn(async move {
            let mut next = Some(job);
            while let Some(job) = next {
                if let Err(error) = tasks.spawn(run(job)).await {
                    tracing::error!(%error, "a job of a lane ended abnormally");
                }
                next = take(&waiting, &key);
            }
        });
    }
}

/// The next job of a lane; closes the lane when there is none.
fn take<K: Eq + Hash, J>(waiting: &Mutex<HashMap<K, VecDeque<J>>>, key: &K) -> Option<J> {
    let mut lanes = lock(waiting);
    let job = lanes.get_mut(key).and_then(VecDeque::pop_front);
    if job.is_none() {
        lanes.remove(key);
    }
    job
}

/// The map is whole after every statement, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_lane_keeps_its_order_and_lanes_do_not_wait_for_each_other() {
        let lanes = Lanes::new(TaskTracker::new());
        let (done, mut seen) = mpsc::unbounded_channel();
        let run = move |(name, ms): (&'static str, u64)| {
            let done = done.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                done.send(name).unwrap();
            }
        };
        lanes.push(1, ("slow", 50), run.clone());
        lanes.push(1, ("after slow", 0), run.clone());
        lanes.push(2, ("other lane", 0), run);
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(seen.recv().await.unwrap());
        }
        assert_eq!(order, ["other lane", "slow", "after slow"]);
        lanes.tasks.close();
        lanes.tasks.wait().await;
        assert!(lock(&lanes.waiting).is_empty(), "an idle lane is gone");
    }

    #[tokio::test]
    async fn a_panic_ends_its_job_alone() {
        let lanes = Lanes::new(TaskTracker::new());
        let (done, mut seen) = mpsc::unbounded_channel();
        let run = move |ok: bool| {
            let done = done.clone();
            async move {
                assert!(ok, "on purpose");
                done.send(()).unwrap();
            }
        };
        lanes.push((), false, run.clone());
        lanes.push((), true, run);
        assert!(seen.recv().await.is_some());
    }
}
