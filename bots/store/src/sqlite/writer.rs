//! Group commit: one thread owns the writing connection; whatever waits when it is free shares the
//! next transaction and its one `fsync`. A lone write finds it idle and waits for nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::stats::Counters;
use crate::{Error, Place, Tx};

/// Writes in one transaction; bounds how long the first of them waits for the last.
const BATCH: usize = 256;

/// A write in the queue.
pub(super) trait Job: Send {
    /// Does the work; whether to keep what it did.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Tells the caller, once the fate of the transaction is known.
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

/// A closure and whoever waits for it.
pub(super) struct Write<F, T, E> {
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Write<F, T, E> {
    pub(super) const fn new(work: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { work: Some(work), outcome: None, reply }
    }
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        // A panic in one write must not take the thread, and with it all others, down. Its caller
        // then sees the store closed, since `outcome` stays empty and `reply` is dropped.
        let work = self.work.take();
        self.outcome = work.and_then(|work| catch_unwind(AssertUnwindSafe(|| work(tx))).ok());
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, commit: Result<(), Error>) {
        let answer = match (self.outcome, commit) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => return,
        };
        // Nobody waits any more: the work is done all the same.
        let _ = self.reply.send(answer);
    }
}

/// Runs until the last sender is gone and the queue is empty.
pub(super) fn run(
    conn: &Connection,
    place: &Place,
    jobs: &Receiver<Box<dyn Job>>,
    counters: &Counters,
) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        let commit = transact(conn, place, jobs, &mut batch);
        match &commit {
            Ok(()) => counters.count(batch.len()),
            Err(error) => tracing::warn!(%error, writes = batch.len(), "commit failed"),
        }
        for job in batch {
            job.answer(commit.clone());
        }
    }
}

/// Runs everything that waits in one transaction, each write in a savepoint of its own.
fn transact(
    conn: &Connection,
    place: &Place,
    jobs: &Receiver<Box<dyn Job>>,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<(), Error> {
    let tx = Tx::new(conn, place);
    let result = tx
        .execute("BEGIN IMMEDIATE", [])
        .and_then(|_| fill(&tx, jobs, batch))
        .and_then(|()| tx.execute("COMMIT", []).map(drop));
    if result.is_err() {
        // Whoever waited behind the failure shares it: answered now, not after as many time-outs.
        batch.extend(jobs.try_iter().take(BATCH));
        if !conn.is_autocommit() {
            tx.execute("ROLLBACK", [])?;
        }
    }
    result
}

fn fill(
    tx: &Tx<'_>,
    jobs: &Receiver<Box<dyn Job>>,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<(), Error> {
    let mut done = 0;
    while let Some(job) = batch.get_mut(done) {
        tx.execute("SAVEPOINT job", [])?;
        let keep = job.run(tx);
        tx.is_alive()?;
        if !keep {
            tx.execute("ROLLBACK TO job", [])?;
        }
        tx.execute("RELEASE job", [])?;
        done += 1;
        if done < BATCH {
            batch.extend(jobs.try_recv());
        }
    }
    Ok(())
}
