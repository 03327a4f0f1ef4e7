//! Codes that an operator hands out, by which strangers sign up.

use serde::Serialize;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, params, snapshot, transact};

use super::{ADD, Fresh, LinkCode};
use crate::{Actor, Directory, DirectoryError, audit, locks, people};

/// What an invitation is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvite {
    /// How many may use it.
    pub uses: u32,
    /// From then on it is void; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The tier of those who come by it; `None` for the usual one.
    pub tier: Option<String>,
    /// What it is for, in the operator's words.
    pub note: Option<String>,
}

/// An invitation as it is handed out. The code is shown this once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// To be typed by those who are invited.
    pub code: LinkCode,
    /// To take it back by.
    pub id: String,
}

/// An invitation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invite {
    /// To take it back by.
    pub id: String,
    /// How many could use it.
    pub uses: u32,
    /// How many still can.
    pub uses_left: u32,
    /// From then on it is void; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The tier of those who come by it.
    pub tier: Option<String>,
    /// What it is for.
    pub note: Option<String>,
    /// Whoever made it.
    pub made_by: Actor,
    /// When.
    pub made_at: Timestamp,
}

impl Directory {
    /// Makes an invitation.
    pub async fn invite(
        &self,
        new: NewInvite,
        by: Actor,
        now: Timestamp,
    ) -> Result<Invited, DirectoryError> {
        let code = LinkCode::mint()?;
        let fresh = Fresh::of(&code, &self.code_key)?;
        let id = fresh.id.clone();
        transact!(&self.store, |tx| add(tx, &new, &fresh, by, now))?;
        Ok(Invited { code, id })
    }

    /// All invitations, the newest first; those that can no longer be used until they are swept.
    pub async fn invites(&self) -> Result<Vec<Invite>, DirectoryError> {
        snapshot!(&self.store, |tx| list(tx))
    }

    /// Takes an invitation back; whether there was one of this id. Who came by it stays.
    pub async fn revoke_invite(
        &self,
        id: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let id = id.to_owned();
        transact!(&self.store, |tx| revoke(tx, &id, by, now))
    }
}

/// What stands for a time that never comes.
const NEVER: i64 = i64::MAX;

async fn add<S: Sql>(
    tx: &S,
    new: &NewInvite,
    fresh: &Fresh,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    let row = params![
        &fresh.digest,
        &fresh.id,
        "invite",
        None::<&str>,
        new.uses,
        new.tier.as_deref(),
        new.note.as_deref(),
        Text(by),
        now.as_ms(),
        new.expires_at.map_or(NEVER, Timestamp::as_ms),
    ];
    tx.execute(ADD, row).await?;
    let detail = serde_json::json!({ "invite": fresh.id, "uses": new.uses, "tier": new.tier });
    audit::note(tx, "invited", by, None, detail, now).await
}

const LIST: &str = "SELECT id, uses, uses_left, expires_at, tier, note, made_by, made_at
    FROM code WHERE kind = 'invite' ORDER BY made_at DESC, id";

async fn list<S: Sql>(tx: &S) -> Result<Vec<Invite>, DirectoryError> {
    tx.all(LIST, params![]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Invite, DirectoryError> {
    let Text(made_by) = row.get(6)?;
    Ok(Invite {
        id: row.get(0)?,
        uses: row.get(1)?,
        uses_left: row.get(2)?,
        expires_at: Some(row.get(3)?).filter(|ms| *ms != NEVER).map(Timestamp::from_ms),
        tier: row.get(4)?,
        note: row.get(5)?,
        made_by,
        made_at: Timestamp::from_ms(row.get(7)?),
    })
}

const REVOKE: &str = "DELETE FROM code WHERE id = $1 AND kind = 'invite'";

async fn revoke<S: Sql>(
    tx: &S,
    id: &str,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    let found = tx.execute(REVOKE, params![id]).await? > 0;
    if found {
        let detail = serde_json::json!({ "invite": id });
        audit::note(tx, "invite_revoked", by, None::<ZakiUserId>, detail, now).await?;
    }
    Ok(found)
}
