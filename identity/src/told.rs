//! The one polite line: a stranger hears it once a day from each account, and nothing more but the
//! code they wait with.

use zaki_envelope::Timestamp;
use zaki_store::{Sql, Value, params};

use crate::DirectoryError;
use crate::scene::Knock;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn key(Knock { channel, account, sender, .. }: &Knock) -> [Value; 4] {
    let (scope, id) = (sender.scope.as_str(), sender.id.as_str());
    [channel.as_str().into(), account.as_str().into(), scope.into(), id.into()]
}

/// Whether they have heard it lately.
pub(crate) async fn lately<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let sql = "SELECT told_at FROM told
        WHERE channel = $1 AND account = $2 AND scope = $3 AND sender = $4";
    let told = tx.one(sql, &key(knock)).await?;
    let told = told.map(|row| row.get(0)).transpose()?.map(Timestamp::from_ms);
    Ok(told.is_some_and(|told| now.since(told) < DAY_MS))
}

/// Forgets whoever heard it long ago; how many.
pub(crate) async fn sweep<S: Sql>(tx: &S, now: Timestamp) -> Result<u64, DirectoryError> {
    let then = now.plus_ms(-DAY_MS).as_ms();
    Ok(tx.execute("DELETE FROM told WHERE told_at <= $1", params![then]).await?)
}

/// They hear something that is said whatever they have heard: nothing else for a day.
pub(crate) async fn note<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let sql = "INSERT INTO told (channel, account, scope, sender, told_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (channel, account, scope, sender) DO UPDATE SET told_at = excluded.told_at";
    let [channel, account, scope, sender] = key(knock);
    tx.execute(sql, &[channel, account, scope, sender, now.as_ms().into()]).await?;
    Ok(())
}

/// Takes the line: whether it is due. Forgets whoever heard it long ago.
pub(crate) async fn take<S: Sql>(
    tx: &S,
    knock: &Knock,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    sweep(tx, now).await?;
    let sql = "INSERT INTO told (channel, account, scope, sender, told_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let [channel, account, scope, sender] = key(knock);
    let row = [channel, account, scope, sender, now.as_ms().into()];
    Ok(tx.execute(sql, &row).await? > 0)
}
