//! A person's private sessions: which there are, and which they are in.

use serde::Serialize;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Keys, Row, Sql, Text, params, snapshot, transact};

use crate::{Directory, DirectoryError, sealed};

/// A private session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its number, for [`SessionKey::direct`](zaki_envelope::SessionKey::direct).
    pub n: u32,
    /// What the person calls it.
    pub name: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was last begun, taken up or left.
    pub used_at: Timestamp,
}

impl Directory {
    /// A person's sessions, the last used first; fifty at most. Which they are in,
    /// [`Person::session`](crate::Person::session) says.
    pub async fn sessions(&self, user: ZakiUserId) -> Result<Vec<Session>, DirectoryError> {
        let keys = self.options.keys.clone();
        snapshot!(&self.store, |tx| list(tx, &keys, user))
    }

    /// Begins a session and enters it; its number.
    pub async fn new_session(
        &self,
        user: ZakiUserId,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<u32, DirectoryError> {
        let (name, keys) = (name.map(str::to_owned), self.options.keys.clone());
        transact!(&self.store, |tx| begin(tx, &keys, user, name, now))
    }

    /// Enters a session; whether there is one of this number.
    pub async fn switch_session(
        &self,
        user: ZakiUserId,
        n: u32,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        transact!(&self.store, |tx| switch(tx, user, n, now))
    }

    /// Gives a session a name, or takes it back; whether there is one of this number.
    pub async fn name_session(
        &self,
        user: ZakiUserId,
        n: u32,
        name: Option<&str>,
    ) -> Result<bool, DirectoryError> {
        let name = sealed::name(&self.options.keys, user, n, name.map(str::to_owned))?;
        transact!(&self.store, |tx| rename(tx, user, n, name.as_deref()))
    }
}

/// Keeps off others who change this person's sessions, by changing nothing. What they are in.
const CURRENT: &str = "UPDATE person SET session = session WHERE id = $1 RETURNING session";

/// The one a person is in has no row until it is left: the first is there from the beginning.
const LEAVE: &str = "INSERT INTO session (user_id, n, name, created_at, used_at)
    SELECT id, session, NULL, created_at, $2 FROM person WHERE id = $1
    ON CONFLICT (user_id, n) DO UPDATE SET used_at = excluded.used_at";

const LAST: &str = "SELECT CAST(coalesce(max(n), 0) AS BIGINT) FROM session WHERE user_id = $1";

const BEGIN: &str = "INSERT INTO session (user_id, n, name, created_at, used_at)
    VALUES ($1, $2, $3, $4, $4)";

const ENTER: &str = "UPDATE person SET session = $2 WHERE id = $1";

const USE: &str = "UPDATE session SET used_at = $3 WHERE user_id = $1 AND n = $2";

const LIST: &str = "SELECT n, name, created_at, used_at FROM session WHERE user_id = $1
    UNION ALL SELECT session, NULL, created_at, created_at FROM person WHERE id = $1
    AND NOT EXISTS (SELECT 1 FROM session AS s WHERE s.user_id = $1 AND s.n = person.session)
    ORDER BY 4 DESC, 1 DESC LIMIT 50";

async fn leave<S: Sql>(tx: &S, user: ZakiUserId, now: Timestamp) -> Result<u32, DirectoryError> {
    let current = tx.one(CURRENT, params![Text(user)]).await?;
    let current = current.ok_or(DirectoryError::UnknownPerson(user))?;
    tx.execute(LEAVE, params![Text(user), now.as_ms()]).await?;
    Ok(current.get(0)?)
}

async fn begin<S: Sql>(
    tx: &S,
    keys: &Keys,
    user: ZakiUserId,
    name: Option<String>,
    now: Timestamp,
) -> Result<u32, DirectoryError> {
    let current = leave(tx, user, now).await?;
    let last = tx.one(LAST, params![Text(user)]).await?;
    let last: u32 = last.map(|row| row.get(0)).transpose()?.unwrap_or_default();
    let next = last.max(current).saturating_add(1);
    let name = sealed::name(keys, user, next, name)?;
    tx.execute(BEGIN, params![Text(user), next, name, now.as_ms()]).await?;
    tx.execute(ENTER, params![Text(user), next]).await?;
    Ok(next)
}

async fn switch<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    n: u32,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    leave(tx, user, now).await?;
    let found = tx.execute(USE, params![Text(user), n, now.as_ms()]).await? > 0;
    if found {
        tx.execute(ENTER, params![Text(user), n]).await?;
    }
    Ok(found)
}

/// The one a person is in may have no row yet.
const KEEP: &str = "INSERT INTO session (user_id, n, name, created_at, used_at)
    SELECT id, session, NULL, created_at, created_at FROM person WHERE id = $1
    ON CONFLICT (user_id, n) DO NOTHING";

const NAME: &str = "UPDATE session SET name = $3 WHERE user_id = $1 AND n = $2";

async fn rename<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    n: u32,
    name: Option<&str>,
) -> Result<bool, DirectoryError> {
    let current = tx.one(CURRENT, params![Text(user)]).await?;
    current.ok_or(DirectoryError::UnknownPerson(user))?;
    tx.execute(KEEP, params![Text(user)]).await?;
    Ok(tx.execute(NAME, params![Text(user), n, name]).await? > 0)
}

async fn list<S: Sql>(
    tx: &S,
    keys: &Keys,
    user: ZakiUserId,
) -> Result<Vec<Session>, DirectoryError> {
    tx.all(LIST, params![Text(user)]).await?.iter().map(|row| read(keys, user, row)).collect()
}

fn read(keys: &Keys, user: ZakiUserId, row: &Row) -> Result<Session, DirectoryError> {
    let n = row.get(0)?;
    Ok(Session {
        n,
        name: sealed::open_name(keys, user, n, row.get(1)?)?,
        created_at: Timestamp::from_ms(row.get(2)?),
        used_at: Timestamp::from_ms(row.get(3)?),
    })
}
