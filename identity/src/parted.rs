//! Since when what comes by a sender is its person's. A message comes in before it makes its sender
//! somebody, so that is a while before they are bound; but nothing from when the sender was another's,
//! which is kept for that while under keyed hashes.

use zaki_envelope::{ChannelKind, SenderId, SenderScope, Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, params};

use crate::codes::{CodeKey, Keyed};
use crate::errands::Trace;
use crate::{BindingKey, DirectoryError};

/// They may have had to ask twice, or the store to come back; in milliseconds.
pub(crate) const BEFORE_MS: i64 = 3_600_000;

const NOTE: &str = "INSERT INTO parted (who, whose, at) VALUES ($1, $2, $3)
    ON CONFLICT (who) DO UPDATE SET whose = excluded.whose, at = excluded.at";

/// A sender is that person's no more from now on.
pub(crate) async fn note<S: Sql>(
    tx: &S,
    key: &CodeKey,
    sender: &BindingKey,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let row = params![who(key, sender), whose(key, user), now.as_ms()];
    tx.execute(NOTE, row).await?;
    Ok(())
}

/// Since when what comes by a sender is theirs who is bound to it now.
pub(crate) async fn since<S: Sql>(
    tx: &S,
    key: &CodeKey,
    sender: &BindingKey,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<Timestamp, DirectoryError> {
    // Whoever comes back has what was theirs.
    let sql = "SELECT at FROM parted WHERE who = $1 AND whose <> $2";
    let row = tx.one(sql, params![who(key, sender), whose(key, user)]).await?;
    let parted = row.map(|row| row.get::<i64>(0)).transpose()?.unwrap_or_default();
    Ok(Timestamp::from_ms(now.as_ms().saturating_sub(BEFORE_MS).max(parted)))
}

/// A person's senders, and since when what comes by them is theirs.
pub(crate) async fn traces<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Vec<Trace>, DirectoryError> {
    let sql = "SELECT channel, scope, sender, COALESCE(since, bound_at - $2) FROM binding
        WHERE user_id = $1 ORDER BY bound_at, channel, scope, sender";
    let read = |row: &Row| -> Result<Trace, DirectoryError> {
        let Text(channel): Text<ChannelKind> = row.get(0)?;
        let (scope, sender) = (row.get::<String>(1)?, row.get::<String>(2)?);
        Ok(Trace {
            channel,
            scope: SenderScope::new(scope),
            sender: SenderId::new(sender),
            since: Timestamp::from_ms(row.get(3)?),
            until: None,
        })
    };
    tx.all(sql, params![Text(user), BEFORE_MS]).await?.iter().map(read).collect()
}

fn who(key: &CodeKey, sender: &BindingKey) -> String {
    let BindingKey { channel, scope, sender } = sender;
    key.digest(Keyed::Parted, &[channel.as_str(), scope.as_str(), sender.as_str()])
}

fn whose(key: &CodeKey, user: ZakiUserId) -> String {
    key.digest(Keyed::Parted, &[&user.to_string()])
}
