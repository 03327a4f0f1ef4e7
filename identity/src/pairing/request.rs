//! What is kept of a stranger who asks to be let in.

use zaki_envelope::{
    AccountName, ChannelKind, ConversationId, Sender, SenderId, SenderScope, Timestamp,
};
use zaki_store::{Json, Row, Sql, Text, params};

use super::{PAIRING_MS, Pairing};
use crate::binding::label;
use crate::codes::LinkCode;
use crate::scene::Knock;
use crate::{Actor, DirectoryError, locks, people};

/// Requests that wait, per account: strangers cannot fill the store, nor owners' eyes. Whoever came
/// first keeps their place: were the oldest put out, a hundred accounts in a row would put out
/// everybody honest, and nobody would see it. So a hundred accounts can keep newcomers waiting, for a
/// day at most, in plain sight of owners: each that is turned away makes room and cannot ask again
/// for a day, and whoever is linked by an operator or has an invitation needs no place.
const MOST: usize = 100;

/// How it stands with a stranger.
pub(crate) enum Asked {
    /// They wait, with this code, which they have just been given: it is always told, whatever else
    /// they have heard today.
    New(LinkCode),
    /// They wait, with this code.
    Waits(LinkCode),
    /// They were turned away, and hear nothing more for a day.
    Denied,
}

/// How it stands with somebody who has asked already.
pub(crate) async fn asked<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<Option<Asked>, DirectoryError> {
    let Knock { channel, account, sender, .. } = knock;
    let sql = "SELECT code, denied_at FROM pairing WHERE channel = $1 AND account = $2
        AND scope = $3 AND sender = $4 AND expires_at > $5";
    let (scope, id) = (sender.scope.as_str(), sender.id.as_str());
    let row = params![channel.as_str(), account.as_str(), scope, id, now.as_ms()];
    let Some(row) = tx.one(sql, row).await? else { return Ok(None) };
    if row.get::<Option<i64>>(1)?.is_some() {
        return Ok(Some(Asked::Denied));
    }
    Ok(Some(Asked::Waits(LinkCode::typed(&row.get::<String>(0)?))))
}

/// Forgets requests that are too old; how many.
pub(crate) async fn sweep<S: Sql>(tx: &S, now: Timestamp) -> Result<u64, DirectoryError> {
    Ok(tx.execute("DELETE FROM pairing WHERE expires_at <= $1", params![now.as_ms()]).await?)
}

/// A stranger asks, once more or for the first time. `None`: too many wait already.
pub(crate) async fn ask<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<Option<Asked>, DirectoryError> {
    sweep(tx, now).await?;
    if let Some(asked) = asked(tx, knock, now).await? {
        return Ok(Some(asked));
    }
    if is_full(tx, knock, now).await? {
        return Ok(None);
    }
    let code = LinkCode::mint()?;
    add(tx, knock, &code, now).await?;
    Ok(Some(Asked::New(code)))
}

/// Whether nobody more may wait. Those who were turned away take no place.
pub(crate) async fn is_full<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let Knock { channel, account, .. } = knock;
    let sql = "SELECT count(*) FROM pairing
        WHERE channel = $1 AND account = $2 AND denied_at IS NULL AND expires_at > $3";
    let count = tx.one(sql, params![channel.as_str(), account.as_str(), now.as_ms()]).await?;
    Ok(count.map(|row| row.get::<usize>(0)).transpose()?.is_some_and(|count| count >= MOST))
}

const ADD: &str = "INSERT INTO pairing (code, channel, account, scope, sender, aliases, label,
    locale, conversation, asked_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

async fn add<S: Sql>(
    tx: &S,
    knock: &Knock,
    code: &LinkCode,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let Knock { channel, account, sender, .. } = knock;
    let row = params![
        code.shown(),
        channel.as_str(),
        account.as_str(),
        sender.scope.as_str(),
        sender.id.as_str(),
        Json(&sender.aliases),
        label(sender),
        sender.locale.as_deref(),
        knock.conversation(),
        now.as_ms(),
        now.plus_ms(PAIRING_MS).as_ms(),
    ];
    tx.execute(ADD, row).await?;
    Ok(())
}

/// What [`Pairing::of_row`] reads.
pub(super) const COLUMNS: &str = "code, channel, account, scope, sender, aliases, label, locale,
    conversation, asked_at, expires_at";

pub(super) async fn waiting<S: Sql>(
    tx: &S,
    now: Timestamp,
) -> Result<Vec<Pairing>, DirectoryError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM pairing WHERE expires_at > $1 AND denied_at IS NULL
        ORDER BY expires_at, code"
    );
    tx.all(&sql, params![now.as_ms()]).await?.iter().map(Pairing::of_row).collect()
}

/// Takes a request away, since it is granted.
pub(super) async fn take<S: Sql>(
    tx: &S,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<Option<Pairing>, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    let sql = format!(
        "DELETE FROM pairing WHERE code = $1 AND expires_at > $2 AND denied_at IS NULL
        RETURNING {COLUMNS}"
    );
    tx.one(&sql, params![code, now.as_ms()]).await?.as_ref().map(Pairing::of_row).transpose()
}

/// Forgets a request of somebody who has come in by another way.
pub(crate) async fn withdraw<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    account: &AccountName,
    sender: &Sender,
) -> Result<(), DirectoryError> {
    let sql = "DELETE FROM pairing WHERE channel = $1 AND account = $2 AND scope = $3
        AND sender = $4";
    let (scope, id) = (sender.scope.as_str(), sender.id.as_str());
    tx.execute(sql, params![channel.as_str(), account.as_str(), scope, id]).await?;
    Ok(())
}

/// Turns a request down. It is kept for a day, so that its sender cannot ask again at once.
pub(super) async fn turn_down<S: Sql>(
    tx: &S,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<Option<Pairing>, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    let sql = format!(
        "UPDATE pairing SET denied_at = $2, expires_at = $3, announcing_until = NULL
        WHERE code = $1 AND expires_at > $2 AND denied_at IS NULL RETURNING {COLUMNS}"
    );
    let row = params![code, now.as_ms(), now.plus_ms(PAIRING_MS).as_ms()];
    tx.one(&sql, row).await?.as_ref().map(Pairing::of_row).transpose()
}

impl Pairing {
    pub(super) fn of_row(row: &Row) -> Result<Self, DirectoryError> {
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
            locale: row.get(7)?,
            conversation: ConversationId::new(row.get::<String>(8)?),
            asked_at: Timestamp::from_ms(row.get(9)?),
            expires_at: Timestamp::from_ms(row.get(10)?),
        })
    }

    pub(super) fn as_sender(&self) -> Sender {
        Sender {
            aliases: self.aliases.clone(),
            display_name: self.label.clone(),
            ..Sender::new(self.scope.clone(), self.sender.clone())
        }
    }
}
