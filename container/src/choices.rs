//! Which model the gateway was told to use in which session, so that it is told only of changes.
//!
//! A session keeps its model at the gateway for good. What may differ from the default is on the
//! disk before the gateway hears of it; what it has taken, in memory. So after a crash between the
//! two it is told once more.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The models of all sessions.
#[derive(Debug)]
pub(crate) struct Choices {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Sessions that may have another model than the default.
    told: BTreeMap<String, String>,
    /// What they certainly have.
    taken: HashMap<String, Option<String>>,
}

impl Choices {
    /// As they were kept at `path`; a file that cannot be read is an empty one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let inner = Mutex::new(Inner { told: read(path)?, ..Inner::default() });
        Ok(Self { path: path.to_owned(), inner })
    }

    /// As they are kept now: another state has taken the place of the one they were of.
    pub(crate) fn reload(&self) {
        let told = read(&self.path).unwrap_or_else(|error| {
            tracing::warn!(%error, "the sessions' models cannot be read");
            BTreeMap::new()
        });
        *self.lock() = Inner { told, ..Inner::default() };
    }

    /// Whether the session may have another model than this; `None`: the default.
    pub(crate) fn is_open(&self, session: &str, model: Option<&str>) -> bool {
        let inner = self.lock();
        match inner.taken.get(session) {
            Some(taken) => taken.as_deref() != model,
            None => model.is_some() || inner.told.contains_key(session),
        }
    }

    /// The gateway is about to be told.
    pub(crate) fn begin(&self, session: &str, model: Option<&str>) -> io::Result<()> {
        let mut inner = self.lock();
        inner.taken.remove(session);
        let Some(model) = model else { return Ok(()) };
        inner.told.insert(session.to_owned(), model.to_owned());
        self.keep(&inner)
    }

    /// The gateway has taken it.
    pub(crate) fn done(&self, session: &str, model: Option<&str>) -> io::Result<()> {
        let mut inner = self.lock();
        inner.taken.insert(session.to_owned(), model.map(str::to_owned));
        if model.is_none() && inner.told.remove(session).is_some() {
            return self.keep(&inner);
        }
        Ok(())
    }

    /// Writes beside and renames: a crash leaves the old or the new.
    fn keep(&self, inner: &Inner) -> io::Result<()> {
        let part = self.path.with_extension("part");
        fs::write(&part, serde_json::to_vec(&inner.told)?)?;
        fs::File::open(&part)?.sync_all()?;
        fs::rename(part, &self.path)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, "the sessions' models cannot be read");
            BTreeMap::new()
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_told_of_changes_and_again_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("models.json");
        let choices = Choices::open(&path).unwrap();
        assert!(!choices.is_open("s", None) && choices.is_open("s", Some("big")));
        choices.begin("s", Some("big")).unwrap();
        assert!(choices.is_open("s", Some("big")), "it may not have heard");
        choices.done("s", Some("big")).unwrap();
        assert!(!choices.is_open("s", Some("big")) && choices.is_open("s", None));
        assert!(!choices.is_open("other", None));

        // Nobody knows any more what the gateway has taken.
        let choices = Choices::open(&path).unwrap();
        assert!(choices.is_open("s", None) && choices.is_open("s", Some("big")));
        choices.begin("s", None).unwrap();
        assert!(Choices::open(&path).unwrap().is_open("s", None), "nor has it heard yet");
        choices.done("s", None).unwrap();
        assert!(!choices.is_open("s", None));
        assert!(!Choices::open(&path).unwrap().is_open("s", None));
    }
}
