//! What is to be said about strangers who wait, and to those who were let in: written down here,
//! whoever let them in, and said by whichever hub comes to it. One that dies over it is replaced by
//! the next, which is given the same once more.

use zaki_envelope::{AccountName, ChannelKind, ConversationId, Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, glance, params, snapshot, transact};

use super::{Pairing, request::COLUMNS};
use crate::{Directory, DirectoryError, Person, Role, locks, people};

/// How long whoever says something has for it, in milliseconds.
const LEASE_MS: i64 = 30_000;
/// Owners are told of strangers so often at most, in milliseconds. Those who come meanwhile are told
/// of together.
pub const ANNOUNCE_MS: i64 = 60_000;
/// More owners than this are not told: it is a list of few.
const OWNERS: u32 = 50;

/// What there is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Of strangers, to owners.
    pub requests: bool,
    /// To those who were let in.
    pub admissions: bool,
}

/// Strangers whom owners are to be told of in one go.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// What names it: given out once more, it is the same.
    pub at: Timestamp,
    /// Those of them who still wait, the oldest first; never empty.
    pub waiting: Vec<Pairing>,
}

/// Somebody who was let in and is to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// What names it: given out once more, it is the same.
    pub id: String,
    /// Who they are.
    pub user: ZakiUserId,
    /// Where they wrote.
    pub channel: ChannelKind,
    /// To which account.
    pub account: AccountName,
    /// In which conversation.
    pub conversation: ConversationId,
    /// The language they use their platform in.
    pub locale: Option<String>,
    /// When they wrote.
    pub asked_at: Timestamp,
}

impl Directory {
    /// Whether there is anything to be said. Cheap: to be asked all the time.
    pub async fn news(&self, now: Timestamp) -> Result<News, DirectoryError> {
        glance!(&self.store, |tx| news(tx, now))
    }

    /// Everybody who decides who is let in.
    pub async fn owners(&self) -> Result<Vec<Person>, DirectoryError> {
        snapshot!(&self.store, |tx| owners(tx))
    }

    /// Takes what owners are to be told of now: nobody else is given it for a while. To be ended by
    /// [`announced`](Self::announced).
    pub async fn announce(&self, now: Timestamp) -> Result<Option<Announcement>, DirectoryError> {
        transact!(&self.store, |tx| announce(tx, now))
    }

    /// They were told.
    pub async fn announced(&self, at: Timestamp) -> Result<(), DirectoryError> {
        transact!(&self.store, |tx| announced(tx, at))
    }

    /// Takes those who are to hear now that they are in: nobody else is given them for a while. To
    /// be ended by [`welcomed`](Self::welcomed).
    pub async fn admissions(&self, now: Timestamp) -> Result<Vec<Admission>, DirectoryError> {
        transact!(&self.store, |tx| admissions(tx, now))
    }

    /// They have heard it, or never will.
    pub async fn welcomed(&self, id: &str) -> Result<(), DirectoryError> {
        let id = id.to_owned();
        transact!(&self.store, |tx| welcomed(tx, &id))
    }
}

const NEWS: &str = "SELECT
    EXISTS (SELECT 1 FROM pairing WHERE announcing_until <= $1),
    EXISTS (SELECT 1 FROM pairing
        WHERE announced_at IS NULL AND denied_at IS NULL AND expires_at > $1),
    EXISTS (SELECT 1 FROM pairing WHERE announced_at > $2 AND announced_at <= $3),
    EXISTS (SELECT 1 FROM admission WHERE telling_until <= $1)";

async fn news<S: Sql>(tx: &S, now: Timestamp) -> Result<News, DirectoryError> {
    // A clock that was ahead keeps nobody silent for longer than this.
    let row =
        params![now.as_ms(), now.plus_ms(-ANNOUNCE_MS).as_ms(), now.plus_ms(ANNOUNCE_MS).as_ms()];
    let Some(row) = tx.one(NEWS, row).await? else { return Ok(News::default()) };
    let (left, new, lately): (bool, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(News { requests: left || (new && !lately), admissions: row.get(3)? })
}

const OWNERS_OF: &str = "SELECT id FROM person WHERE role = 'owner' AND blocked_at IS NULL
    AND merged_into IS NULL ORDER BY id LIMIT $1";

async fn owners<S: Sql>(tx: &S) -> Result<Vec<Person>, DirectoryError> {
    let mut owners = Vec::new();
    for row in tx.all(OWNERS_OF, params![OWNERS]).await? {
        let Text(user) = row.get(0)?;
        owners.extend(people::person(tx, user).await?);
    }
    debug_assert!(owners.iter().all(|owner| owner.role == Role::Owner));
    Ok(owners)
}

/// What somebody has begun to tell and not ended.
const LEFT: &str = "SELECT announced_at FROM pairing WHERE announcing_until <= $1
    ORDER BY announced_at LIMIT 1";

const AGAIN: &str = "UPDATE pairing SET announcing_until = $2
    WHERE announced_at = $1 AND announcing_until IS NOT NULL";

const BEGIN: &str = "UPDATE pairing SET announced_at = $1, announcing_until = $2
    WHERE announced_at IS NULL AND denied_at IS NULL AND expires_at > $1";

async fn announce<S: Sql>(tx: &S, now: Timestamp) -> Result<Option<Announcement>, DirectoryError> {
    locks::acts(tx).await?;
    if !news(tx, now).await?.requests {
        return Ok(None);
    }
    let left = tx.one(LEFT, params![now.as_ms()]).await?;
    let left = left.map(|row| row.get(0)).transpose()?.map(Timestamp::from_ms);
    let (at, take) = left.map_or((now, BEGIN), |at| (at, AGAIN));
    tx.execute(take, params![at.as_ms(), now.plus_ms(LEASE_MS).as_ms()]).await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM pairing WHERE announced_at = $1 AND denied_at IS NULL
        AND expires_at > $2 ORDER BY asked_at, code"
    );
    let rows = tx.all(&sql, params![at.as_ms(), now.as_ms()]).await?;
    let waiting = rows.iter().map(Pairing::of_row).collect::<Result<Vec<_>, _>>()?;
    if waiting.is_empty() {
        announced(tx, at).await?;
        return Ok(None);
    }
    Ok(Some(Announcement { at, waiting }))
}

async fn announced<S: Sql>(tx: &S, at: Timestamp) -> Result<(), DirectoryError> {
    let sql = "UPDATE pairing SET announcing_until = NULL WHERE announced_at = $1";
    tx.execute(sql, params![at.as_ms()]).await?;
    Ok(())
}

const ADMIT: &str = "INSERT INTO admission
    (id, user_id, channel, account, conversation, locale, asked_at, telling_until)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 0)";

/// Notes that somebody is to hear that they are in.
pub(super) async fn admit<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    pairing: &Pairing,
) -> Result<(), DirectoryError> {
    let row = params![
        &pairing.code,
        Text(user),
        pairing.channel.as_str(),
        pairing.account.as_str(),
        pairing.conversation.as_str(),
        pairing.locale.as_deref(),
        pairing.asked_at.as_ms(),
    ];
    tx.execute(ADMIT, row).await?;
    Ok(())
}

const ADMISSIONS: &str = "UPDATE admission SET telling_until = $2 WHERE telling_until <= $1
    RETURNING id, user_id, channel, account, conversation, locale, asked_at";

async fn admissions<S: Sql>(tx: &S, now: Timestamp) -> Result<Vec<Admission>, DirectoryError> {
    let row = params![now.as_ms(), now.plus_ms(LEASE_MS).as_ms()];
    tx.all(ADMISSIONS, row).await?.iter().map(Admission::of_row).collect()
}

async fn welcomed<S: Sql>(tx: &S, id: &str) -> Result<(), DirectoryError> {
    tx.execute("DELETE FROM admission WHERE id = $1", params![id]).await?;
    Ok(())
}

impl Admission {
    fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let (Text(user), Text(channel)) = (row.get(1)?, row.get(2)?);
        let Text(account) = row.get(3)?;
        Ok(Self {
            id: row.get(0)?,
            user,
            channel,
            account,
            conversation: ConversationId::new(row.get::<String>(4)?),
            locale: row.get(5)?,
            asked_at: Timestamp::from_ms(row.get(6)?),
        })
    }
}
