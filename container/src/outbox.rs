//! What the agent has said without being asked: kept until the edge has it, one file per message.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use zaki_envelope::{ProactiveId, wire::proactive::Proactive};

/// So many wait at most; an agent that talks faster than the edge listens is not heard.
const MOST: usize = 200;
/// So many are handed over at a time.
const SOME: usize = 20;

/// The messages that wait.
#[derive(Debug)]
pub(crate) struct Outbox {
    dir: PathBuf,
    waiting: Mutex<BTreeMap<ProactiveId, Proactive>>,
    count: watch::Sender<usize>,
}

impl Outbox {
    /// With what an earlier start has left in `dir`. A file that cannot be read is left alone.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut waiting = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            if let Ok(message) = serde_json::from_slice::<Proactive>(&fs::read(&path)?) {
                waiting.insert(message.id, message);
            } else {
                tracing::warn!(path = %path.display(), "an unreadable message is left");
            }
        }
        let count = watch::Sender::new(waiting.len());
        Ok(Self { dir: dir.to_owned(), waiting: Mutex::new(waiting), count })
    }

    /// Keeps a message; one that waits already is not kept twice. On the disk when this returns.
    pub(crate) fn add(&self, message: Proactive) -> io::Result<()> {
        let mut waiting = self.lock();
        if waiting.contains_key(&message.id) {
            return Ok(());
        }
        if waiting.len() >= MOST {
            return Err(io::Error::other("too many messages wait for the edge"));
        }
        self.write(&message)?;
        waiting.insert(message.id, message);
        self.count.send_replace(waiting.len());
        Ok(())
    }

    /// The oldest ones; waits so long for one if there is none.
    pub(crate) async fn next(&self, patience: Duration) -> Vec<Proactive> {
        let mut count = self.count.subscribe();
        let _ = timeout(patience, count.wait_for(|count| *count > 0)).await;
        self.lock().values().take(SOME).cloned().collect()
    }

    /// The edge has it.
    pub(crate) fn acknowledge(&self, id: ProactiveId) -> io::Result<()> {
        let mut waiting = self.lock();
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        waiting.remove(&id);
        self.count.send_replace(waiting.len());
        Ok(())
    }

    /// Whether the edge has all of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Writes beside and renames: a crash leaves all of it or nothing.
    fn write(&self, message: &Proactive) -> io::Result<()> {
        let part = self.dir.join(format!("{}.part", message.id));
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(message)?)?;
        file.sync_all()?;
        fs::rename(part, self.path(message.id))?;
        File::open(&self.dir)?.sync_all()
    }

    fn path(&self, id: ProactiveId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    /// A panic elsewhere does not make the data behind a lock worse.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProactiveId, Proactive>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    fn message(n: u128) -> Proactive {
        let at = Timestamp::from_ms(5);
        let id = ProactiveId::from_parts(at, n);
        Proactive { id, at, place: None, shared: false, failed: false, text: format!("m{n}") }
    }

    #[tokio::test]
    async fn what_waits_outlives_a_crash_until_it_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        assert_eq!(outbox.next(Duration::ZERO).await, []);
        for n in [2, 1, 2] {
            outbox.add(message(n)).unwrap();
        }
        fs::write(dir.path().join("x.json"), "half a mess").unwrap();
        fs::write(dir.path().join("x.part"), "half").unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        assert_eq!(outbox.next(Duration::ZERO).await, [message(1), message(2)]);
        for _ in 0..2 {
            outbox.acknowledge(message(1).id).unwrap();
        }
        assert!(!outbox.is_empty());
        outbox.acknowledge(message(2).id).unwrap();
        assert!(outbox.is_empty() && Outbox::open(dir.path()).unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        let (heard, ()) = tokio::join!(outbox.next(Duration::from_mins(1)), async {
            tokio::task::yield_now().await;
            outbox.add(message(1)).unwrap();
        });
        assert_eq!(heard, [message(1)]);
    }

    #[test]
    fn one_that_never_stops_talking_is_not_heard_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        (0..MOST as u128).for_each(|n| outbox.add(message(n)).unwrap());
        assert!(outbox.add(message(9_999)).is_err());
        outbox.acknowledge(message(0).id).unwrap();
        outbox.add(message(9_999)).unwrap();
    }
}
