//! Media on their way between the hub and a sandbox: kept for one person, by their hash, for a day.
//!
//! What the hub sends for a turn lies here before the turn comes; what an agent has made lies here
//! before the hub hears of it. So either may be asked for again after a crash.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use tokio::task::spawn_blocking;
use zaki_edge_core::front::Refusal;
use zaki_envelope::{
    Kept, MediaHash, Part, ZakiUserId,
    wire::{TurnEvent, TurnEventKind},
};

use crate::{
    edge::make_dir,
    runtime::{Link, LinkError},
    shared::Shared,
};

/// How long a medium is kept after it was last asked to be: as long as the events of a turn.
const KEPT: Duration = Duration::from_hours(24);
/// As much is kept of one person, in bytes; the oldest go first.
const MOST: u64 = 256 * 1024 * 1024;

/// Where they lie: a folder for each person.
#[derive(Clone, Debug)]
pub(crate) struct Media(PathBuf);

impl Media {
    pub(crate) fn new(private: &Path) -> Self {
        Self(private.join("media"))
    }

    fn of(&self, user: ZakiUserId) -> PathBuf {
        self.0.join(user.to_string())
    }

    /// Keeps the bytes, durably; `false`: they are not what the hash says.
    async fn keep(&self, user: ZakiUserId, hash: MediaHash, bytes: Bytes) -> io::Result<bool> {
        let dir = self.of(user);
        blocking(move || {
            if MediaHash::of(&bytes) != hash {
                return Ok(false);
            }
            make_dir(&dir, 0o700).map_err(io::Error::other)?;
            make_room(&dir, bytes.len() as u64)?;
            let path = dir.join(hash.to_string());
            let part = dir.join(format!("{hash}.{:x}", rand::random::<u64>()));
            let mut file = File::create(&part)?;
            let written = file.write_all(&bytes).and_then(|()| file.sync_all());
            written.and_then(|()| fs::rename(&part, &path)).inspect_err(|_| {
                let _ = fs::remove_file(&part);
            })?;
            Ok(true)
        })
        .await
    }

    /// The bytes, if they are kept for this person.
    async fn read(&self, user: ZakiUserId, hash: MediaHash) -> io::Result<Option<Bytes>> {
        let path = self.of(user).join(hash.to_string());
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Hands a sandbox of `user` what the parts name. What is not kept for them it does not get, and
    /// says so to its agent.
    pub(crate) async fn give(
        &self,
        user: ZakiUserId,
        parts: &[Part],
        link: &dyn Link,
    ) -> Result<(), LinkError> {
        for kept in parts.iter().filter_map(kept).filter(|kept| kept.user == user) {
            let bytes = match self.read(user, kept.hash).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%user, %error, "media.unreadable");
                    continue;
                }
            };
            match link.give(kept.hash, bytes).await {
                Ok(()) => {}
                Err(error @ LinkError::Lost(_)) => return Err(error),
                Err(error) => tracing::warn!(%user, %error, "media.not_taken"),
            }
        }
        Ok(())
    }

    /// Fetches from a sandbox of `user` what an event tells of. What it does not have, or what is
    /// not what it says, is not kept; whoever asks for it hears so.
    pub(crate) async fn take(
        &self,
        user: ZakiUserId,
        event: &TurnEvent,
        link: &dyn Link,
    ) -> Result<(), LinkError> {
        let TurnEventKind::Media { sha256, .. } = &event.kind else { return Ok(()) };
        let Ok(hash) = sha256.parse() else { return Ok(()) };
        let bytes = match link.medium(hash).await {
            Ok(bytes) => bytes,
            Err(error @ LinkError::Lost(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%user, %error, "media.not_given");
                return Ok(());
            }
        };
        match self.keep(user, hash, bytes).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(%user, "media.not_as_told"),
            Err(error) => tracing::error!(%user, %error, "media.not_kept"),
        }
        Ok(())
    }

    /// Forgets everything of a person.
    pub(crate) async fn erase(&self, user: ZakiUserId) -> io::Result<()> {
        let dir = self.of(user);
        blocking(move || match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// Forgets what is older than a day.
    pub(crate) async fn forget(&self) -> io::Result<()> {
        let root = self.0.clone();
        blocking(move || {
            let Ok(people) = fs::read_dir(root) else { return Ok(()) };
            for person in people {
                let dir = person?.path();
                let is_old = |at: SystemTime| at.elapsed().is_ok_and(|age| age > KEPT);
                for (at, _, path) in files(&dir)?.into_iter().filter(|(at, ..)| is_old(*at)) {
                    tracing::debug!(?at, "media.forgotten");
                    remove(&path)?;
                }
                // Not empty: something is kept.
                let _ = fs::remove_dir(dir);
            }
            Ok(())
        })
        .await
    }
}

impl Shared {
    /// Keeps a medium for somebody who is neither retired nor being erased.
    pub(crate) async fn keep_medium(
        &self,
        user: ZakiUserId,
        hash: MediaHash,
        bytes: Bytes,
    ) -> Result<(), Refusal> {
        // Nobody leaves meanwhile.
        let held = self.people.hold(user).await;
        if held.standing.refusal().is_some() {
            return Err(Refusal::Gone);
        }
        match self.media.keep(user, hash, bytes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Malformed("the body is not what the hash says")),
            Err(error) => {
                tracing::error!(%user, %error, "media.not_kept");
                Err(Refusal::Unavailable)
            }
        }
    }

    /// The bytes of a medium kept for somebody.
    pub(crate) async fn medium(&self, user: ZakiUserId, hash: MediaHash) -> Result<Bytes, Refusal> {
        match self.media.read(user, hash).await {
            Ok(bytes) => bytes.ok_or(Refusal::NotFound),
            Err(error) => {
                tracing::error!(%user, %error, "media.unreadable");
                Err(Refusal::Unavailable)
            }
        }
    }
}

fn kept(part: &Part) -> Option<Kept> {
    match part {
        Part::Media { reference, .. } => Kept::of(reference),
        _ => None,
    }
}

/// Removes the oldest until `more` bytes have room.
fn make_room(dir: &Path, more: u64) -> io::Result<()> {
    let mut files = files(dir)?;
    files.sort();
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in files {
        if total + more <= MOST {
            break;
        }
        remove(&path)?;
        total -= size;
    }
    Ok(())
}

/// Somebody else may have been first.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// When each was kept, how large it is, and where.
fn files(dir: &Path) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(meta) = entry.metadata() else { continue };
        files.push((meta.modified()?, meta.len(), entry.path()));
    }
    Ok(files)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    #[tokio::test]
    async fn a_medium_is_its_persons_alone_and_what_its_hash_says() {
        let dir = tempfile::tempdir().unwrap();
        let media = Media::new(dir.path());
        let bytes = Bytes::from_static(b"a picture");
        let hash = MediaHash::of(&bytes);
        assert!(!media.keep(user(1), MediaHash::of(b"other"), bytes.clone()).await.unwrap());
        assert!(media.keep(user(1), hash, bytes.clone()).await.unwrap());
        assert!(media.keep(user(1), hash, bytes.clone()).await.unwrap(), "again");
        assert_eq!(media.read(user(1), hash).await.unwrap(), Some(bytes));
        assert_eq!(media.read(user(2), hash).await.unwrap(), None);
        assert_eq!(files(&media.of(user(1))).unwrap().len(), 1);
        media.erase(user(1)).await.unwrap();
        assert_eq!(media.read(user(1), hash).await.unwrap(), None);
        media.erase(user(1)).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_a_day_old_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let media = Media::new(dir.path());
        media.forget().await.unwrap();
        for (n, word) in [(1, "old"), (1, "new"), (2, "old")] {
            let bytes = Bytes::from_static(word.as_bytes());
            let hash = MediaHash::of(&bytes);
            assert!(media.keep(user(n), hash, bytes).await.unwrap());
            if word == "old" {
                let file =
                    File::options().write(true).open(media.of(user(n)).join(hash.to_string()));
                let day = SystemTime::now() - KEPT - Duration::from_secs(1);
                file.unwrap().set_modified(day).unwrap();
            }
        }
        media.forget().await.unwrap();
        assert_eq!(media.read(user(1), MediaHash::of(b"old")).await.unwrap(), None);
        assert!(media.read(user(1), MediaHash::of(b"new")).await.unwrap().is_some());
        assert!(!media.of(user(2)).exists());
    }
}
