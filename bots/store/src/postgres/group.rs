//! Group commit: jobs that wait share one transaction, and the statements that do them all at once
//! are the ledger's. A lone job finds a worker idle and waits for nobody.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{PgTx, Postgres};
use crate::stats::Counters;
use crate::{Error, Stats};

/// Jobs that may wait; one more is answered `Busy`.
const QUEUE: usize = 1024;
/// Jobs in one transaction.
const BATCH: usize = 256;
/// Transactions at a time: one gathers and runs while the other waits for the disk.
const WORKERS: usize = 2;

/// Work that many jobs can share.
#[async_trait]
pub trait Together: Send + Sync + 'static {
    /// What is to be done.
    type Job: Send + Sync + 'static;
    /// What the caller is told.
    type Answer: Send + 'static;
    /// Or why not.
    type Error: From<Error> + Clone + Send + 'static;

    /// Does all jobs inside `tx`, in their order, and answers each, in the same order; the commit
    /// follows. A job answered with an error must have changed nothing.
    ///
    /// An error undoes everything. When it is the fault of the jobs and not of the store, they are
    /// tried again in smaller groups, until only the one at fault is left with it.
    async fn run(
        &self,
        tx: &PgTx,
        jobs: &[Self::Job],
    ) -> Result<Vec<Result<Self::Answer, Self::Error>>, Self::Error>;
}

/// The queue before such work. Clones share it; it ends when the last one is dropped and nothing
/// waits.
pub struct Group<W: Together> {
    store: Postgres,
    counters: Arc<Counters>,
    queue: mpsc::Sender<Waiting<W>>,
}

struct Waiting<W: Together> {
    job: W::Job,
    reply: Reply<W>,
}

type Reply<W> = oneshot::Sender<Outcome<W>>;
type Outcome<W> = Result<<W as Together>::Answer, <W as Together>::Error>;

impl<W: Together> Clone for Group<W> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            counters: self.counters.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<W: Together> Group<W> {
    /// Starts the workers, on the runtime that this is called on.
    pub fn new(store: Postgres, work: W) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let (work, jobs) = (Arc::new(work), Arc::new(Mutex::new(jobs)));
        for _ in 0..WORKERS {
            let worker = Worker {
                store: store.clone(),
                work: Arc::clone(&work),
                counters: Arc::clone(&counters),
            };
            tokio::spawn(worker.run(Arc::clone(&jobs)));
        }
        Self { store, counters, queue }
    }

    /// Has a job done and answers after the commit. Dropping the future does not take a queued job
    /// back.
    pub async fn submit(&self, job: W::Job) -> Outcome<W> {
        let place = || self.store.place().clone();
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Waiting { job, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy { place: place() },
            mpsc::error::TrySendError::Closed(_) => Error::Closed { place: place() },
        })?;
        answer.await.unwrap_or_else(|_| Err(Error::Closed { place: place() }.into()))
    }

    /// What has been committed since the start.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }
}

struct Worker<W> {
    store: Postgres,
    work: Arc<W>,
    counters: Arc<Counters>,
}

impl<W: Together> Worker<W> {
    async fn run(self, jobs: Arc<Mutex<mpsc::Receiver<Waiting<W>>>>) {
        loop {
            let mut waiting = Vec::new();
            if jobs.lock().await.recv_many(&mut waiting, BATCH).await == 0 {
                return;
            }
            let (jobs, replies) = waiting.into_iter().map(|w| (w.job, w.reply)).unzip();
            // A panic is answered as a closed store, since the replies are dropped.
            let _ = AssertUnwindSafe(self.serve(jobs, replies)).catch_unwind().await;
        }
    }

    /// Answers everybody, in groups as large as possible.
    async fn serve(&self, jobs: Vec<W::Job>, replies: Vec<Reply<W>>) {
        let mut replies = VecDeque::from(replies);
        // What is left to do, the next first, as the number of jobs in each group.
        let mut groups = vec![jobs.len()];
        let mut rest = jobs.as_slice();
        while let Some(size) = groups.pop() {
            let (group, behind) = rest.split_at(size);
            let answers = match self.transact(group).await {
                Ok(answers) => answers,
                Err(Failure { of_the_jobs: true, .. }) if size > 1 => {
                    groups.extend([size - size / 2, size / 2]);
                    continue;
                }
                Err(failure) => group.iter().map(|_| Err(failure.error.clone())).collect(),
            };
            rest = behind;
            for (reply, answer) in replies.drain(..size).zip(answers) {
                // Nobody may wait any more: the work is done all the same.
                let _ = reply.send(answer);
            }
        }
    }

    async fn transact(&self, jobs: &[W::Job]) -> Result<Vec<Outcome<W>>, Failure<W::Error>> {
        let tx = self.store.begin().await.map_err(|error| Failure::of(error, false))?;
        let answers = match self.work.run(&tx, jobs).await {
            Ok(answers) => answers,
            Err(error) => {
                let of_the_jobs = !tx.failure().is_some_and(Error::is_transient);
                tx.rollback().await;
                return Err(Failure { error, of_the_jobs });
            }
        };
        // A constraint may be checked as late as now.
        tx.commit().await.map_err(|error| {
            let of_the_jobs = !error.is_transient();
            Failure::of(error, of_the_jobs)
        })?;
        self.counters.count(jobs.len());
        Ok(answers)
    }
}

struct Failure<E> {
    error: E,
    of_the_jobs: bool,
}

impl<E: From<Error>> Failure<E> {
    /// The store's own, at the beginning or the end.
    fn of(error: Error, of_the_jobs: bool) -> Self {
        tracing::warn!(%error, "commit failed");
        Self { error: error.into(), of_the_jobs }
    }
}
