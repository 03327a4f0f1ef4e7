//! Strangers who wait to be let in: they are given a code, and somebody who may approves it.

use serde::Serialize;
use serde_json::json;
use zaki_envelope::{
    AccountName, ChannelKind, ConversationId, Sender, SenderId, SenderScope, Timestamp, ZakiUserId,
};
use zaki_store::{Json, Row, Sql, Text, params, snapshot, transact};

use crate::binding::label;
use crate::codes::LinkCode;
use crate::scene::Knock;
use crate::{Actor, Directory, DirectoryError, How, allowed, audit, locks, people, told, who};

/// How long a request waits, in milliseconds.
pub const PAIRING_MS: i64 = 24 * 60 * 60 * 1000;
/// Requests that wait, per account: strangers cannot fill the store.
const MOST: usize = 100;

/// A request.
#[derive(Clone, Debug, Serialize)]
pub struct Pairing {
    /// What the stranger was given, as they were shown it.
    pub code: String,
    /// Where they wrote.
    pub channel: ChannelKind,
    /// To which account.
    pub account: AccountName,
    /// The space their id is unique in.
    pub scope: SenderScope,
    /// Their id.
    pub sender: SenderId,
    /// Further ids of theirs.
    pub aliases: Vec<SenderId>,
    /// Their handle or their name, then.
    pub label: Option<String>,
    /// Where they can be told.
    pub conversation: ConversationId,
    /// When they wrote first.
    pub asked_at: Timestamp,
    /// When it is too old.
    pub expires_at: Timestamp,
}

/// What an approval did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approved {
    /// Who they are.
    pub user: ZakiUserId,
    /// Whether they are new.
    pub created: bool,
    /// Where to tell them.
    pub channel: ChannelKind,
    /// By which account.
    pub account: AccountName,
    /// In which conversation.
    pub conversation: ConversationId,
}

impl Directory {
    /// Whoever waits, the oldest first.
    pub async fn pairings(&self, now: Timestamp) -> Result<Vec<Pairing>, DirectoryError> {
        snapshot!(&self.store, |tx| waiting(tx, now))
    }

    /// Lets a stranger in. `None`: there is no such code, or it is too old.
    /// [`DirectoryError::NotAllowed`]: not by them.
    pub async fn approve(
        &self,
        code: &LinkCode,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<Approved>, DirectoryError> {
        let code = code.shown();
        let done = transact!(&self.store, |tx| approve(tx, &code, by, now));
        self.forget();
        done
    }

    /// Turns a stranger away, who may ask again; whether there was one with this code.
    pub async fn deny(
        &self,
        code: &LinkCode,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let code = code.shown();
        transact!(&self.store, |tx| deny(tx, &code, by, now))
    }
}

/// The code of somebody who waits already.
pub(crate) async fn asked<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<Option<LinkCode>, DirectoryError> {
    let Knock { channel, account, sender, .. } = knock;
    let sql = "SELECT code FROM pairing WHERE channel = $1 AND account = $2 AND scope = $3
        AND sender = $4 AND expires_at > $5";
    let (scope, id) = (sender.scope.as_str(), sender.id.as_str());
    let row = params![channel.as_str(), account.as_str(), scope, id, now.as_ms()];
    let found = tx.one(sql, row).await?;
    Ok(found.map(|row| row.get::<String>(0)).transpose()?.map(|code| LinkCode::typed(&code)))
}

/// Forgets requests that are too old; how many.
pub(crate) async fn sweep<S: Sql>(tx: &S, now: Timestamp) -> Result<u64, DirectoryError> {
    Ok(tx.execute("DELETE FROM pairing WHERE expires_at <= $1", params![now.as_ms()]).await?)
}

/// A stranger's code, new or not. `None`: too many wait already.
pub(crate) async fn ask<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<Option<LinkCode>, DirectoryError> {
    sweep(tx, now).await?;
    if let Some(code) = asked(tx, knock, now).await? {
        return Ok(Some(code));
    }
    let Knock { channel, account, sender, .. } = knock;
    let sql = "SELECT count(*) FROM pairing WHERE channel = $1 AND account = $2";
    let count = tx.one(sql, params![channel.as_str(), account.as_str()]).await?;
    if count.map(|row| row.get::<usize>(0)).transpose()?.is_some_and(|count| count >= MOST) {
        return Ok(None);
    }
    let code = LinkCode::mint()?;
    let sql = "INSERT INTO pairing (code, channel, account, scope, sender, aliases, label,
        conversation, asked_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let row = params![
        code.shown(),
        channel.as_str(),
        account.as_str(),
        sender.scope.as_str(),
        sender.id.as_str(),
        Json(&sender.aliases),
        label(sender),
        knock.conversation(),
        now.as_ms(),
        now.plus_ms(PAIRING_MS).as_ms(),
    ];
    tx.execute(sql, row).await?;
    Ok(Some(code))
}

const COLUMNS: &str = "code, channel, account, scope, sender, aliases, label, conversation,
    asked_at, expires_at";

async fn waiting<S: Sql>(tx: &S, now: Timestamp) -> Result<Vec<Pairing>, DirectoryError> {
    let sql =
        format!("SELECT {COLUMNS} FROM pairing WHERE expires_at > $1 ORDER BY expires_at, code");
    tx.all(&sql, params![now.as_ms()]).await?.iter().map(Pairing::of_row).collect()
}

/// Takes a request away.
async fn take<S: Sql>(
    tx: &S,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<Option<Pairing>, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    let sql =
        format!("DELETE FROM pairing WHERE code = $1 AND expires_at > $2 RETURNING {COLUMNS}");
    tx.one(&sql, params![code, now.as_ms()]).await?.as_ref().map(Pairing::of_row).transpose()
}

async fn approve<S: Sql>(
    tx: &S,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<Option<Approved>, DirectoryError> {
    let Some(pairing) = take(tx, code, by, now).await? else { return Ok(None) };
    let sender = pairing.sender();
    let Pairing { channel, account, conversation, .. } = pairing;
    let known = who::holder(tx, channel, &sender).await?;
    let user = match known {
        Some(user) => user,
        None => who::sign_up(tx, channel, &sender, None, How::Pairing, by, now).await?,
    };
    allowed::direct(tx, user, channel, &account, How::Pairing, by, now).await?;
    let detail = json!({ "channel": channel, "account": account });
    audit::note(tx, "approved", by, Some(user), detail, now).await?;
    let created = known.is_none();
    Ok(Some(Approved { user, created, channel, account, conversation }))
}

async fn deny<S: Sql>(
    tx: &S,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let Some(pairing) = take(tx, code, by, now).await? else { return Ok(false) };
    // Who asks again is told the new code.
    told::forget(tx, pairing.channel, &pairing.account, &pairing.sender()).await?;
    let detail = json!({ "channel": pairing.channel, "account": pairing.account });
    audit::note(tx, "denied", by, None, detail, now).await?;
    Ok(true)
}

impl Pairing {
    fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let (Text(channel), Text(account)) = (row.get(1)?, row.get(2)?);
        let Json(aliases) = row.get(5)?;
        Ok(Self {
            code: row.get(0)?,
            channel,
            account,
            scope: SenderScope::new(row.get::<String>(3)?),
            sender: SenderId::new(row.get::<String>(4)?),
            aliases,
            label: row.get(6)?,
            conversation: ConversationId::new(row.get::<String>(7)?),
            asked_at: Timestamp::from_ms(row.get(8)?),
            expires_at: Timestamp::from_ms(row.get(9)?),
        })
    }

    fn sender(&self) -> Sender {
        Sender {
            aliases: self.aliases.clone(),
            display_name: self.label.clone(),
            ..Sender::new(self.scope.clone(), self.sender.clone())
        }
    }
}
