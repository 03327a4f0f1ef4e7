//! Removing what has expired.

use zaki_envelope::Timestamp;
use zaki_store::{Sql, params, transact};

use crate::parted::BEFORE_MS;
use crate::usage::{Periods, carried};
use crate::{Directory, DirectoryError, JOINING_MS, locks, pairing, told};

const DAY_MS: i64 = 24 * 3_600_000;
/// How long an invitation is still listed that can no longer be used, in milliseconds.
const INVITES_MS: i64 = 30 * DAY_MS;

/// How long after somebody asked to be let in they may still hear that they are, in milliseconds.
const WELCOME_MS: i64 = 7 * DAY_MS;

/// How long what people leave behind is kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Counts of usage.
    pub usage: u32,
    /// Feedback.
    pub feedback: u32,
    /// Names of sessions that nobody has entered since; the sessions themselves stay.
    pub sessions: u32,
}

/// How many rows have been removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Codes, tokens, questions, tries, and what was noted about strangers.
    pub expired: u64,
    /// Counts of days and months.
    pub usage: u64,
    /// Feedback, and names of sessions.
    pub texts: u64,
}

/// What is good no more: the statement, and how long ago that must be.
const EXPIRED: [(&str, i64); 8] = [
    ("DELETE FROM code WHERE kind = 'link' AND expires_at <= $1", 0),
    ("DELETE FROM code WHERE kind = 'invite' AND expires_at <= $1", INVITES_MS),
    ("DELETE FROM token WHERE expires_at <= $1", 0),
    ("DELETE FROM joining WHERE asked_at <= $1", DAY_MS),
    ("DELETE FROM proposal WHERE asked_at <= $1", JOINING_MS),
    ("DELETE FROM admission WHERE asked_at <= $1", WELCOME_MS),
    ("DELETE FROM attempt WHERE since <= $1", DAY_MS),
    ("DELETE FROM parted WHERE at <= $1", BEFORE_MS),
];

/// Days are before the months that they are in: `2026-11-21` sorts after `2026-11`.
const USAGE: &str = "DELETE FROM usage WHERE period < $1";

const FEEDBACK: &str = "DELETE FROM feedback WHERE at <= $1";

/// Not of the one somebody is in, however long.
const NAMES: &str = "UPDATE session SET name = NULL WHERE used_at <= $1 AND name IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM person WHERE person.id = session.user_id
        AND person.session = session.n)";

impl Directory {
    /// Removes what has expired, and what has been kept long enough. To be called now and then; any
    /// replica may.
    pub async fn sweep(&self, now: Timestamp, keep: Keep) -> Result<Swept, DirectoryError> {
        transact!(&self.store, |tx| sweep(tx, now, keep))
    }
}

async fn sweep<S: Sql>(tx: &S, now: Timestamp, keep: Keep) -> Result<Swept, DirectoryError> {
    locks::acts(tx).await?;
    let mut expired = told::sweep(tx, now).await? + pairing::sweep(tx, now).await?;
    for (statement, ago) in EXPIRED {
        expired += tx.execute(statement, params![now.plus_ms(-ago).as_ms()]).await?;
    }
    let ago = |days: u32| now.plus_ms(-DAY_MS * i64::from(days));
    let mut usage = tx.execute(USAGE, params![Periods::of(ago(keep.usage)).month]).await?;
    usage += carried::sweep(tx, now).await?;
    let mut texts = tx.execute(FEEDBACK, params![ago(keep.feedback).as_ms()]).await?;
    texts += tx.execute(NAMES, params![ago(keep.sessions).as_ms()]).await?;
    Ok(Swept { expired, usage, texts })
}
