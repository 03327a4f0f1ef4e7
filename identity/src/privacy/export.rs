//! The secret in the address of a download, good for one.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, glance, params, transact};

use crate::codes::{Keyed, random};
use crate::{Actor, Directory, DirectoryError, audit, locks, people};

/// How long an address for a download is good, in milliseconds.
pub const EXPORT_MS: i64 = 24 * 3_600_000;

/// For the address of the one person who may download it.
#[derive(Clone)]
pub struct ExportToken(SecretString);

impl ExportToken {
    /// 64 digits of hex.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ExportToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportToken(..)")
    }
}

impl Directory {
    /// A secret by which this person's archive can be had once, within a day. An earlier one is
    /// void.
    pub async fn offer_export(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<ExportToken, DirectoryError> {
        let token = hex::encode(random::<32>()?);
        let digest = self.code_key.digest(Keyed::Export, &[&token]);
        let until = now.plus_ms(EXPORT_MS);
        transact!(&self.store, |tx| keep(tx, &digest, "export", user, until))?;
        Ok(ExportToken(token.into()))
    }

    /// Whose archive it opens; it is void from now on. Nobody's who is blocked.
    pub async fn take_export(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<ZakiUserId>, DirectoryError> {
        let digest = self.code_key.digest(Keyed::Export, &[token]);
        // Anybody may ask with anything: they hold nobody up.
        let asked = digest.clone();
        if !glance!(&self.store, |tx| is_kept(tx, &asked))? {
            return Ok(None);
        }
        transact!(&self.store, |tx| take_up(tx, &digest, now))
    }
}

async fn is_kept<S: Sql>(tx: &S, digest: &str) -> Result<bool, DirectoryError> {
    let row = tx.one("SELECT 1 FROM token WHERE digest = $1", params![digest]).await?;
    Ok(row.is_some())
}

async fn take_up<S: Sql>(
    tx: &S,
    digest: &str,
    now: Timestamp,
) -> Result<Option<ZakiUserId>, DirectoryError> {
    locks::acts(tx).await?;
    let taken = take(tx, digest, "export", now).await?;
    if let Some(user) = taken {
        let by = Actor::Person(user);
        audit::note(tx, "exported", by, taken, serde_json::json!({}), now).await?;
    }
    Ok(taken)
}

const CLEAR: &str = "DELETE FROM token WHERE user_id = $1 AND purpose = $2";

const ADD: &str =
    "INSERT INTO token (digest, purpose, user_id, expires_at) VALUES ($1, $2, $3, $4)";

/// Not of somebody who is blocked.
const TAKE: &str = "DELETE FROM token WHERE digest = $1 AND purpose = $2 AND expires_at > $3
    AND user_id IN (SELECT id FROM person WHERE blocked_at IS NULL AND merged_into IS NULL)
    RETURNING user_id";

/// Keeps a token in place of others of its purpose.
pub(super) async fn keep<S: Sql>(
    tx: &S,
    digest: &str,
    purpose: &str,
    user: ZakiUserId,
    until: Timestamp,
) -> Result<(), DirectoryError> {
    locks::acts(tx).await?;
    people::known(tx, user).await?;
    tx.execute(CLEAR, params![Text(user), purpose]).await?;
    tx.execute(ADD, params![digest, purpose, Text(user), until.as_ms()]).await?;
    Ok(())
}

/// Finds a token that is good and removes it, in one statement: of two who come at once, one gets
/// it.
pub(super) async fn take<S: Sql>(
    tx: &S,
    digest: &str,
    purpose: &str,
    now: Timestamp,
) -> Result<Option<ZakiUserId>, DirectoryError> {
    let row = tx.one(TAKE, params![digest, purpose, now.as_ms()]).await?;
    Ok(row.map(|row| row.get::<Text<ZakiUserId>>(0)).transpose()?.map(|Text(user)| user))
}
