//! A stranger has used somebody's code: they are asked whether they want to share that person's
//! assistant, since whoever gave it to them would read all they write.

use sha2::{Digest, Sha256};
use zaki_envelope::{Inbound, Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, Value, glance, transact};

use super::Redeemed;
use super::redeem::{Redeemer, Taken, used};
use crate::{Directory, DirectoryError, JOINING_MS, locks, merge, who};

/// What a stranger is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What names it: 16 digits of hex. Whoever asks anew, asks another.
    pub id: String,
    /// Whose code it was.
    pub user: ZakiUserId,
    /// From then on it is void.
    pub until: Timestamp,
}

impl Directory {
    /// What the sender of a message is being asked, after [`Redeemed::Asked`].
    pub async fn proposal(
        &self,
        inbound: &Inbound,
        now: Timestamp,
    ) -> Result<Option<Proposal>, DirectoryError> {
        let redeemer = Redeemer::of(inbound, self);
        glance!(&self.store, |tx| find(tx, &redeemer, None, now))
    }

    /// The sender's yes to this question, or to whichever they are asked: it links them to that
    /// person, with a right to write to this bot directly. They may have become somebody meanwhile.
    /// `None`: they are not asked this.
    pub async fn accept(
        &self,
        inbound: &Inbound,
        question: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Redeemed>, DirectoryError> {
        // Most are not: they need not stand in line to hear it.
        if self.proposal(inbound, now).await?.is_none() {
            return Ok(None);
        }
        let (redeemer, question) = (Redeemer::of(inbound, self), question.map(str::to_owned));
        let done = transact!(&self.store, |tx| accept(tx, &redeemer, question.as_deref(), now));
        self.forget_after(&done, |done| done.as_ref().is_some_and(Redeemed::binds));
        done
    }

    /// The sender's no; whose code it was. `None`: they are not asked this.
    pub async fn reject(
        &self,
        inbound: &Inbound,
        question: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<ZakiUserId>, DirectoryError> {
        if self.proposal(inbound, now).await?.is_none() {
            return Ok(None);
        }
        let (redeemer, question) = (Redeemer::of(inbound, self), question.map(str::to_owned));
        let taken = transact!(&self.store, |tx| take(tx, &redeemer, question.as_deref(), now))?;
        Ok(taken.map(|proposal| proposal.user))
    }
}

/// As what it is kept: one for each sender and bot.
fn key(redeemer: &Redeemer) -> [Value; 4] {
    let Redeemer { channel, account, sender, .. } = redeemer;
    let (scope, id) = (sender.scope.as_str(), sender.id.as_str());
    [channel.as_str().into(), account.as_str().into(), scope.into(), id.into()]
}

const ASK: &str = "INSERT INTO proposal (channel, account, scope, sender, user_id, asked_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (channel, account, scope, sender)
    DO UPDATE SET user_id = excluded.user_id, asked_at = excluded.asked_at";

/// Asks a sender whether they want to be this person's.
pub(super) async fn ask<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let [channel, account, scope, sender] = key(redeemer);
    let row = [channel, account, scope, sender, Text(user).into(), now.as_ms().into()];
    tx.execute(ASK, &row).await?;
    Ok(())
}

const FIND: &str = "SELECT user_id, asked_at FROM proposal
    WHERE channel = $1 AND account = $2 AND scope = $3 AND sender = $4";

/// What a sender is asked, if it is this.
async fn find<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Option<Proposal>, DirectoryError> {
    let Some(row) = tx.one(FIND, &key(redeemer)).await? else { return Ok(None) };
    let (Text(user), asked_at) = (row.get(0)?, Timestamp::from_ms(row.get(1)?));
    let open = Proposal::of(redeemer, user, asked_at);
    let is_it = now.since(asked_at) < JOINING_MS && question.is_none_or(|id| open.id == id);
    Ok(is_it.then_some(open))
}

const DROP: &str = "DELETE FROM proposal
    WHERE channel = $1 AND account = $2 AND scope = $3 AND sender = $4";

/// The same, which is answered by this.
async fn take<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Option<Proposal>, DirectoryError> {
    locks::acts(tx).await?;
    if question.is_none() && is_asked_more(tx, redeemer, now).await? {
        return Ok(None);
    }
    let found = find(tx, redeemer, question, now).await?;
    if found.is_some() {
        tx.execute(DROP, &key(redeemer)).await?;
    }
    Ok(found)
}

/// Whether the sender has become somebody who is asked to become one with another: a bare yes is to
/// that, of which more depends.
async fn is_asked_more<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    match who::holder(tx, redeemer.channel, &redeemer.sender).await? {
        Some(user) => merge::is_asked(tx, user, now).await,
        None => Ok(false),
    }
}

async fn accept<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    question: Option<&str>,
    now: Timestamp,
) -> Result<Option<Redeemed>, DirectoryError> {
    match take(tx, redeemer, question, now).await? {
        Some(Proposal { user, .. }) => used(tx, redeemer, &Taken::of(user), now).await.map(Some),
        None => Ok(None),
    }
}

impl Proposal {
    fn of(redeemer: &Redeemer, user: ZakiUserId, asked_at: Timestamp) -> Self {
        let Redeemer { channel, account, sender, .. } = redeemer;
        let (scope, id) = (&sender.scope, &sender.id);
        let text = format!("{user} {channel} {account} {scope} {id} {}", asked_at.as_ms());
        let digest = Sha256::digest(text);
        let id = hex::encode(digest.iter().take(8).copied().collect::<Vec<_>>());
        Self { id, user, until: asked_at.plus_ms(JOINING_MS) }
    }
}
