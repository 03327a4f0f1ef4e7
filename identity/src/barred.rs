//! A block holds on the account at its platform, also when nobody has that account any more: whoever
//! is blocked and has themselves erased, or loses a sender, would else sign up again as somebody new.
//! What is kept of it is a keyed hash of each id, and of the best id of its account, so that all of an
//! account is lifted at once. The hash names nobody, but it hides nobody from whoever has a copy of the
//! whole store: its key lies there, too, and of phone numbers there are few enough to try them all. It
//! is kept until an operator lifts it: nobody else can know whether it still matters.

use serde_json::json;
use zaki_envelope::{ChannelKind, Sender, SenderId, Timestamp, ZakiUserId};
use zaki_store::{Error, Sql, Text, Value, params, transact};

use crate::codes::{CodeKey, Keyed};
use crate::rules::ids;
use crate::who::places;
use crate::{Actor, Binding, BindingKey, BindingKind, Directory, DirectoryError};
use crate::{audit, locks, people};

impl Directory {
    /// Lifts the block of a sender that is nobody's, by whichever id of its account; whether there was
    /// one. Of somebody's sender, see [`unblock`](Self::unblock).
    pub async fn unbar(
        &self,
        sender: &BindingKey,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (key, sender) = (self.code_key.clone(), sender.clone());
        transact!(&self.store, |tx| unbar(tx, &key, &sender, by, now))
    }
}

async fn unbar<S: Sql>(
    tx: &S,
    key: &CodeKey,
    sender: &BindingKey,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    // By an id alone, whoever has another of the same account would still be refused.
    let lifted = tx.execute(LIFT_ACCOUNT, params![who(key, sender)]).await? > 0;
    if lifted {
        audit::note(tx, "unbarred", by, None, json!({ "channel": sender.channel }), now).await?;
    }
    Ok(lifted)
}

const LIFT_ACCOUNT: &str =
    "DELETE FROM barred WHERE account = (SELECT account FROM barred WHERE who = $1)";

const KEEP: &str = "INSERT INTO barred (who, account, kind, at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (who) DO UPDATE SET account = excluded.account, kind = excluded.kind,
    at = excluded.at";

/// A sender of somebody who is blocked is about to be nobody's; `account`: all ids of its account.
pub(crate) async fn keep<S: Sql>(
    tx: &S,
    key: &CodeKey,
    binding: &Binding,
    account: &[&Binding],
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let account = who(key, &best(account).unwrap_or(binding).key());
    let row = params![who(key, &binding.key()), account, binding.kind.as_str(), now.as_ms()];
    tx.execute(KEEP, row).await?;
    Ok(())
}

/// The best id of an account; where it has none, the same one whichever of them is asked about.
fn best<'b>(account: &[&'b Binding]) -> Option<&'b Binding> {
    let primary = account.iter().find(|binding| binding.kind == BindingKind::Primary);
    primary.or_else(|| account.iter().min_by_key(|binding| &binding.sender)).copied()
}

/// Whoever has this id now may have it, and the other ids of the account it was of stay barred.
pub(crate) async fn lift<S: Sql>(
    tx: &S,
    key: &CodeKey,
    sender: &BindingKey,
) -> Result<(), DirectoryError> {
    tx.execute("DELETE FROM barred WHERE who = $1", params![who(key, sender)]).await?;
    Ok(())
}

/// How a sender is barred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bar {
    /// By its best id.
    Best,
    /// By an older one, of this account; the best one is not known to be of it yet.
    Older(String),
}

/// How a sender whose best id is nobody's is barred, if it is. As with people: an id that was an older
/// one already does not count beside a better one that is not barred, for a number gets new owners.
pub(crate) async fn holds<S: Sql>(
    tx: &S,
    key: &CodeKey,
    channel: ChannelKind,
    sender: &Sender,
) -> Result<Option<Bar>, DirectoryError> {
    let named = |id: &SenderId| {
        who(key, &BindingKey { channel, scope: sender.scope.clone(), sender: id.clone() })
    };
    let hashes: Vec<String> = ids(sender).into_iter().map(named).collect();
    let sql =
        format!("SELECT who, kind, account FROM barred WHERE who IN ({})", places(1, hashes.len()));
    let values: Vec<Value> = hashes.iter().map(|who| Value::from(who.as_str())).collect();
    let mut bar = None;
    for row in tx.all(&sql, &values).await? {
        let (who, Text(kind)): (String, Text<BindingKind>) = (row.get(0)?, row.get(1)?);
        if hashes.first() == Some(&who) {
            return Ok(Some(Bar::Best));
        }
        if kind == BindingKind::Primary {
            bar = Some(Bar::Older(row.get(2)?));
        }
    }
    Ok(bar)
}

/// The best id of a sender that is barred by an older one is barred from now on, with that account:
/// else it were somebody new once it came alone.
pub(crate) async fn follow<S: Sql>(
    tx: &S,
    key: &CodeKey,
    best: &BindingKey,
    account: &str,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let row = params![who(key, best), account, BindingKind::Primary.as_str(), now.as_ms()];
    tx.execute(KEEP, row).await?;
    Ok(())
}

/// [`DirectoryError::Barred`], if it is; for a sender who is nobody.
pub(crate) async fn check<S: Sql>(
    tx: &S,
    key: &CodeKey,
    channel: ChannelKind,
    sender: &Sender,
) -> Result<(), DirectoryError> {
    match holds(tx, key, channel, sender).await? {
        Some(_) => Err(DirectoryError::Barred),
        None => Ok(()),
    }
}

fn who(key: &CodeKey, sender: &BindingKey) -> String {
    let BindingKey { channel, scope, sender } = sender;
    key.digest(Keyed::Barred, &[channel.as_str(), scope.as_str(), sender.as_str()])
}

/// Whether somebody is blocked.
pub(crate) async fn is_blocked<S: Sql>(tx: &S, user: ZakiUserId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM person WHERE id = $1 AND blocked_at IS NOT NULL";
    Ok(tx.one(sql, params![Text(user)]).await?.is_some())
}
