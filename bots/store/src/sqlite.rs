//! One SQLite database: a writer thread in front, a few readers beside it.

mod error;
mod file;
mod identity;
mod log;
mod migrate;
mod sql;
mod tx;
mod value;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use crate::stats::Counters;
use crate::{Error, Place, Schema, Stats};
use identity::Identity;
use writer::{Guard, Job, Write};

pub use tx::Tx;

/// Writes that may wait; one more is answered `Busy`, so that a stalled disk cannot eat the memory.
const QUEUE: usize = 1024;
/// Reads at a time.
const READERS: usize = 4;

/// An open database. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    place: Place,
    counters: Arc<Counters>,
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Sqlite {
    /// Opens the database at `path`, making and migrating it as needed.
    pub async fn open(path: impl AsRef<Path>, schema: &Schema) -> Result<Self, Error> {
        let (path, schema) = (path.as_ref().to_owned(), *schema);
        let closed = Error::Closed { place: Place::file(&path) };
        let opened = spawn_blocking(move || Self::open_now(path, &schema)).await;
        // Fails to be joined only when the runtime shuts down.
        opened.unwrap_or(Err(closed))
    }

    fn open_now(path: PathBuf, schema: &Schema) -> Result<Self, Error> {
        file::prepare(&path)?;
        let place = Place::file(&path);
        let mut conn = file::open_writer(&path, &place)?;
        migrate::apply(schema, &mut conn, &place)?;
        let log =
            log::Log::of(&path, &mut conn).map_err(|error| Error::of_sqlite(&place, error))?;
        let (queue, jobs) = sync_channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let thread = {
            let (place, counters) = (place.clone(), counters.clone());
            let identity = Identity::of(&path);
            std::thread::Builder::new()
                .name(format!("store-{}", schema.name))
                .spawn(move || {
                    writer::Writer { log, conn, place, identity, jobs, counters }.run();
                })
                .map_err(|error| Error::of_file(&path, error))?
        };
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                place,
                counters,
                queue: Mutex::new(Some(queue)),
                thread: Mutex::new(Some(thread)),
                idle: Mutex::default(),
                permits: Semaphore::new(READERS),
            }),
        })
    }

    /// Runs `work` in a transaction, alone or together with others that wait, and answers after
    /// the commit. When `work` fails, only what it did is undone. Dropping the future does not
    /// take a queued write back.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_guarded(Guard::Savepoint, work).await
    }

    /// The same for work that fails, if at all, before its first change: it needs no savepoint,
    /// which is a good part of what a small write costs. Should it fail later after all, nothing
    /// of its transaction is kept, and those who share it are told that the store is busy.
    pub async fn write_whole<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_guarded(Guard::Whole, work).await
    }

    async fn write_guarded<T, E, F>(&self, guard: Guard, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Write::new(guard, work, reply)))?;
        answer.await.unwrap_or_else(|_| Err(self.closed().into()))
    }

    /// Runs `work` on a consistent snapshot, beside the writer.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let Ok(_permit) = self.inner.permits.acquire().await else {
            return Err(self.closed().into());
        };
        let inner = self.inner.clone();
        let done = spawn_blocking(move || inner.snapshot(inner.reader()?, work)).await;
        done.unwrap_or_else(|_| Err(self.closed().into()))
    }

    /// The same for a few rows found by their keys, on the caller's own thread when a reader is
    /// free: they are in memory nearly always, and a disk that must be asked answers sooner than
    /// another thread begins. Nothing that scans a table belongs here.
    pub async fn glance<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if let Ok(_permit) = self.inner.permits.try_acquire()
            && let Some(conn) = self.inner.idle()
        {
            return self.inner.snapshot(conn, work);
        }
        self.read(work).await
    }

    /// From now on, what is deleted is overwritten, also where that costs a write of its own.
    pub async fn delete_securely(&self) -> Result<(), Error> {
        let on = |tx: &Tx<'_>| {
            tx.one("PRAGMA secure_delete = ON", [], |row| row.get::<_, i64>(0)).map(drop)
        };
        self.write(on).await
    }

    /// Brings the whole log into the file and leaves nothing in it: what was deleted is in neither
    /// from then on, though others go on writing. [`Error::Busy`]: somebody reads for long.
    pub async fn empty_log(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        let done = spawn_blocking(move || log::empty(&inner.path, &inner.place)).await;
        done.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Finishes the waiting writes and closes; later calls get [`Error::Closed`].
    pub async fn close(&self) {
        self.inner.permits.close();
        lock(&self.inner.queue).take();
        let thread = lock(&self.inner.thread).take();
        if let Some(thread) = thread {
            // It ends with the queue; its own panic has been caught and answered.
            let _ = spawn_blocking(move || thread.join()).await;
        }
        lock(&self.inner.idle).clear();
    }

    /// What has been committed since opening.
    pub fn stats(&self) -> Stats {
        self.inner.counters.read()
    }

    /// Whether the last transaction that wrote met an error of the store.
    pub fn is_failing(&self) -> bool {
        self.inner.counters.is_failing()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), Error> {
        let queue = lock(&self.inner.queue);
        let Some(queue) = queue.as_ref() else {
            return Err(self.closed());
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy { place: self.inner.place.clone() },
            TrySendError::Disconnected(_) => self.closed(),
        })
    }

    fn closed(&self) -> Error {
        Error::Closed { place: self.inner.place.clone() }
    }
}

impl Inner {
    fn idle(&self) -> Option<Connection> {
        lock(&self.idle).pop()
    }

    fn reader(&self) -> Result<Connection, Error> {
        self.idle().map_or_else(|| file::open_reader(&self.path, &self.place), Ok)
    }

    fn snapshot<T, E: From<Error>>(
        &self,
        conn: Connection,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let tx = Tx::new(&conn, &self.place);
        tx.execute("BEGIN", [])?;
        let result = work(&tx);
        // A connection that cannot end its transaction is not used again.
        tx.execute("ROLLBACK", [])?;
        lock(&self.idle).push(conn);
        result
    }
}

/// These locks guard a push or a take; a panic elsewhere leaves nothing half done in them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
