//! The backups as they lie: `users/{userId}/{sandbox}/{version}/`, an archive and, written last, a
//! note that says what it must be. Without the note there is no backup.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
    aws::AmazonS3Builder, buffered::BufWriter, local::LocalFileSystem, path::Path,
};
use reqwest::Client;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use zaki_edge_core::backup::Stock;
use zaki_envelope::{
    BackupId, SandboxName, Timestamp, ZakiUserId,
    wire::{Backup, BackupSummary},
};
use zaki_store::Keys;

use super::config::{BackupPlace, S3Config};
use super::sealed::{OpenError, Opener, Sealer};
use super::wire::Connector;

const ARCHIVE: &str = "archive.tar.zst";
const NOTE: &str = "backup.json";
/// So many notes are read at once.
const AT_ONCE: usize = 8;
/// How long a request to the store is tried again.
const PATIENCE: Duration = Duration::from_secs(20);
/// An archive without a note is left alone so long: somebody may be writing it.
const UNFINISHED_MS: i64 = 24 * 3_600_000;

/// Why a store does not do what it is asked for. For the log and for operators.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It cannot be reached, or refuses.
    #[error("the backup store does not take part: {0}")]
    Store(#[from] object_store::Error),
    /// What was stored is not what was sent.
    #[error("the backup store does not give back what it was given")]
    Different,
    /// What is to be stored broke off.
    #[error("the archive broke off: {0}")]
    Source(String),
    /// It is too long, or a note cannot be written.
    #[error("the backup cannot be stored: {0}")]
    Form(String),
    /// It gave up in the middle, beyond its own tries.
    #[error("the backup store broke off in the middle of an archive; try again later: {0}")]
    BrokeOff(object_store::Error),
    /// What is to be removed is still being written.
    #[error("a backup is still being written")]
    UnderWay,
}

/// Why a stored archive does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Break {
    /// Of the archive that says nothing.
    #[error(transparent)]
    Store(StoreError),
    /// What came is not what was stored.
    #[error("its archive is not what was stored")]
    Changed,
    /// It does not open.
    #[error("{0} (backup.keys has to have its key)")]
    Shut(#[from] OpenError),
}

/// An archive on its way, whole or not.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, Break>>;

/// Where backups lie.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    keys: Keys,
}

impl Store {
    /// Opens or makes it; whether a remote one answers shows at its first use.
    pub(crate) fn open(
        place: &BackupPlace,
        data_dir: &FilePath,
        keys: Keys,
        client: Client,
    ) -> Result<Self, object_store::Error> {
        let objects: Arc<dyn ObjectStore> = match place {
            BackupPlace::Data => Arc::new(directory(&data_dir.join("backups"))?),
            BackupPlace::Directory(path) => Arc::new(directory(path)?),
            BackupPlace::S3(s3) => Arc::new(bucket(s3, client)?),
        };
        Ok(Self { objects, keys })
    }

    /// One that lies anywhere.
    #[cfg(test)]
    pub(super) fn of(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, keys: Keys::default() }
    }

    /// The same with keys.
    #[cfg(test)]
    pub(super) fn with(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// The backups of a sandbox.
    pub(crate) async fn list(&self, name: &SandboxName) -> Result<Stock, StoreError> {
        let all: Vec<ObjectMeta> = self.objects.list(Some(&home(name))).try_collect().await?;
        let notes = all.into_iter().filter(|it| it.location.filename() == Some(NOTE));
        let reads = stream::iter(notes).map(|note| async move { self.note(name, note).await });
        let read: Vec<_> = reads.buffered(AT_ONCE).try_collect().await?;
        let mut stock = Stock::default();
        for one in read {
            match one {
                Ok(backup) => stock.kept.push(backup),
                Err(version) => stock.unread.push(version),
            }
        }
        Ok(stock)
    }

    /// `Ok(Err)`: the version of one that cannot be read, which is no word that there is none.
    async fn note(
        &self,
        name: &SandboxName,
        about: ObjectMeta,
    ) -> Result<Result<Backup, String>, StoreError> {
        let text = self.objects.get(&about.location).await?.bytes().await?;
        match serde_json::from_slice::<Backup>(&text) {
            Ok(backup) if about.location == place(name, backup.id, NOTE) => Ok(Ok(backup)),
            _ => {
                tracing::warn!(sandbox = %name, note = %about.location, "backup.unreadable");
                let version = about.location.parts().rev().nth(1);
                Ok(Err(version.map(|it| it.as_ref().to_owned()).unwrap_or_default()))
            }
        }
    }

    /// Stores an archive, reads back what the store has, and only then makes it a backup.
    pub(crate) async fn put(
        &self,
        name: &SandboxName,
        id: BackupId,
        summary: BackupSummary,
        archive: BoxStream<'static, Result<Bytes, String>>,
    ) -> Result<Backup, StoreError> {
        let at = place(name, id, ARCHIVE);
        let mut writer = BufWriter::new(self.objects.clone(), at.clone());
        let sent = match self.send(&mut writer, row(name, id), archive).await {
            Ok(sent) => sent,
            Err(error) => {
                let _ = writer.abort().await;
                self.discard(name, id).await;
                return Err(error);
            }
        };
        if self.read_back(&at).await? != sent {
            self.discard(name, id).await;
            return Err(StoreError::Different);
        }
        let (size, sha256) = sent;
        let key = self.keys.first().map(str::to_owned);
        let backup = Backup { id, at: id.minted_at(), size, sha256, key, summary };
        let text =
            serde_json::to_vec(&backup).map_err(|error| StoreError::Form(error.to_string()))?;
        let note = place(name, id, NOTE);
        self.objects.put_opts(&note, PutPayload::from(text), PutMode::Create.into()).await?;
        Ok(backup)
    }

    async fn send(
        &self,
        writer: &mut BufWriter,
        row: String,
        mut archive: BoxStream<'static, Result<Bytes, String>>,
    ) -> Result<(u64, String), StoreError> {
        let mut sealer = Sealer::new(&self.keys, row);
        let (mut size, mut digest) = (0, Sha256::new());
        let mut write = async |bytes: Bytes| {
            size += bytes.len() as u64;
            digest.update(&bytes);
            writer.put(bytes).await
        };
        while let Some(piece) = archive.next().await {
            let piece = piece.map_err(StoreError::Source)?;
            let piece = match &mut sealer {
                Some(sealer) => {
                    sealer.push(&piece).map_err(|it| StoreError::Form(it.to_string()))?
                }
                None => piece,
            };
            write(piece).await?;
        }
        if let Some(sealer) = sealer {
            write(sealer.end().map_err(|it| StoreError::Form(it.to_string()))?).await?;
        }
        writer.shutdown().await.map_err(|error| StoreError::Form(error.to_string()))?;
        Ok((size, hex::encode(digest.finalize())))
    }

    async fn read_back(&self, at: &Path) -> Result<(u64, String), StoreError> {
        let mut pieces = self.objects.get(at).await?.into_stream();
        let (mut size, mut digest) = (0, Sha256::new());
        while let Some(piece) = pieces.try_next().await? {
            size += piece.len() as u64;
            digest.update(&piece);
        }
        Ok((size, hex::encode(digest.finalize())))
    }

    /// Size and SHA-256 of an archive as it lies there now.
    pub(super) async fn found(
        &self,
        name: &SandboxName,
        id: BackupId,
    ) -> Result<(u64, String), StoreError> {
        self.read_back(&place(name, id, ARCHIVE)).await
    }

    /// The archive of a backup, as it was before it was stored. Breaks off unless it is whole.
    pub(crate) async fn get(
        &self,
        name: &SandboxName,
        backup: &Backup,
    ) -> Result<Pieces, StoreError> {
        let stored = self.objects.get(&place(name, backup.id, ARCHIVE)).await?.into_stream();
        let opener = backup.key.as_ref().map(|_| Opener::new(&self.keys, row(name, backup.id)));
        let reading = Reading {
            stored,
            opener,
            digest: Sha256::new(),
            size: 0,
            expected: (backup.size, backup.sha256.clone()),
        };
        Ok(stream::try_unfold(Some(reading), |reading| async {
            let Some(reading) = reading else { return Ok(None) };
            reading.next().await
        })
        .boxed())
    }

    /// Removes one backup; its note first, so that nobody takes half of it for one.
    pub(crate) async fn remove(&self, name: &SandboxName, id: BackupId) -> Result<(), StoreError> {
        for what in [NOTE, ARCHIVE] {
            match self.objects.delete(&place(name, id, what)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn discard(&self, name: &SandboxName, id: BackupId) {
        if let Err(error) = self.remove(name, id).await {
            tracing::warn!(sandbox = %name, backup = %id, %error, "backup.not_removed");
        }
    }

    /// Removes what was never finished.
    pub(crate) async fn sweep(&self, name: &SandboxName, now: Timestamp) -> Result<(), StoreError> {
        let all: Vec<ObjectMeta> = self.objects.list(Some(&home(name))).try_collect().await?;
        let is_noted = |id: &BackupId| all.iter().any(|it| it.location == place(name, *id, NOTE));
        let ids =
            all.iter().filter_map(|it| it.location.parts().rev().nth(1)?.as_ref().parse().ok());
        let left: Vec<BackupId> = ids
            .filter(|id: &BackupId| now.since(id.minted_at()) > UNFINISHED_MS && !is_noted(id))
            .collect();
        for id in left {
            self.remove(name, id).await?;
        }
        Ok(())
    }

    /// Removes every backup of a person.
    pub(crate) async fn erase(&self, user: ZakiUserId) -> Result<(), StoreError> {
        let all: Vec<ObjectMeta> = self.objects.list(Some(&of(user))).try_collect().await?;
        for about in all {
            match self.objects.delete(&about.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// A stored archive while it is read.
struct Reading {
    stored: BoxStream<'static, object_store::Result<Bytes>>,
    opener: Option<Opener>,
    digest: Sha256,
    size: u64,
    expected: (u64, String),
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>, Break> {
        let Some(piece) = self.stored.try_next().await.map_err(broke_off)? else {
            return self.end().map(|rest| Some((rest, None)));
        };
        self.size += piece.len() as u64;
        self.digest.update(&piece);
        let open = match &mut self.opener {
            Some(opener) => opener.push(&piece)?,
            None => piece,
        };
        Ok(Some((open, Some(self))))
    }

    /// Only here it is known to be whole: until then whoever reads it must not rely on it.
    fn end(self) -> Result<Bytes, Break> {
        if (self.size, hex::encode(self.digest.finalize())) != self.expected {
            return Err(Break::Changed);
        }
        Ok(self.opener.map(Opener::end).transpose()?.unwrap_or_default())
    }
}

fn broke_off(error: object_store::Error) -> Break {
    Break::Store(StoreError::BrokeOff(error))
}

/// A directory of our own, closed to others; what is written there is on the disk.
fn directory(path: &FilePath) -> Result<LocalFileSystem, object_store::Error> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| object_store::Error::Generic {
        store: "directory",
        source: Box::new(source),
    })?;
    let files = LocalFileSystem::new_with_prefix(path)?;
    Ok(files.with_fsync(true).with_automatic_cleanup(true))
}

fn bucket(s3: &S3Config, client: Client) -> Result<impl ObjectStore, object_store::Error> {
    let retry = RetryConfig { retry_timeout: PATIENCE, max_retries: 4, ..RetryConfig::default() };
    AmazonS3Builder::new()
        .with_endpoint(&s3.endpoint)
        .with_allow_http(s3.endpoint.starts_with("http://"))
        .with_bucket_name(&s3.bucket)
        .with_region(&s3.region)
        .with_access_key_id(&s3.access_key_id)
        .with_secret_access_key(s3.secret_access_key.expose_secret())
        .with_http_connector(Connector(client))
        .with_retry(retry)
        .build()
}

fn of(user: ZakiUserId) -> Path {
    Path::from(format!("users/{user}"))
}

fn home(name: &SandboxName) -> Path {
    Path::from(format!("users/{}/{name}", name.user()))
}

fn place(name: &SandboxName, id: BackupId, what: &str) -> Path {
    Path::from(format!("users/{}/{name}/{id}/{what}", name.user()))
}

/// What an archive is encrypted for.
fn row(name: &SandboxName, id: BackupId) -> String {
    format!("{name}/{id}")
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
