//! Where somebody was let in.

use zaki_envelope::{AccountName, ChannelKind, ConversationId, SenderScope, Timestamp, ZakiUserId};
use zaki_store::{Error, Sql, Text, params};

use crate::groups::GroupKey;
use crate::{Actor, DirectoryError, How};

const ADD: &str =
    "INSERT INTO allowed (user_id, place, channel, scope, id, allowed_at, how, by_whom)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

/// Lets somebody in by direct messages to an account; whether they were not before.
pub(crate) async fn direct<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
    account: &AccountName,
    how: How,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let row = params![
        Text(user),
        "direct",
        channel.as_str(),
        "",
        account.as_str(),
        now.as_ms(),
        how.as_str(),
        Text(by),
    ];
    Ok(tx.execute(ADD, row).await? > 0)
}

/// The same for all accounts of a channel, as an operator links people.
pub(crate) async fn channel<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
    how: How,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let (channel, how) = (channel.as_str(), how.as_str());
    let row = params![Text(user), "direct", channel, "", "", now.as_ms(), how, Text(by)];
    Ok(tx.execute(ADD, row).await? > 0)
}

/// Lets somebody in in a group; whether they were not before.
pub(crate) async fn group<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    key: &GroupKey,
    how: How,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let row = params![
        Text(user),
        "group",
        key.channel.as_str(),
        key.scope.as_str(),
        key.conversation.as_str(),
        now.as_ms(),
        how.as_str(),
        Text(by),
    ];
    Ok(tx.execute(ADD, row).await? > 0)
}

pub(crate) async fn no_longer_in_group<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    key: &GroupKey,
) -> Result<bool, DirectoryError> {
    let sql = "DELETE FROM allowed WHERE user_id = $1 AND place = 'group' AND channel = $2
        AND scope = $3 AND id = $4";
    Ok(tx.execute(sql, &place(user, key)).await? > 0)
}

pub(crate) async fn in_group<S: Sql>(
    tx: &S,
    key: &GroupKey,
) -> Result<Vec<ZakiUserId>, DirectoryError> {
    let sql = "SELECT user_id FROM allowed WHERE place = 'group' AND channel = $1 AND scope = $2
        AND id = $3 ORDER BY user_id";
    let row = params![key.channel.as_str(), key.scope.as_str(), key.conversation.as_str()];
    let people = tx.all(sql, row).await?;
    let user = |row: &zaki_store::Row| row.get(0).map(|Text(user)| user);
    Ok(people.iter().map(user).collect::<Result<_, Error>>()?)
}

/// The groups somebody was let in in.
pub(crate) async fn groups<S: Sql>(tx: &S) -> Result<Vec<GroupKey>, DirectoryError> {
    let sql = "SELECT DISTINCT channel, scope, id FROM allowed WHERE place = 'group'";
    let key = |row: &zaki_store::Row| -> Result<GroupKey, DirectoryError> {
        let Text(channel) = row.get(0)?;
        Ok(GroupKey {
            channel,
            scope: SenderScope::new(row.get::<String>(1)?),
            conversation: ConversationId::new(row.get::<String>(2)?),
        })
    };
    tx.all(sql, params![]).await?.iter().map(key).collect()
}

/// Whether they were let in by direct messages, anywhere.
pub(crate) async fn anywhere<S: Sql>(tx: &S, user: ZakiUserId) -> Result<bool, DirectoryError> {
    let sql = "SELECT 1 FROM allowed WHERE user_id = $1 AND place = 'direct' LIMIT 1";
    Ok(tx.one(sql, params![Text(user)]).await?.is_some())
}

/// Whether they were let in in this group.
pub(crate) async fn listed<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    key: &GroupKey,
) -> Result<bool, DirectoryError> {
    let sql = "SELECT 1 FROM allowed WHERE user_id = $1 AND place = 'group' AND channel = $2
        AND scope = $3 AND id = $4";
    Ok(tx.one(sql, &place(user, key)).await?.is_some())
}

fn place(user: ZakiUserId, key: &GroupKey) -> [zaki_store::Value; 4] {
    let GroupKey { channel, scope, conversation } = key;
    [
        Text(user).into(),
        channel.as_str().into(),
        scope.as_str().into(),
        conversation.as_str().into(),
    ]
}
