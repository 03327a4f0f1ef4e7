//! Whose a sender is: read and changed inside a transaction.

use serde_json::json;
use zaki_envelope::{ChannelKind, Sender, SenderId, Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, Value, params, transact};

use crate::audit::{self, Note};
use crate::binding::label;
use crate::codes::CodeKey;
use crate::mint::mint;
use crate::rules::{Bound, Change, Facts, ids};
use crate::usage::carried;
use crate::{Actor, BindingKey, BindingKind, Directory, DirectoryError, How};
use crate::{allowed, barred, locks, parted, parting, people, unlink};

/// What linking a sender changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was theirs already.
    Already,
    /// It was nobody's.
    Bound,
    /// It was another person's.
    Moved {
        /// Whose.
        from: ZakiUserId,
        /// How many bindings they still have; with 0, nobody can reach that person any more.
        left: usize,
    },
}

impl Directory {
    /// Makes a sender (with its aliases) this person's, who is let in on all accounts of that
    /// channel. A binding to another person is moved, with an audit entry, and the other ids of the
    /// same account with it: nothing else of what that person has, and none of their data.
    pub async fn link(
        &self,
        user: ZakiUserId,
        channel: ChannelKind,
        sender: &Sender,
        by: Actor,
        how: How,
        now: Timestamp,
    ) -> Result<Linked, DirectoryError> {
        let sender = sender.clone();
        let key = self.code_key.clone();
        let linked = transact!(&self.store, |tx| {
            link(tx, user, channel, &sender, Act { key: &key, how, by, now })
        });
        self.forget_after(&linked, |_| true);
        linked
    }
}

impl Directory {
    /// The person a sender is, made if there is none; let in on all accounts of that channel. As an
    /// operator makes people who have not written yet.
    pub async fn enrol(
        &self,
        channel: ChannelKind,
        sender: &Sender,
        by: Actor,
        how: How,
        now: Timestamp,
    ) -> Result<ZakiUserId, DirectoryError> {
        let sender = sender.clone();
        let key = self.code_key.clone();
        let done = transact!(&self.store, |tx| {
            enrol(tx, channel, &sender, Act { key: &key, how, by, now })
        });
        self.forget_after(&done, |_| true);
        done
    }
}

async fn enrol<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &Sender,
    act: Act<'_>,
) -> Result<ZakiUserId, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, act.by).await?;
    let user = match holder(tx, channel, sender).await? {
        Some(user) => user,
        None => sign_up(tx, channel, sender, None, act).await?,
    };
    allowed::channel(tx, user, channel, act.how, act.by, act.now).await?;
    Ok(user)
}

/// In which way a sender becomes somebody's, by whom and when; and under which key is kept what is
/// kept of it beyond that.
#[derive(Clone, Copy)]
pub(crate) struct Act<'k> {
    pub(crate) key: &'k CodeKey,
    pub(crate) how: How,
    pub(crate) by: Actor,
    pub(crate) now: Timestamp,
}

async fn link<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
    sender: &Sender,
    act: Act<'_>,
) -> Result<Linked, DirectoryError> {
    locks::acts(tx).await?;
    people::authorise(tx, act.by).await?;
    let sender = &whole(tx, channel, sender).await?;
    lifts_no_block(tx, user, channel, sender, act.key).await?;
    let linked = bind(tx, user, channel, sender, act).await?;
    allowed::channel(tx, user, channel, act.how, act.by, act.now).await?;
    Ok(linked)
}

/// A sender that is blocked is given to nobody else: like a merge, that would undo the block unsaid.
async fn lifts_no_block<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
    sender: &Sender,
    key: &CodeKey,
) -> Result<(), DirectoryError> {
    let facts = facts(tx, channel, sender).await?;
    if facts.owner().is_none() {
        barred::check(tx, key, channel, sender).await?;
    }
    match facts.holder() {
        Some(holder) if holder != user && barred::is_blocked(tx, holder).await? => {
            Err(DirectoryError::Blocked(holder))
        }
        _ => Ok(()),
    }
}

/// The account that is named by one of its ids, with all of them: moved by an older one alone, it
/// would still lead to its person by the better one.
async fn whole<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &Sender,
) -> Result<Sender, DirectoryError> {
    let mut whole = sender.clone();
    let Some(owner) = facts(tx, channel, sender).await?.owner() else { return Ok(whole) };
    let Some(person) = people::person(tx, owner).await? else { return Ok(whole) };
    let key = BindingKey { channel, scope: sender.scope.clone(), sender: sender.id.clone() };
    for binding in unlink::leaving(&person.bindings, &key) {
        let mut id = binding.sender.clone();
        if binding.kind == BindingKind::Primary {
            std::mem::swap(&mut whole.id, &mut id);
        }
        if id != whole.id && !whole.aliases.contains(&id) {
            whole.aliases.push(id);
        }
    }
    Ok(whole)
}

/// `IN ($from, …)`, for so many values.
pub(crate) fn places(from: usize, count: usize) -> String {
    let places: Vec<_> = (from..from + count).map(|n| format!("${n}")).collect();
    places.join(", ")
}

/// What is known of a sender just now.
pub(crate) async fn facts<'s, S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &'s Sender,
) -> Result<Facts<'s>, DirectoryError> {
    let ids = ids(sender);
    let sql = format!(
        "SELECT sender, user_id, kind, best FROM binding
        WHERE channel = $1 AND scope = $2 AND sender IN ({})",
        places(3, ids.len())
    );
    let mut values: Vec<Value> = vec![channel.as_str().into(), sender.scope.as_str().into()];
    values.extend(ids.into_iter().map(|id| Value::from(id.as_str())));
    let mut found = Vec::new();
    for row in tx.all(&sql, &values).await? {
        let (Text(user), Text(kind)) = (row.get(1)?, row.get(2)?);
        found.push(Bound {
            id: SenderId::new(row.get::<String>(0)?),
            owner: (user, kind),
            best: row.get::<Option<String>>(3)?.map(SenderId::new),
        });
    }
    Ok(Facts::new(sender, found))
}

/// The person a sender is; they may be known by one of its aliases alone.
pub(crate) async fn holder<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &Sender,
) -> Result<Option<ZakiUserId>, DirectoryError> {
    Ok(facts(tx, channel, sender).await?.holder())
}

/// A new person, as yet without a sender.
pub(crate) async fn add<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    tier: Option<&str>,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let sql = "INSERT INTO person (id, created_at, tier, salt) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, params![Text(user), now.as_ms(), tier, audit::salt()?]).await?;
    Ok(())
}

/// Makes a sender a new person's.
pub(crate) async fn sign_up<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &Sender,
    tier: Option<&str>,
    act: Act<'_>,
) -> Result<ZakiUserId, DirectoryError> {
    let Act { key, how, now, .. } = act;
    let (user, facts) = (mint(now)?, facts(tx, channel, sender).await?);
    barred::check(tx, key, channel, sender).await?;
    add(tx, user, tier, now).await?;
    carried::take_up(tx, key, user, channel, sender, now).await?;
    keep(tx, channel, sender, facts.sign_up(user, how).changes, act).await?;
    Ok(user)
}

/// Makes a sender somebody's who is known.
pub(crate) async fn bind<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
    sender: &Sender,
    act: Act<'_>,
) -> Result<Linked, DirectoryError> {
    people::known(tx, user).await?;
    let verdict = facts(tx, channel, sender).await?.link(user, act.how);
    keep(tx, channel, sender, verdict.changes, act).await?;
    match verdict.answer {
        Linked::Moved { from, .. } => Ok(Linked::Moved { from, left: left(tx, from).await? }),
        answer => Ok(answer),
    }
}

/// How many senders somebody has.
pub(crate) async fn left<S: Sql>(tx: &S, user: ZakiUserId) -> Result<usize, DirectoryError> {
    let sql = "SELECT count(*) FROM binding WHERE user_id = $1";
    let row = tx.one(sql, params![Text(user)]).await?;
    Ok(row.map(|row| row.get(0)).transpose()?.unwrap_or_default())
}

/// Since when a sender is somebody's does not change while it is theirs: by that, what the one
/// before has said by it is told from what they have.
const BIND: &str = "INSERT INTO binding
    (channel, scope, sender, user_id, kind, bound_at, label, how, by_whom, since, best)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (channel, scope, sender) DO UPDATE SET user_id = excluded.user_id,
    kind = excluded.kind, label = excluded.label, how = excluded.how, by_whom = excluded.by_whom,
    best = excluded.best,
    bound_at = CASE WHEN binding.user_id = excluded.user_id
        THEN binding.bound_at ELSE excluded.bound_at END,
    since = CASE WHEN binding.user_id = excluded.user_id
        THEN binding.since ELSE excluded.bound_at END";

const BESIDE: &str = "UPDATE binding SET best = $4
    WHERE channel = $1 AND scope = $2 AND sender = $3";

/// The better id of an account that came with a merge goes back with it, too.
const INHERIT: &str = "INSERT INTO merge_part (from_id, what, channel, scope, id)
    SELECT from_id, what, channel, scope, CAST($4 AS TEXT) FROM merge_part
    WHERE what = 'binding' AND channel = $1 AND scope = $2 AND id = $3
    ON CONFLICT DO NOTHING";

/// Since when somebody has the account whose older ids these are. Its better id is no other account:
/// it keeps its place among theirs, by which people name it.
async fn known_since<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &Sender,
    user: ZakiUserId,
) -> Result<Option<Timestamp>, DirectoryError> {
    let sql = format!(
        "SELECT min(bound_at) FROM binding
        WHERE channel = $1 AND scope = $2 AND user_id = $3 AND sender IN ({})",
        places(4, sender.aliases.len())
    );
    let mut values: Vec<Value> =
        vec![channel.as_str().into(), sender.scope.as_str().into(), Text(user).into()];
    values.extend(sender.aliases.iter().map(|id| Value::from(id.as_str())));
    let row = tx.one(&sql, &values).await?;
    let since: Option<i64> = row.map(|row| row.get(0)).transpose()?.flatten();
    Ok(since.map(Timestamp::from_ms))
}

/// Writes what follows from the facts, all entries at the end.
pub(crate) async fn keep<S: Sql>(
    tx: &S,
    channel: ChannelKind,
    sender: &Sender,
    changes: Vec<Change>,
    Act { key, by, now, .. }: Act<'_>,
) -> Result<(), DirectoryError> {
    let scope = &sender.scope;
    let named = |id: &SenderId| BindingKey { channel, scope: scope.clone(), sender: id.clone() };
    let mut notes = Vec::new();
    for change in changes {
        match change {
            Change::Bind(id, (user, kind), how) => {
                let since = match how {
                    How::Upgrade => known_since(tx, channel, sender, user).await?,
                    _ => None,
                };
                let best =
                    (kind == BindingKind::Alias && id != sender.id).then(|| sender.id.as_str());
                let theirs = parted::since(tx, key, &named(&id), user, now).await?;
                let row = params![
                    channel.as_str(),
                    scope.as_str(),
                    id.as_str(),
                    Text(user),
                    kind.as_str(),
                    since.unwrap_or(now).as_ms(),
                    label(sender),
                    how.as_str(),
                    Text(by),
                    theirs.as_ms(),
                    best,
                ];
                tx.execute(BIND, row).await?;
                barred::lift(tx, key, &named(&id)).await?;
                if how == How::Upgrade {
                    for older in &sender.aliases {
                        let (older, id) = (older.as_str(), id.as_str());
                        let row = params![channel.as_str(), scope.as_str(), older, id];
                        tx.execute(INHERIT, row).await?;
                    }
                }
            }
            Change::Beside(id) => {
                let best = sender.id.as_str();
                let row = params![channel.as_str(), scope.as_str(), id.as_str(), best];
                tx.execute(BESIDE, row).await?;
            }
            Change::Note { act, id, user, was } => {
                if let Some(before) = was {
                    parting::part(tx, before, channel).await?;
                    parted::note(tx, key, &named(&id), before, now).await?;
                }
                let mark = audit::mark(tx, user, channel, scope, &id).await?;
                let detail = json!({ "channel": channel, "sender": mark, "was": was });
                notes.push(Note { act, by, about: Some(user), detail });
            }
        }
    }
    audit::append(tx, &notes, now).await
}
