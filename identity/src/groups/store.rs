//! Groups in the store.

use std::collections::HashSet;

use serde_json::json;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, glance, params, snapshot, transact};

use super::{Group, GroupChange, GroupKey, GroupRules, may_change};
use crate::access::{Ruling, Standing, shared};
use crate::{Actor, Directory, DirectoryError, How, allowed, audit, locks, people};

impl Directory {
    /// All groups that somebody has changed or was let in in by name, in the order of their keys.
    pub async fn groups(&self) -> Result<Vec<Group>, DirectoryError> {
        let rules = self.options.group;
        snapshot!(&self.store, |tx| all(tx, rules))
    }

    /// A group as it is now; nobody need have changed it.
    pub async fn group(&self, key: &GroupKey) -> Result<Group, DirectoryError> {
        let (key, rules) = (key.clone(), self.options.group);
        glance!(&self.store, |tx| find(tx, &key, rules))
    }

    /// Changes a group; what it is then. [`DirectoryError::NotAllowed`]: not by them.
    pub async fn set_group(
        &self,
        key: &GroupKey,
        change: GroupChange,
        by: Actor,
        now: Timestamp,
    ) -> Result<Group, DirectoryError> {
        let (key, rules) = (key.clone(), self.options.group);
        let done = transact!(&self.store, |tx| set(tx, &key, rules, change, by, now));
        self.forget_after(&done, |_| true);
        done
    }

    /// Lets somebody in in a group, as whoever may change it; whether they were not before.
    pub async fn allow_in_group(
        &self,
        key: &GroupKey,
        user: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (key, rules) = (key.clone(), self.options.group);
        let done = transact!(&self.store, |tx| allow(tx, &key, rules, user, by, now));
        self.forget_after(&done, |_| true);
        done
    }

    /// Takes that back; whether they were let in.
    pub async fn disallow_in_group(
        &self,
        key: &GroupKey,
        user: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (key, rules) = (key.clone(), self.options.group);
        let done = transact!(&self.store, |tx| disallow(tx, &key, rules, user, by, now));
        self.forget_after(&done, |_| true);
        done
    }

    /// Who was let in in a group.
    pub async fn people_in_group(&self, key: &GroupKey) -> Result<Vec<ZakiUserId>, DirectoryError> {
        let key = key.clone();
        snapshot!(&self.store, |tx| allowed::in_group(tx, &key))
    }
}

async fn all<S: Sql>(tx: &S, rules: GroupRules) -> Result<Vec<Group>, DirectoryError> {
    let sql = format!("SELECT {} FROM chat_group", Group::COLUMNS);
    let changed = tx.all(&sql, params![]).await?;
    let mut groups = changed.iter().map(Group::of_row).collect::<Result<Vec<_>, _>>()?;
    let others = allowed::groups(tx).await?.into_iter();
    let changed: HashSet<_> = groups.iter().map(|group| group.key.clone()).collect();
    groups.extend(others.filter(|key| !changed.contains(key)).map(|key| rules.group(key)));
    groups.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(groups)
}

/// A group as it is now.
pub(crate) async fn find<S: Sql>(
    tx: &S,
    key: &GroupKey,
    rules: GroupRules,
) -> Result<Group, DirectoryError> {
    let columns = Group::COLUMNS;
    let sql = format!(
        "SELECT {columns} FROM chat_group WHERE channel = $1 AND scope = $2 AND conversation = $3"
    );
    let GroupKey { channel, scope, conversation } = key;
    let row = params![channel.as_str(), scope.as_str(), conversation.as_str()];
    match tx.one(&sql, row).await? {
        Some(row) => Group::of_row(&row),
        None => Ok(rules.group(key.clone())),
    }
}

/// Locks, and finds out whether `by` may change this.
async fn open<S: Sql>(
    tx: &S,
    key: &GroupKey,
    rules: GroupRules,
    change: GroupChange,
    by: Actor,
) -> Result<Group, DirectoryError> {
    locks::acts(tx).await?;
    let group = find(tx, key, rules).await?;
    let (mut role, mut served) = (None, false);
    if let Actor::Person(user) = by {
        role = people::role(tx, user).await?;
        served = serves(tx, &group, user).await?;
    }
    if may_change(&group, change, by, role, served) {
        Ok(group)
    } else {
        Err(DirectoryError::NotAllowed)
    }
}

async fn serves<S: Sql>(tx: &S, group: &Group, user: ZakiUserId) -> Result<bool, DirectoryError> {
    let standing = Standing {
        anywhere: allowed::anywhere(tx, user).await?,
        listed: allowed::listed(tx, user, &group.key).await?,
        owns: group.owner == Some(user),
        ..Standing::default()
    };
    Ok(matches!(shared(group, false, Some(standing)), Ruling::Serve { .. }))
}

const SET: &str = "INSERT INTO chat_group
    (channel, scope, conversation, mode, who, owner_id, changers, changed_at, changed_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (channel, scope, conversation) DO UPDATE SET mode = excluded.mode,
    who = excluded.who, owner_id = excluded.owner_id, changers = excluded.changers,
    changed_at = excluded.changed_at, changed_by = excluded.changed_by";

async fn set<S: Sql>(
    tx: &S,
    key: &GroupKey,
    rules: GroupRules,
    change: GroupChange,
    by: Actor,
    now: Timestamp,
) -> Result<Group, DirectoryError> {
    let group = open(tx, key, rules, change, by).await?.changed(change, by, now);
    if let Some(Some(owner)) = change.owner {
        people::known(tx, owner).await?;
    }
    let row = params![
        key.channel.as_str(),
        key.scope.as_str(),
        key.conversation.as_str(),
        group.mode.as_str(),
        group.who.as_str(),
        group.owner.map(Text),
        group.changers.as_str(),
        now.as_ms(),
        Text(by),
    ];
    tx.execute(SET, row).await?;
    let detail = json!({ "group": key, "change": change });
    audit::note(tx, "group_changed", by, None, detail, now).await?;
    Ok(group)
}

async fn allow<S: Sql>(
    tx: &S,
    key: &GroupKey,
    rules: GroupRules,
    user: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    open(tx, key, rules, GroupChange::default(), by).await?;
    people::known(tx, user).await?;
    let new = allowed::group(tx, user, key, How::Operator, by, now).await?;
    if new {
        audit::note(tx, "let_in_group", by, Some(user), json!({ "group": key }), now).await?;
    }
    Ok(new)
}

async fn disallow<S: Sql>(
    tx: &S,
    key: &GroupKey,
    rules: GroupRules,
    user: ZakiUserId,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    open(tx, key, rules, GroupChange::default(), by).await?;
    let gone = allowed::no_longer_in_group(tx, user, key).await?;
    if gone {
        audit::note(tx, "put_out_of_group", by, Some(user), json!({ "group": key }), now).await?;
    }
    Ok(gone)
}
