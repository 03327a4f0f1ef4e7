//! When senders last wrote: gathered in memory, kept in batches, to the hour.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zaki_envelope::Timestamp;
use zaki_store::{Sql, params, transact};

use crate::{BindingKey, Directory, DirectoryError, locks};

/// What is noted at most as often.
const HOUR_MS: i64 = 60 * 60 * 1000;
/// Senders noted at a time; the next ones are noted when they write again.
const MOST: usize = 10_000;
/// Rows in one transaction.
const BATCH: usize = 100;

/// Senders who have written since the last time it was kept.
#[derive(Default)]
pub(crate) struct Seen {
    noted: Mutex<HashMap<BindingKey, Timestamp>>,
}

/// Whether what was noted is so old that it is noted again.
pub(crate) fn is_due(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.since(last) >= HOUR_MS)
}

impl Seen {
    pub(crate) fn note(&self, key: BindingKey, now: Timestamp) {
        let mut noted = self.noted();
        if noted.len() < MOST || noted.contains_key(&key) {
            noted.insert(key, now);
        }
    }

    fn take(&self) -> Vec<(BindingKey, Timestamp)> {
        std::mem::take(&mut *self.noted()).into_iter().collect()
    }

    /// The lock guards a map, which a panic elsewhere leaves whole.
    fn noted(&self) -> MutexGuard<'_, HashMap<BindingKey, Timestamp>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Keeps when senders last wrote; to be called once a minute or so. What cannot be kept is
    /// lost: it is noted again when they write.
    pub async fn flush(&self) -> Result<(), DirectoryError> {
        for batch in self.seen.take().chunks(BATCH) {
            let batch = batch.to_vec();
            transact!(&self.store, |tx| keep(tx, &batch))?;
        }
        Ok(())
    }
}

async fn keep<S: Sql>(tx: &S, seen: &[(BindingKey, Timestamp)]) -> Result<(), DirectoryError> {
    // A merge changes many of these rows at once, in an order of its own.
    locks::acts(tx).await?;
    let sql = "UPDATE binding SET last_seen_at = $4 WHERE channel = $1 AND scope = $2
        AND sender = $3 AND (last_seen_at IS NULL OR last_seen_at < $4)";
    for (BindingKey { channel, scope, sender }, at) in seen {
        let row = params![channel.as_str(), scope.as_str(), sender.as_str(), at.as_ms()];
        tx.execute(sql, row).await?;
    }
    Ok(())
}
