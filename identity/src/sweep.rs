//! Removing what has expired.

use zaki_envelope::Timestamp;
use zaki_store::{Sql, params, transact};

use crate::usage::Periods;
use crate::{Directory, DirectoryError, locks, pairing, told};

const DAY_MS: i64 = 24 * 3_600_000;
/// How long an invitation is still listed that can no longer be used, in milliseconds.
const INVITES_MS: i64 = 30 * DAY_MS;

/// How many rows have been removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Codes, tokens, questions, tries, and what was noted about strangers.
    pub expired: u64,
    /// Counts of days and months.
    pub usage: u64,
}

/// What is good no more: the statement, and how long ago that must be.
const EXPIRED: [(&str, i64); 5] = [
    ("DELETE FROM code WHERE kind = 'link' AND expires_at <= $1", 0),
    ("DELETE FROM code WHERE kind = 'invite' AND expires_at <= $1", INVITES_MS),
    ("DELETE FROM token WHERE expires_at <= $1", 0),
    ("DELETE FROM joining WHERE asked_at <= $1", DAY_MS),
    ("DELETE FROM attempt WHERE since <= $1", DAY_MS),
];

/// Days are before the months that they are in: `2026-11-21` sorts after `2026-11`.
const USAGE: &str = "DELETE FROM usage WHERE period < $1";

impl Directory {
    /// Removes what has expired, and counts of usage from more than `usage_days` days ago. To be
    /// called now and then; any replica may.
    pub async fn sweep(&self, now: Timestamp, usage_days: u32) -> Result<Swept, DirectoryError> {
        transact!(&self.store, |tx| sweep(tx, now, usage_days))
    }
}

async fn sweep<S: Sql>(tx: &S, now: Timestamp, usage_days: u32) -> Result<Swept, DirectoryError> {
    locks::acts(tx).await?;
    let mut expired = told::sweep(tx, now).await? + pairing::sweep(tx, now).await?;
    for (statement, ago) in EXPIRED {
        expired += tx.execute(statement, params![now.plus_ms(-ago).as_ms()]).await?;
    }
    let eldest = Periods::of(now.plus_ms(-DAY_MS * i64::from(usage_days)));
    let usage = tx.execute(USAGE, params![eldest.month]).await?;
    Ok(Swept { expired, usage })
}
