//! A sender is no longer somebody's: what the platform's account behind it must not do any more.

use zaki_envelope::{ChannelKind, ZakiUserId};
use zaki_store::{Sql, Text, params};

use crate::{DirectoryError, settings};

/// What was begun and can be ended by whoever has read it: an open code, the address of a
/// download, the word that erases, a question about becoming one.
const OPEN: [&str; 4] = [
    "DELETE FROM code WHERE user_id = $1",
    "DELETE FROM token WHERE user_id = $1",
    "DELETE FROM joining WHERE from_id = $1 OR into_id = $1",
    "DELETE FROM proposal WHERE user_id = $1",
];

/// Takes back whatever of a person's is open, since somebody else may know of it.
pub(crate) async fn close<S: Sql>(tx: &S, user: ZakiUserId) -> Result<(), DirectoryError> {
    for statement in OPEN {
        tx.execute(statement, params![Text(user)]).await?;
    }
    Ok(())
}

/// The same when a sender of that channel has left them. Their home goes too if it is there: it may
/// be the conversation with that sender.
pub(crate) async fn part<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
) -> Result<(), DirectoryError> {
    close(tx, user).await?;
    let home = settings::home(tx, user).await?;
    if home.is_some_and(|home| home.channel == channel) {
        settings::leave_home(tx, user).await?;
    }
    Ok(())
}
