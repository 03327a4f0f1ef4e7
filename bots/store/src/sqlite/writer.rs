//! Group commit: one thread owns the writing connection; whatever waits when it is free shares the
//! next transaction and its one `fsync`. A lone write finds it idle and waits for nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::identity::Identity;
use super::log::Log;
use crate::stats::Counters;
use crate::{Error, Place, Tx};

/// Writes in one transaction; bounds how long the first of them waits for the last.
const BATCH: usize = 256;

/// What becomes of a write's changes when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// They alone are undone, thanks to a savepoint. It copies every page the write touches.
    Savepoint,
    /// There are none; otherwise the whole transaction is undone.
    Whole,
}

/// A write in the queue.
pub(super) trait Job: Send {
    /// How its failure is kept from the others.
    fn guard(&self) -> Guard;
    /// Does the work; whether to keep what it did.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Tells the caller, once the fate of the transaction is known.
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

/// A closure and whoever waits for it.
pub(super) struct Write<F, T, E> {
    guard: Guard,
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Write<F, T, E> {
    pub(super) const fn new(guard: Guard, work: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { guard, work: Some(work), outcome: None, reply }
    }
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn guard(&self) -> Guard {
        self.guard
    }

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

/// The thread that writes.
pub(super) struct Writer {
    pub log: Log,
    pub conn: Connection,
    pub place: Place,
    pub identity: Identity,
    pub jobs: Receiver<Box<dyn Job>>,
    pub counters: Arc<Counters>,
}

impl Writer {
    /// Runs until the last sender is gone and the queue is empty.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let mut batch = vec![first];
            let commit = self.transact(&mut batch);
            match &commit {
                Ok(()) => self.counters.count(batch.len()),
                Err(error) => tracing::warn!(%error, writes = batch.len(), "commit failed"),
            }
            for job in batch {
                job.answer(commit.clone());
            }
            self.log.tend(&self.conn);
        }
    }

    /// Runs everything that waits in one transaction.
    fn transact(&mut self, batch: &mut Vec<Box<dyn Job>>) -> Result<(), Error> {
        let tx = Tx::new(&self.conn, &self.place);
        let there = self.identity.is_same();
        let result = if there { Ok(()) } else { Err(tx.replaced()) }
            .and_then(|()| tx.execute("BEGIN IMMEDIATE", []))
            .and_then(|_| fill(&tx, &self.jobs, batch))
            .and_then(|()| tx.execute("COMMIT", []).map(drop));
        self.counters.fail(result.is_err() || tx.has_failed());
        if result.is_err() {
            // Whoever waited behind the failure shares it: answered now, not after as many
            // time-outs.
            batch.extend(self.jobs.try_iter().take(BATCH));
            if !self.conn.is_autocommit() {
                tx.execute("ROLLBACK", [])?;
            }
        }
        result
    }
}

fn fill(
    tx: &Tx<'_>,
    jobs: &Receiver<Box<dyn Job>>,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<(), Error> {
    let mut done = 0;
    while let Some(job) = batch.get_mut(done) {
        match job.guard() {
            Guard::Savepoint => in_savepoint(tx, job.as_mut())?,
            Guard::Whole => whole(tx, job.as_mut())?,
        }
        done += 1;
        if done < BATCH {
            batch.extend(jobs.try_recv());
        }
    }
    Ok(())
}

fn in_savepoint(tx: &Tx<'_>, job: &mut dyn Job) -> Result<(), Error> {
    tx.execute("SAVEPOINT job", [])?;
    let keep = job.run(tx);
    tx.is_alive()?;
    if !keep {
        tx.execute("ROLLBACK TO job", [])?;
    }
    tx.execute("RELEASE job", []).map(drop)
}

fn whole(tx: &Tx<'_>, job: &mut dyn Job) -> Result<(), Error> {
    let before = tx.changes();
    let keep = job.run(tx);
    tx.is_alive()?;
    if keep || tx.changes() == before { Ok(()) } else { Err(tx.torn()) }
}
