//! What follows elsewhere from what happens here: written down in the same transaction, and done by
//! whoever runs, however often it has to be tried. Of one person one after the other, in the order in
//! which it followed; each may be done twice.

mod task;

use serde::{Serialize, Serializer};
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Keys, Row, Sql, Text, glance, params, snapshot, transact};

use crate::{Directory, DirectoryError};

pub(crate) use task::traces;
pub use task::{Task, Trace, Traces};

/// How long whoever has taken an errand has it alone, in milliseconds. A call for it must be over
/// sooner: another one may begin then, and the next errand after it.
pub const ERRAND_MS: i64 = 30_000;
/// So long a new errand is left to whoever has given it, in milliseconds.
pub const HEAD_START_MS: i64 = 2_000;
/// What is under way while a person is erased is over after this, in milliseconds.
const LAST_LOOK_MS: i64 = 60_000;
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 300_000;

/// Something that is still to be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Errand {
    /// Whose line it is in.
    pub user: ZakiUserId,
    /// Its place there.
    pub n: i64,
    /// What; for programs that show it, its word alone.
    #[serde(rename = "what", serialize_with = "word")]
    pub task: Task,
    /// Since when.
    pub asked_at: Timestamp,
    /// Not before.
    pub due_at: Timestamp,
    /// How often it has failed.
    pub tries: u32,
    /// Why it failed last.
    pub trouble: Option<String>,
}

fn word<S: Serializer>(task: &Task, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(task.word())
}

/// Which errands to take.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    /// Of one person alone.
    pub of: Option<ZakiUserId>,
    /// Those due by then.
    pub due: Timestamp,
    /// Also those for which the edge is needed.
    pub edge: bool,
    /// At most so many.
    pub most: u32,
}

impl Directory {
    /// Whether anything is due that nobody does. Cheap: to be asked every second.
    pub async fn has_errands(&self, now: Timestamp) -> Result<bool, DirectoryError> {
        glance!(&self.store, |tx| is_any(tx, now))
    }

    /// Takes errands for [`ERRAND_MS`]: the first of each line, as far as nobody else has it.
    /// `by` names whoever takes them; no two that run do so by one name.
    pub async fn take_errands(
        &self,
        pick: Pick,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Errand>, DirectoryError> {
        let (by, keys) = (by.to_owned(), self.options.keys.clone());
        transact!(&self.store, |tx| take(tx, &keys, pick, &by, now))
    }

    /// It is done; the next one of the line may be. `false`: somebody else has it by now.
    pub async fn errand_done(
        &self,
        errand: &Errand,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (user, n, by) = (errand.user, errand.n, by.to_owned());
        let done = transact!(&self.store, |tx| done(tx, user, n, &by, now));
        if errand.task.is_last_look() {
            // With it goes the last of what somebody who was erased was known by.
            self.store.empty_log().await?;
        }
        done
    }

    /// It failed, and is tried again after a pause that grows. `why`: nothing of what was said.
    pub async fn errand_failed(
        &self,
        errand: &Errand,
        by: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let pause = pause(errand.tries);
        let (user, n, by, why) = (errand.user, errand.n, by.to_owned(), why.to_owned());
        let due = now.plus_ms(pause);
        transact!(&self.store, |tx| failed(tx, (user, n), &by, &why, due))
    }

    /// Gives back all that was taken by this name.
    pub async fn leave_errands(&self, by: &str) -> Result<(), DirectoryError> {
        let by = by.to_owned();
        transact!(&self.store, |tx| leave(tx, &by))
    }

    /// What is still to be done, of a person or of anybody, the oldest first.
    pub async fn errands(
        &self,
        of: Option<ZakiUserId>,
        limit: u32,
    ) -> Result<Vec<Errand>, DirectoryError> {
        let keys = self.options.keys.clone();
        snapshot!(&self.store, |tx| list(tx, &keys, of, limit))
    }
}

/// After so many failures.
fn pause(tries: u32) -> i64 {
    FIRST_PAUSE_MS.checked_shl(tries.min(20)).unwrap_or(LONGEST_PAUSE_MS).min(LONGEST_PAUSE_MS)
}

const LAST: &str = "SELECT CAST(coalesce(max(n), 0) AS BIGINT) FROM errand WHERE user_id = $1";

const ADD: &str = "INSERT INTO errand (user_id, n, what, detail, asked_at, due_at, wait_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Writes down what follows for a person, behind what else follows for them. To be called by one at
/// a time ([`crate::locks::acts`]).
pub(crate) async fn add<S: Sql>(
    tx: &S,
    keys: &Keys,
    user: ZakiUserId,
    task: &Task,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let last = tx.one(LAST, params![Text(user)]).await?;
    let n = last.map(|row| row.get::<i64>(0)).transpose()?.unwrap_or_default() + 1;
    let detail = task.seal(keys, user, n)?;
    let wait = if task.is_last_look() { LAST_LOOK_MS } else { 0 };
    let due = now.plus_ms(wait.max(HEAD_START_MS));
    let row = params![Text(user), n, task.word(), detail, now.as_ms(), due.as_ms(), wait];
    tx.execute(ADD, row).await?;
    Ok(())
}

const DROP: &str = "DELETE FROM errand WHERE user_id = $1 AND what IN ('retire', 'reinstate')";

/// Drops what an erasure makes needless.
pub(crate) async fn supersede<S: Sql>(tx: &S, user: ZakiUserId) -> Result<(), DirectoryError> {
    tx.execute(DROP, params![Text(user)]).await?;
    Ok(())
}

async fn is_any<S: Sql>(tx: &S, now: Timestamp) -> Result<bool, DirectoryError> {
    let sql = "SELECT 1 FROM errand WHERE due_at <= $1 AND held_until <= $1 LIMIT 1";
    Ok(tx.one(sql, params![now.as_ms()]).await?.is_some())
}

/// The first of each line.
const FIRSTS: &str = "SELECT user_id, n FROM errand
    WHERE due_at <= $1 AND held_until <= $2 AND (CAST($3 AS TEXT) = '' OR user_id = $3)
    AND (CAST($4 AS BIGINT) = 1 OR what = 'forget')
    AND NOT EXISTS (SELECT 1 FROM errand AS before
        WHERE before.user_id = errand.user_id AND before.n < errand.n)
    ORDER BY due_at, user_id LIMIT $5";

/// As [`read`] reads it.
const COLUMNS: &str = "user_id, n, detail, asked_at, due_at, tries, trouble";

async fn take<S: Sql>(
    tx: &S,
    keys: &Keys,
    pick: Pick,
    by: &str,
    now: Timestamp,
) -> Result<Vec<Errand>, DirectoryError> {
    let of = pick.of.map(|user| user.to_string()).unwrap_or_default();
    let which = params![pick.due.as_ms(), now.as_ms(), of, pick.edge, pick.most];
    let until = now.plus_ms(ERRAND_MS).as_ms();
    // Another may have been quicker since.
    let sql = format!(
        "UPDATE errand SET holder = $3, held_until = $4
        WHERE user_id = $1 AND n = $2 AND held_until <= $5 RETURNING {COLUMNS}"
    );
    let mut taken = Vec::new();
    for row in tx.all(FIRSTS, which).await? {
        let (user, n): (String, i64) = (row.get(0)?, row.get(1)?);
        if let Some(row) = tx.one(&sql, params![user, n, by, until, now.as_ms()]).await? {
            taken.push(read(keys, &row)?);
        }
    }
    Ok(taken)
}

const DONE: &str = "DELETE FROM errand WHERE user_id = $1 AND n = $2 AND holder = $3";

const NEXT: &str = "UPDATE errand SET due_at = CAST($2 AS BIGINT) + wait_ms WHERE user_id = $1
    AND n = (SELECT min(n) FROM errand WHERE user_id = $1)";

async fn done<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    n: i64,
    by: &str,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let gone = tx.execute(DONE, params![Text(user), n, by]).await? > 0;
    if gone {
        tx.execute(NEXT, params![Text(user), now.as_ms()]).await?;
    }
    Ok(gone)
}

const FAILED: &str = "UPDATE errand SET tries = tries + 1, trouble = $4, due_at = $5,
    holder = NULL, held_until = 0 WHERE user_id = $1 AND n = $2 AND holder = $3";

async fn failed<S: Sql>(
    tx: &S,
    (user, n): (ZakiUserId, i64),
    by: &str,
    why: &str,
    due: Timestamp,
) -> Result<(), DirectoryError> {
    tx.execute(FAILED, params![Text(user), n, by, why, due.as_ms()]).await?;
    Ok(())
}

async fn leave<S: Sql>(tx: &S, by: &str) -> Result<(), DirectoryError> {
    let sql = "UPDATE errand SET holder = NULL, held_until = 0 WHERE holder = $1";
    tx.execute(sql, params![by]).await?;
    Ok(())
}

async fn list<S: Sql>(
    tx: &S,
    keys: &Keys,
    of: Option<ZakiUserId>,
    limit: u32,
) -> Result<Vec<Errand>, DirectoryError> {
    let of = of.map(|user| user.to_string()).unwrap_or_default();
    let sql = format!(
        "SELECT {COLUMNS} FROM errand WHERE CAST($1 AS TEXT) = '' OR user_id = $1
        ORDER BY asked_at, user_id, n LIMIT $2"
    );
    tx.all(&sql, params![of, limit]).await?.iter().map(|row| read(keys, row)).collect()
}

fn read(keys: &Keys, row: &Row) -> Result<Errand, DirectoryError> {
    let (Text(user), n) = (row.get(0)?, row.get(1)?);
    Ok(Errand {
        user,
        n,
        task: Task::open(keys, user, n, row.get(2)?)?,
        asked_at: Timestamp::from_ms(row.get(3)?),
        due_at: Timestamp::from_ms(row.get(4)?),
        tries: row.get(5)?,
        trouble: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let pauses: Vec<_> = [0, 1, 2, 5, 8, 9, 30, u32::MAX].map(pause).into();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 32_000, 256_000, 300_000, 300_000, 300_000]);
    }
}
