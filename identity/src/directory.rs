//! The directory, opened: one type, whichever database is behind it. What it can do is in the files
//! of its parts.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Semaphore;
use zaki_store::{Either, PgOptions, Sql, glance, params, transact};

use crate::cache::Cache;
use crate::codes::{CodeKey, random};
use crate::seen::Seen;
use crate::{DirectoryError, Options, schema, sealed};

/// Who is who. Clones share the store and the cache.
///
/// Needs no fence: what it promises under several hubs (one person per sender, one mint per
/// person) are uniqueness rules of its store.
#[derive(Clone)]
pub struct Directory {
    pub(crate) store: Either,
    pub(crate) cache: Arc<Cache>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) options: Arc<Options>,
    pub(crate) code_key: CodeKey,
    /// Who may change something by writing to a bot: the others wait without a connection.
    pub(crate) turnstile: Arc<Semaphore>,
}

impl Directory {
    /// Opens the directory of one hub in a file, making or migrating it as needed.
    pub async fn sqlite(path: impl AsRef<Path>, options: Options) -> Result<Self, DirectoryError> {
        Self::new(Either::sqlite(path, &schema::SQLITE).await?, options).await
    }

    /// Opens the directory that replicas share in the database at `url`, making or migrating its
    /// tables as needed.
    pub async fn postgres(
        url: &SecretString,
        pg: &PgOptions,
        options: Options,
    ) -> Result<Self, DirectoryError> {
        Self::new(Either::postgres(url, pg, &schema::POSTGRES).await?, options).await
    }

    async fn new(store: Either, mut options: Options) -> Result<Self, DirectoryError> {
        let code_key = match &options.code_key {
            Some(key) => key.clone(),
            None => match glance!(&store, |tx| kept_key(tx))? {
                Some(key) => key,
                None => transact!(&store, |tx| make_key(tx))?,
            },
        };
        options.code_key = Some(code_key.clone());
        if options.keys.first().is_some() {
            sealed::raise(&store, schema::version(&store)).await?;
        }
        let cache = Arc::new(Cache::new(options.cache));
        let turnstile = Arc::new(Semaphore::new(at_once(&store)));
        let (seen, options) = (Arc::default(), Arc::new(options));
        Ok(Self { store, cache, seen, options, code_key, turnstile })
    }

    /// Keeps what waits; later calls fail as closed.
    pub async fn close(&self) {
        // When somebody last wrote may be lost.
        let _ = self.flush().await;
        self.store.close().await;
    }

    /// Forgets what is remembered, unless nothing has `changed` that it rests on: what was asked for
    /// is refused. Whether what failed has changed something nobody knows. So whoever guesses, or asks
    /// for what they may not, slows nobody else down.
    pub(crate) fn forget_after<T>(
        &self,
        done: &Result<T, DirectoryError>,
        changed: impl FnOnce(&T) -> bool,
    ) {
        if done.as_ref().map_or_else(|error| !error.is_verdict(), changed) {
            self.forget();
        }
    }

    /// Forgets what is remembered of senders: something has changed that it rests on.
    pub(crate) fn forget(&self) {
        self.cache.forget();
    }
}

/// How many of those transactions are begun at the same time. In a database one holds the lock of
/// all acts and one is about to take it: more would only keep connections from everybody else. In a
/// file they share a commit.
const fn at_once(store: &Either) -> usize {
    match store {
        Either::Sqlite(_) => Semaphore::MAX_PERMITS,
        Either::Postgres(_) => 2,
    }
}

/// The key that is kept.
async fn kept_key<S: Sql>(tx: &S) -> Result<Option<CodeKey>, DirectoryError> {
    let kept = tx.one("SELECT value FROM secret WHERE name = 'codes'", params![]).await?;
    let kept: Option<String> = kept.map(|row| row.get(0)).transpose()?;
    Ok(kept.map(|key| CodeKey::new(key.into())))
}

/// Makes one, unless somebody else has been first.
async fn make_key<S: Sql>(tx: &S) -> Result<CodeKey, DirectoryError> {
    let fresh = hex::encode(random::<32>()?);
    let sql = "INSERT INTO secret (name, value) VALUES ('codes', $1) ON CONFLICT DO NOTHING";
    tx.execute(sql, params![&fresh]).await?;
    Ok(kept_key(tx).await?.unwrap_or_else(|| CodeKey::new(fresh.into())))
}
