//! What is read and written inside one transaction about one sender.

use zaki_envelope::{ChannelKind, Sender, SenderId, Timestamp, ZakiUserId};
use zaki_store::{PgTx, Postgres, Text};

use super::{known, rows, sql};
use crate::mint::mint;
use crate::rules::{Change, Facts, ids};
use crate::{DirectoryError, Linked, Policy, Resolution};

/// What is known of a sender just now.
pub(super) async fn facts<'s>(
    store: &Postgres,
    channel: ChannelKind,
    sender: &'s Sender,
) -> Result<Facts<'s>, DirectoryError> {
    let (channel, scope, ids) = key(channel, sender);
    let found = store.all(sql::FIND, &[&channel, &scope, &ids], rows::found).await?;
    Ok(Facts::new(sender, found))
}

fn key(channel: ChannelKind, sender: &Sender) -> (&'static str, &str, Vec<&str>) {
    let ids = ids(sender).into_iter().map(SenderId::as_str).collect();
    (channel.as_str(), sender.scope.as_str(), ids)
}

/// One sender, at one moment, in one transaction that keeps off everybody else who decides about
/// one of its ids.
pub(super) struct Desk<'s> {
    tx: PgTx,
    channel: ChannelKind,
    sender: &'s Sender,
    now: Timestamp,
}

impl<'s> Desk<'s> {
    pub(super) async fn open(
        store: &Postgres,
        channel: ChannelKind,
        sender: &'s Sender,
        now: Timestamp,
    ) -> Result<Self, DirectoryError> {
        let tx = store.begin().await?;
        let (kind, scope, ids) = key(channel, sender);
        tx.all(sql::LOCK_IDS, &[&kind, &scope, &ids], |_| Ok(())).await?;
        Ok(Self { tx, channel, sender, now })
    }

    async fn facts(&self) -> Result<Facts<'s>, DirectoryError> {
        let (channel, scope, ids) = key(self.channel, self.sender);
        let found = self.tx.all(sql::FIND, &[&channel, &scope, &ids], rows::found).await?;
        Ok(Facts::new(self.sender, found))
    }

    /// Who it is, and whether finding that out has taken an id from somebody else.
    pub(super) async fn resolve(
        self,
        policy: Policy,
    ) -> Result<(Resolution, bool), DirectoryError> {
        let verdict = self.facts().await?.resolve(policy, || mint(self.now))?;
        self.keep(&verdict.changes).await?;
        self.tx.commit().await?;
        Ok((verdict.answer, verdict.moved))
    }

    pub(super) async fn link(self, user: ZakiUserId) -> Result<Linked, DirectoryError> {
        known(&self.tx, user).await?;
        let verdict = self.facts().await?.link(user);
        self.keep(&verdict.changes).await?;
        let answer = match verdict.answer {
            Linked::Moved { from, .. } => Linked::Moved { from, left: self.left(from).await? },
            answer => answer,
        };
        self.tx.commit().await?;
        Ok(answer)
    }

    async fn left(&self, user: ZakiUserId) -> Result<usize, DirectoryError> {
        let left: Option<i64> =
            self.tx.one(sql::COUNT, &[&Text(user)], |row| row.try_get(0)).await?;
        Ok(left.and_then(|left| usize::try_from(left).ok()).unwrap_or_default())
    }

    async fn keep(&self, changes: &[Change]) -> Result<(), DirectoryError> {
        let (channel, scope) = (self.channel.as_str(), self.sender.scope.as_str());
        let now = self.now.as_ms();
        for change in changes {
            match change {
                Change::SignUp(user) => {
                    self.tx.execute(sql::ADD_PERSON, &[&Text(user), &now]).await?
                }
                Change::Bind(id, (user, kind)) => {
                    let (id, kind) = (id.as_str(), kind.as_str());
                    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                        [&channel, &scope, &id, &Text(user), &kind, &now];
                    self.tx.execute(sql::BIND, &row).await?
                }
                Change::Audit { change, id, user, was } => {
                    let id = id.as_str();
                    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
                        [&now, change, &channel, &scope, &id, &Text(user), was];
                    self.tx.execute(sql::AUDIT, &row).await?
                }
            };
        }
        Ok(())
    }
}
