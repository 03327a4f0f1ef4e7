//! What is known when a message comes: read at once, judged by the pure rules.

use zaki_envelope::{
    AccountName, ChannelKind, Conversation, ConversationKind, Inbound, Sender, SenderId, Timestamp,
    ZakiUserId,
};
use zaki_store::{Row, Sql, Text, Value, params};

use crate::access::{self, Ruling, Standing};
use crate::barred::{self, Bar};
use crate::groups::{self, Group, GroupKey};
use crate::rules::{Bound, Facts, ids};
use crate::who::places;
use crate::{DirectoryError, Options, Refusal};

/// Who comes where. What they say does not matter.
pub(crate) struct Knock {
    pub(crate) channel: ChannelKind,
    pub(crate) account: AccountName,
    pub(crate) sender: Sender,
    pub(crate) conversation: Conversation,
    pub(crate) addressed: bool,
    /// An address that is proven to be theirs.
    pub(crate) email: Option<String>,
}

impl Knock {
    pub(crate) fn of(inbound: &Inbound) -> Self {
        Self {
            channel: inbound.channel,
            account: inbound.account.clone(),
            sender: inbound.sender.clone(),
            conversation: inbound.conversation.clone(),
            addressed: inbound.addressed,
            email: None,
        }
    }

    pub(crate) fn conversation(&self) -> &str {
        self.conversation.id.as_str()
    }

    /// Whether it was said to the bot, for all to see or not.
    pub(crate) const fn addressed(&self) -> bool {
        self.addressed || matches!(self.conversation.kind, ConversationKind::Direct)
    }

    fn group(&self) -> Option<GroupKey> {
        (self.conversation.kind != ConversationKind::Direct).then(|| GroupKey {
            channel: self.channel,
            scope: self.sender.scope.clone(),
            conversation: self.conversation.id.clone(),
        })
    }
}

/// The whole of it.
pub(crate) struct Scene<'k> {
    pub(crate) facts: Facts<'k>,
    pub(crate) ruling: Ruling,
    /// Whose sandbox serves the group it is in.
    pub(crate) host: Option<ZakiUserId>,
    /// When the sender was last noted to have written.
    pub(crate) seen_at: Option<Timestamp>,
    /// How the sender is barred, who is nobody.
    pub(crate) bar: Option<Bar>,
}

impl<'k> Scene<'k> {
    fn refused(knock: &'k Knock, refusal: Refusal) -> Self {
        let facts = Facts::new(&knock.sender, Vec::new());
        Self { facts, ruling: Ruling::Refuse(refusal), host: None, seen_at: None, bar: None }
    }

    /// Reads it, in a statement or two.
    pub(crate) async fn read<S: Sql>(
        tx: &S,
        knock: &'k Knock,
        options: &Options,
    ) -> Result<Self, DirectoryError> {
        let group = match knock.group() {
            None => None,
            Some(key) => Some(groups::find(tx, &key, options.group).await?),
        };
        if let Some(group) = &group
            && let Err(refusal) = hears(tx, group, knock).await?
        {
            return Ok(Self::refused(knock, refusal));
        }
        let mut known = Known::read(tx, knock, group.as_ref()).await?;
        // Whoever is known by their best id cannot be barred by it.
        let bar = match (known.facts.owner(), &options.code_key) {
            (None, Some(key)) => barred::holds(tx, key, knock.channel, &knock.sender).await?,
            _ => None,
        };
        if bar.is_some() {
            known.standing = Some(Standing { blocked: true, ..Standing::default() });
        }
        let ruling = judge(knock, options, group.as_ref(), known.standing);
        let Known { facts, seen_at, .. } = known;
        Ok(Self { facts, ruling, host: group.and_then(|group| group.owner), seen_at, bar })
    }

    /// Whether a better id has come of somebody blocked, or of an account that is barred, by which
    /// they are not known yet.
    pub(crate) fn shows_more(&self) -> bool {
        match self.bar {
            Some(Bar::Best) => false,
            Some(Bar::Older(_)) => true,
            None => self.facts.owner().is_none() && self.facts.holder().is_some(),
        }
    }
}

fn judge(
    knock: &Knock,
    options: &Options,
    group: Option<&Group>,
    standing: Option<Standing>,
) -> Ruling {
    let policy = options.access.of(knock.channel, &knock.account);
    let email = knock.email.as_deref();
    let admitted = policy.admits(knock.channel, &knock.sender, &knock.conversation, email);
    match group {
        Some(group) => access::shared(group, admitted, standing),
        None => access::direct(policy, admitted, standing),
    }
}

/// Whether a group takes notice, and whoever serves it is there.
async fn hears<S: Sql>(
    tx: &S,
    group: &Group,
    knock: &Knock,
) -> Result<Result<(), Refusal>, DirectoryError> {
    let heard = access::hears(group, knock.addressed);
    if let (Ok(()), Some(owner)) = (&heard, group.owner) {
        let sql = "SELECT 1 FROM person WHERE id = $1 AND blocked_at IS NULL
            AND merged_into IS NULL";
        let there = tx.one(sql, params![Text(owner)]).await?.is_some();
        return Ok(if there { heard } else { Err(Refusal::GroupOff) });
    }
    Ok(heard)
}

/// What the store knows of a sender, and of the person behind it.
struct Known<'k> {
    facts: Facts<'k>,
    standing: Option<Standing>,
    seen_at: Option<Timestamp>,
}

impl<'k> Known<'k> {
    async fn read<S: Sql>(
        tx: &S,
        knock: &'k Knock,
        group: Option<&Group>,
    ) -> Result<Self, DirectoryError> {
        let ids = ids(&knock.sender);
        let sql = format!("{FIND} ({})", places(5, ids.len()));
        let values: Vec<Value> = vec![
            knock.channel.as_str().into(),
            knock.sender.scope.as_str().into(),
            knock.account.as_str().into(),
            group.map_or("", |group| group.key.conversation.as_str()).into(),
        ];
        let ids = ids.into_iter().map(|id| Value::from(id.as_str()));
        let rows = tx.all(&sql, &values.into_iter().chain(ids).collect::<Vec<_>>()).await?;
        let found = rows.iter().map(Found::of_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(knock, found, group.and_then(|group| group.owner)))
    }

    fn of(knock: &'k Knock, found: Vec<Found>, host: Option<ZakiUserId>) -> Self {
        let best = found.iter().find(|found| found.bound.id == knock.sender.id);
        let seen_at = best.and_then(|found| found.seen_at);
        let (bound, standings): (Vec<_>, Vec<_>) = found
            .into_iter()
            .map(|Found { bound, standing, .. }| {
                let user = bound.owner.0;
                (bound, (user, standing))
            })
            .unzip();
        let facts = Facts::new(&knock.sender, bound);
        let holder = facts.holder();
        let standing = standings.into_iter().find(|(user, _)| Some(*user) == holder);
        let standing = standing.map(|(_, found)| Standing { owns: host == holder, ..found });
        Self { facts, standing, seen_at }
    }
}

/// An id that is bound, and how its person stands.
struct Found {
    bound: Bound,
    standing: Standing,
    seen_at: Option<Timestamp>,
}

/// $1: channel, $2: scope, $3: account, $4: conversation, if it is a group.
const FIND: &str = "SELECT b.sender, b.user_id, b.kind, b.last_seen_at, p.blocked_at,
    EXISTS (SELECT 1 FROM allowed AS a WHERE a.user_id = b.user_id AND a.place = 'direct'
        AND a.channel = $1 AND a.scope = '' AND a.id IN ('', $3)),
    EXISTS (SELECT 1 FROM allowed AS a WHERE a.user_id = b.user_id AND a.place = 'direct'),
    EXISTS (SELECT 1 FROM allowed AS a WHERE a.user_id = b.user_id AND a.place = 'group'
        AND a.channel = $1 AND a.scope = $2 AND a.id = $4),
    b.best
    FROM binding AS b JOIN person AS p ON p.id = b.user_id
    WHERE b.channel = $1 AND b.scope = $2 AND b.sender IN";

impl Found {
    fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let (Text(user), Text(kind)) = (row.get(1)?, row.get(2)?);
        Ok(Self {
            bound: Bound {
                id: SenderId::new(row.get::<String>(0)?),
                owner: (user, kind),
                best: row.get::<Option<String>>(8)?.map(SenderId::new),
            },
            seen_at: row.get::<Option<i64>>(3)?.map(Timestamp::from_ms),
            standing: Standing {
                blocked: row.get::<Option<i64>>(4)?.is_some(),
                here: row.get(5)?,
                anywhere: row.get(6)?,
                listed: row.get(7)?,
                owns: false,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::schema;

    fn plan(conn: &Connection, sql: &str) -> Vec<String> {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get(3).unwrap());
        }
        plan
    }

    /// What a sender is found by costs the same among a million people as among ten.
    #[test]
    fn a_sender_is_found_by_keys_alone() {
        let conn = Connection::open_in_memory().unwrap();
        for step in schema::SQLITE.steps {
            conn.execute_batch(step.sql).unwrap();
        }
        for ids in 1..4 {
            let plan = plan(&conn, &format!("{FIND} ({})", places(5, ids)));
            assert!(
                plan.len() > 4 && !plan.iter().any(|line| line.starts_with("SCAN")),
                "{plan:?}"
            );
        }
        let all = plan(&conn, "SELECT * FROM binding WHERE bound_at = 1");
        assert!(all.iter().any(|line| line.starts_with("SCAN")), "{all:?}");
    }
}
