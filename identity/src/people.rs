//! People: looked up, listed, and what an operator or an owner decides about them.

use serde_json::json;
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, glance, params, snapshot, transact};

use crate::{
    Actor, Binding, Directory, DirectoryError, PeopleFilter, Person, Role, audit, locks, merge, who,
};

impl Directory {
    /// A person with all that is theirs.
    pub async fn person(&self, user: ZakiUserId) -> Result<Option<Person>, DirectoryError> {
        glance!(&self.store, |tx| person(tx, user))
    }

    /// People, in order of first contact.
    pub async fn people(&self, filter: PeopleFilter) -> Result<Vec<Person>, DirectoryError> {
        snapshot!(&self.store, |tx| people(tx, &filter))
    }

    /// Whose sender this is.
    pub async fn find(
        &self,
        channel: ChannelKind,
        scope: &SenderScope,
        sender: &SenderId,
    ) -> Result<Option<ZakiUserId>, DirectoryError> {
        let sender = Sender::new(scope.clone(), sender.clone());
        glance!(&self.store, |tx| who::holder(tx, channel, &sender))
    }

    /// From now on nobody answers them, wherever they write; whether that is new.
    pub async fn block(
        &self,
        user: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let done = transact!(&self.store, |tx| block(tx, user, by, now));
        self.forget_after(&done, |changed| *changed);
        done
    }

    /// Takes that back; whether they were blocked.
    pub async fn unblock(
        &self,
        user: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let done = transact!(&self.store, |tx| unblock(tx, user, by, now));
        self.forget_after(&done, |changed| *changed);
        done
    }

    /// What they may decide for others from now on.
    pub async fn set_role(
        &self,
        user: ZakiUserId,
        role: Role,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        transact!(&self.store, |tx| set_role(tx, user, role, by, now))
    }

    /// What they may spend from now on; `None`: as everybody.
    pub async fn set_tier(
        &self,
        user: ZakiUserId,
        tier: Option<&str>,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let tier = tier.map(str::to_owned);
        transact!(&self.store, |tx| set_tier(tx, user, tier.as_deref(), by, now))
    }
}

pub(crate) async fn person<S: Sql>(
    tx: &S,
    user: ZakiUserId,
) -> Result<Option<Person>, DirectoryError> {
    let sql = format!("SELECT {} FROM person WHERE id = $1", Person::COLUMNS);
    let Some(row) = tx.one(&sql, params![Text(user)]).await? else { return Ok(None) };
    Ok(Some(Person { bindings: bindings(tx, user).await?, ..Person::of_row(&row)? }))
}

/// Their senders, the oldest first.
pub(crate) async fn bindings<S: Sql>(
    tx: &S,
    user: ZakiUserId,
) -> Result<Vec<Binding>, DirectoryError> {
    let sql = format!(
        "SELECT {} FROM binding WHERE user_id = $1 ORDER BY bound_at, channel, scope, sender",
        Binding::COLUMNS
    );
    tx.all(&sql, params![Text(user)]).await?.iter().map(Binding::of_row).collect()
}

async fn people<S: Sql>(tx: &S, filter: &PeopleFilter) -> Result<Vec<Person>, DirectoryError> {
    let after = filter.after.map(|user| user.to_string()).unwrap_or_default();
    let columns = Person::COLUMNS;
    let rows = match &filter.text {
        None => {
            let sql = format!("SELECT {columns} FROM person WHERE id > $1 ORDER BY id LIMIT $2");
            tx.all(&sql, params![after, filter.limit]).await?
        }
        Some(text) => {
            let sql = format!(
                "SELECT {columns} FROM person WHERE id > $1 AND (id = $2 OR EXISTS (
                    SELECT 1 FROM binding WHERE binding.user_id = person.id AND (
                        binding.sender = $2 OR lower(binding.label) LIKE $3 ESCAPE '!'
                    )
                )) ORDER BY id LIMIT $4"
            );
            tx.all(&sql, params![after, text, containing(text), filter.limit]).await?
        }
    };
    let mut people = Vec::with_capacity(rows.len());
    for row in rows {
        let person = Person::of_row(&row)?;
        people.push(Person { bindings: bindings(tx, person.user).await?, ..person });
    }
    Ok(people)
}

/// A pattern for whatever has this text in it.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for sign in text.to_lowercase().chars() {
        if matches!(sign, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(sign);
    }
    pattern + "%"
}

/// [`DirectoryError::UnknownPerson`], if they are.
pub(crate) async fn known<S: Sql>(tx: &S, user: ZakiUserId) -> Result<(), DirectoryError> {
    let found = tx.one("SELECT 1 FROM person WHERE id = $1", params![Text(user)]).await?;
    found.map(drop).ok_or(DirectoryError::UnknownPerson(user))
}

/// What they may decide for others; nothing when they are blocked, or unknown.
pub(crate) async fn role<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Option<Role>, DirectoryError> {
    let sql = "SELECT role FROM person WHERE id = $1 AND blocked_at IS NULL";
    let row = tx.one(sql, params![Text(user)]).await?;
    Ok(row.map(|row| row.get(0)).transpose()?.map(|Text(role)| role))
}

/// [`DirectoryError::NotAllowed`], unless they decide for others.
pub(crate) async fn authorise<S: Sql>(tx: &S, by: Actor) -> Result<(), DirectoryError> {
    match by {
        Actor::Operator | Actor::System => Ok(()),
        Actor::Person(user) if role(tx, user).await? == Some(Role::Owner) => Ok(()),
        Actor::Person(_) => Err(DirectoryError::NotAllowed),
    }
}

async fn open<S: Sql>(tx: &S, user: ZakiUserId, by: Actor) -> Result<(), DirectoryError> {
    locks::acts(tx).await?;
    authorise(tx, by).await?;
    known(tx, user).await
}

async fn block<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    open(tx, user, by).await?;
    // Nothing leads to them as they were: it would block nobody.
    if merge::merged_into(tx, user).await?.is_some() {
        return Err(DirectoryError::Merged(user));
    }
    let sql = "UPDATE person SET blocked_at = $2 WHERE id = $1 AND blocked_at IS NULL";
    let new = tx.execute(sql, params![Text(user), now.as_ms()]).await? > 0;
    if new {
        audit::note(tx, "blocked", by, Some(user), json!({}), now).await?;
    }
    Ok(new)
}

async fn unblock<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    open(tx, user, by).await?;
    let sql = "UPDATE person SET blocked_at = NULL WHERE id = $1 AND blocked_at IS NOT NULL";
    let was = tx.execute(sql, params![Text(user)]).await? > 0;
    if was {
        audit::note(tx, "unblocked", by, Some(user), json!({}), now).await?;
    }
    Ok(was)
}

/// Whoever parts from somebody blocked is blocked, too; whether that is new.
pub(crate) async fn inherit_block<S: Sql>(
    tx: &S,
    of: ZakiUserId,
    user: ZakiUserId,
) -> Result<bool, DirectoryError> {
    let sql = "UPDATE person SET blocked_at = (SELECT blocked_at FROM person WHERE id = $1)
        WHERE id = $2 AND blocked_at IS NULL
        AND EXISTS (SELECT 1 FROM person WHERE id = $1 AND blocked_at IS NOT NULL)";
    Ok(tx.execute(sql, params![Text(of), Text(user)]).await? > 0)
}

async fn set_role<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    role: Role,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    open(tx, user, by).await?;
    let sql = "UPDATE person SET role = $2 WHERE id = $1";
    tx.execute(sql, params![Text(user), role.as_str()]).await?;
    audit::note(tx, "role_set", by, Some(user), json!({ "role": role }), now).await
}

async fn set_tier<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    tier: Option<&str>,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    open(tx, user, by).await?;
    tx.execute("UPDATE person SET tier = $2 WHERE id = $1", params![Text(user), tier]).await?;
    audit::note(tx, "tier_set", by, Some(user), json!({ "tier": tier }), now).await
}
