//! Two people become one: everything that leads to a person leads to one of them from then on.
//! Their sandboxes, sessions and counts stay apart, and for thirty days it can be undone.

mod joining;
mod parts;
mod question;

use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Keys, Row, Sql, Text, glance, params, transact};

use crate::codes::Bot;
use crate::{Actor, Directory, DirectoryError, How, Task, allowed, audit, errands, locks, people};
use joining::{Joining, Yes};

pub use joining::JOINING_MS;
pub use question::Question;

/// How long a merge can be undone, in milliseconds.
const RESTORABLE_MS: i64 = 30 * 24 * 3_600_000;

/// So much longer the edge keeps what can be restored, in milliseconds: it may hear late that it has
/// been.
const SPARE_MS: i64 = 24 * 3_600_000;

/// What became of a person's yes to [`Redeemed::Confirm`](crate::Redeemed::Confirm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// Nobody has asked them, or longer than an hour ago.
    Nothing,
    /// The other one has not said so yet.
    Waiting {
        /// Who.
        other: ZakiUserId,
    },
    /// They are one.
    Merged {
        /// Who they are.
        into: ZakiUserId,
        /// Who is nobody's any more.
        from: ZakiUserId,
        /// Until then it can be undone, and the sandbox of `from` is to be kept.
        restorable_until: Timestamp,
    },
}

impl Confirmed {
    /// Whether they are one by it.
    pub(crate) const fn merges(&self) -> bool {
        matches!(self, Self::Merged { .. })
    }
}

/// What a merge moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Bindings.
    pub moved: usize,
    /// Until then it can be undone.
    pub restorable_until: Timestamp,
}

/// What became of undoing a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmerged {
    /// They are two again.
    Restored {
        /// Who they had become.
        into: ZakiUserId,
        /// Bindings that went back: those that came with the merge and are still that person's.
        moved: usize,
        /// Whether they are blocked from now on, as those are whom they part from.
        blocked: bool,
    },
    /// The thirty days are over.
    TooLate,
    /// This person has not become another.
    NotMerged,
}

impl Directory {
    /// A person's yes to becoming one with whoever they have linked with: to whichever question is
    /// open. Of a button, see [`confirm_question`](Self::confirm_question).
    pub async fn confirm(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<Confirmed, DirectoryError> {
        let done = transact!(&self.store, |tx| confirm(tx, user, None, now));
        self.forget_after(&done, Confirmed::merges);
        done
    }

    /// With whom a person is being asked to become one.
    pub async fn partner(&self, user: ZakiUserId) -> Result<Option<ZakiUserId>, DirectoryError> {
        zaki_store::glance!(&self.store, |tx| partner(tx, user))
    }

    /// A person's no; who else was asked, if anybody.
    pub async fn decline(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<Option<ZakiUserId>, DirectoryError> {
        transact!(&self.store, |tx| decline(tx, user, None, now))
    }

    /// Makes `from` the same person as `into`, unasked: moves their bindings, what they are allowed
    /// and the groups they own, and gives `into` those settings it has none of. Tier, role, home,
    /// sessions and counts of `into` stay.
    pub async fn merge(
        &self,
        into: ZakiUserId,
        from: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Merged, DirectoryError> {
        let done = transact!(&self.store, |tx| decree(tx, into, from, by, now));
        self.forget_after(&done, |_| true);
        done
    }

    /// Undoes a merge: gives `from` back what came by it and has not gone elsewhere since.
    pub async fn unmerge(
        &self,
        from: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Unmerged, DirectoryError> {
        let done = transact!(&self.store, |tx| unmerge(tx, from, by, now));
        self.forget_after(&done, |done| matches!(done, Unmerged::Restored { .. }));
        done
    }

    /// People who have become others and can no longer be restored: their sandboxes and what was
    /// said to them are to be removed now, and then they themselves, by [`erase`](Self::erase).
    pub async fn lapsed(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ZakiUserId>, DirectoryError> {
        glance!(&self.store, |tx| lapsed(tx, now, limit))
    }
}

async fn partner<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Option<ZakiUserId>, DirectoryError> {
    let open = joining(tx, user).await?;
    Ok(open.map(|open| if open.into == user { open.from } else { open.into }))
}

/// Whether somebody is there, not blocked, and nobody else.
pub(crate) async fn is_free<S: Sql>(tx: &S, user: ZakiUserId) -> Result<bool, DirectoryError> {
    let free = "SELECT 1 FROM person WHERE id = $1 AND blocked_at IS NULL AND merged_into IS NULL";
    Ok(tx.one(free, params![Text(user)]).await?.is_some())
}

const FIND: &str = "SELECT into_id, from_id, asked_at, into_said_at, from_said_at FROM joining
    WHERE from_id = $1 OR into_id = $1";

const DROP: &str = "DELETE FROM joining WHERE from_id = $1 OR into_id = $1";

const ASK: &str = "INSERT INTO joining (into_id, from_id, channel, account, asked_at)
    VALUES ($1, $2, $3, $4, $5)";

const WHERE: &str = "SELECT channel, account FROM joining WHERE from_id = $1";

const SAY: &str = "UPDATE joining SET
        into_said_at = CASE WHEN into_id = $1 THEN coalesce(into_said_at, $2) ELSE into_said_at END,
        from_said_at = CASE WHEN from_id = $1 THEN coalesce(from_said_at, $2) ELSE from_said_at END
    WHERE from_id = $1 OR into_id = $1";

/// Asks both whether they are one, since `from` has typed a code of `into` to this bot. `false`
/// while either is being asked about somebody else.
pub(crate) async fn ask<S: Sql>(
    tx: &S,
    into: ZakiUserId,
    from: ZakiUserId,
    (channel, account): Bot<'_>,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    for user in [into, from] {
        if let Some(open) = joining(tx, user).await? {
            if !open.gives_way(into, from, now) {
                return Ok(false);
            }
            tx.execute(DROP, params![Text(user)]).await?;
        }
    }
    let Joining { into, from, asked_at, .. } = Joining::asked(into, from, now);
    let bot = (channel.as_str(), account.as_str());
    let row = params![Text(into), Text(from), bot.0, bot.1, asked_at.as_ms()];
    tx.execute(ASK, row).await?;
    Ok(true)
}

/// The question a person is being asked, or was. There is one at most.
async fn joining<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Option<Joining>, DirectoryError> {
    let row = tx.one(FIND, params![Text(user)]).await?;
    row.map(|row| read(&row)).transpose()
}

fn read(row: &Row) -> Result<Joining, DirectoryError> {
    let (Text(into), Text(from)) = (row.get(0)?, row.get(1)?);
    Ok(Joining {
        into,
        from,
        asked_at: Timestamp::from_ms(row.get(2)?),
        into_said: row.get::<Option<i64>>(3)?.is_some(),
        from_said: row.get::<Option<i64>>(4)?.is_some(),
    })
}

/// Whether somebody is being asked.
pub(crate) async fn is_asked<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    Ok(joining(tx, user).await?.is_some_and(|joining| joining.is_open(now)))
}

/// The question a person is being asked, or was, if it is the one they answer.
async fn answered<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    question: Option<&str>,
) -> Result<Option<Joining>, DirectoryError> {
    let joining = joining(tx, user).await?;
    Ok(joining.filter(|joining| question.is_none_or(|id| joining.id() == id)))
}

async fn confirm<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Confirmed, DirectoryError> {
    locks::acts(tx).await?;
    let Some(joining) = answered(tx, user, question).await? else {
        return Ok(Confirmed::Nothing);
    };
    let Joining { into, from, .. } = joining;
    let free = is_free(tx, into).await? && is_free(tx, from).await?;
    match joining.agree(user, now) {
        Yes::Waiting(joining) if free => {
            tx.execute(SAY, params![Text(user), now.as_ms()]).await?;
            Ok(Confirmed::Waiting { other: joining.other(user) })
        }
        Yes::Both if free => {
            let by = Actor::Person(user);
            let_in(tx, into, from, by, now).await?;
            let merged = merge(tx, into, from, by, now).await?;
            Ok(Confirmed::Merged { into, from, restorable_until: merged.restorable_until })
        }
        _ => {
            tx.execute(DROP, params![Text(user)]).await?;
            Ok(Confirmed::Nothing)
        }
    }
}

/// Lets somebody write to the bot at which their code was typed.
async fn let_in<S: Sql>(
    tx: &S,
    into: ZakiUserId,
    from: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    if let Some(row) = tx.one(WHERE, params![Text(from)]).await? {
        let (Text(channel), Text(account)) = (row.get(0)?, row.get(1)?);
        allowed::direct(tx, into, channel, &account, How::Link, by, now).await?;
    }
    Ok(())
}

async fn decline<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Option<ZakiUserId>, DirectoryError> {
    locks::acts(tx).await?;
    let Some(asked) = answered(tx, user, question).await? else { return Ok(None) };
    tx.execute(DROP, params![Text(user)]).await?;
    Ok(Some(asked).filter(|joining| joining.is_open(now)).map(|joining| joining.other(user)))
}

async fn decree<S: Sql>(
    tx: &S,
    into: ZakiUserId,
    from: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<Merged, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    merge(tx, into, from, by, now).await
}

async fn merge<S: Sql>(
    tx: &S,
    into: ZakiUserId,
    from: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<Merged, DirectoryError> {
    if into == from {
        return Err(DirectoryError::SamePerson(into));
    }
    for user in [into, from] {
        people::known(tx, user).await?;
        if merged_into(tx, user).await?.is_some() {
            return Err(DirectoryError::Merged(user));
        }
        if !is_free(tx, user).await? {
            return Err(DirectoryError::Blocked(user));
        }
    }
    let restorable_until = now.plus_ms(RESTORABLE_MS);
    let moved = parts::move_all(tx, into, from, now, restorable_until).await?;
    let detail = serde_json::json!({ "from": from, "bindings": moved });
    audit::note(tx, "merged", by, Some(into), detail, now).await?;
    let detail = serde_json::json!({ "into": into });
    audit::note(tx, "merged", by, Some(from), detail, now).await?;
    let retire = Task::Retire { until: restorable_until.plus_ms(SPARE_MS) };
    errands::add(tx, &Keys::default(), from, &retire, now).await?;
    Ok(Merged { moved, restorable_until })
}

pub(crate) async fn merged_into<S: Sql>(
    tx: &S,
    user: ZakiUserId,
) -> Result<Option<ZakiUserId>, DirectoryError> {
    let sql = "SELECT merged_into FROM person WHERE id = $1";
    let row = tx.one(sql, params![Text(user)]).await?;
    let into = row.map(|row| row.get::<Option<Text<ZakiUserId>>>(0)).transpose()?;
    Ok(into.flatten().map(|Text(into)| into))
}

const UNTIL: &str = "SELECT restorable_until FROM merge WHERE from_id = $1";

async fn unmerge<S: Sql>(
    tx: &S,
    from: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<Unmerged, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, by).await?;
    people::known(tx, from).await?;
    let Some(row) = tx.one(UNTIL, params![Text(from)]).await? else {
        return Ok(Unmerged::NotMerged);
    };
    if row.get::<i64>(0)? <= now.as_ms() {
        return Ok(Unmerged::TooLate);
    }
    let into = whose(tx, from).await?;
    let moved = parts::move_back(tx, into, from).await?;
    // A block is of all the senders they had in common: those who part keep it.
    let blocked = people::inherit_block(tx, into, from).await?;
    for (about, detail) in [
        (into, serde_json::json!({ "from": from, "bindings": moved })),
        (from, serde_json::json!({ "into": into })),
    ] {
        audit::note(tx, "unmerged", by, Some(about), detail, now).await?;
    }
    if blocked {
        let detail = serde_json::json!({ "as": into });
        audit::note(tx, "blocked", by, Some(from), detail, now).await?;
    }
    errands::add(tx, &Keys::default(), from, &Task::Reinstate, now).await?;
    Ok(Unmerged::Restored { into, moved, blocked })
}

/// Who somebody is by now: whoever they have become may have become another.
async fn whose<S: Sql>(tx: &S, from: ZakiUserId) -> Result<ZakiUserId, DirectoryError> {
    let mut user = from;
    while let Some(into) = merged_into(tx, user).await? {
        user = into;
    }
    Ok(user)
}

const LAPSED: &str = "SELECT from_id FROM merge WHERE restorable_until <= $1
    ORDER BY restorable_until, from_id LIMIT $2";

async fn lapsed<S: Sql>(
    tx: &S,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ZakiUserId>, DirectoryError> {
    let rows = tx.all(LAPSED, params![now.as_ms(), limit]).await?;
    rows.iter().map(|row| Ok(row.get::<Text<ZakiUserId>>(0)?.0)).collect()
}
