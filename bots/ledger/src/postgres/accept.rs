//! Accepting what comes in: all requests that wait, in one statement.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::types::ToSql;
use zaki_store::{Keys, PgTx, Together};

use super::rows::token;
use super::sql;
use crate::encode::{Message, clean};
use crate::sealed::Column;
use crate::{Batch, Error, Fence, InboundState, Line, SettleReason};

/// A request that waits.
pub(super) struct Request {
    pub fence: Fence,
    pub batch: Arc<Batch>,
    pub messages: Vec<Message>,
}

/// What such requests share.
pub(super) struct Accepting {
    pub keys: Keys,
}

#[async_trait]
impl Together for Accepting {
    type Job = Request;
    /// Which of the request's items are new.
    type Answer = Vec<bool>;
    type Error = Error;

    async fn run(
        &self,
        tx: &PgTx,
        requests: &[Request],
    ) -> Result<Vec<Result<Vec<bool>, Error>>, Error> {
        let mut answers: Vec<_> = requests.iter().map(|_| Err(Error::Fenced)).collect();
        let mut terms: Vec<_> = requests.iter().map(|request| request.fence).collect();
        terms.sort_unstable();
        terms.dedup();
        for fence in terms {
            let ours = admitted(tx, fence, requests).await?;
            let fresh = accept(tx, &self.keys, fence, &ours).await?;
            for ((n, _), fresh) in ours.into_iter().zip(fresh) {
                if let Some(answer) = answers.get_mut(n) {
                    *answer = Ok(fresh);
                }
            }
        }
        Ok(answers)
    }
}

/// A request and its number.
type Numbered<'r> = (usize, &'r Request);

/// Those of one term that may be stored: it lasts, and it has the lease of the cursor.
async fn admitted<'r>(
    tx: &PgTx,
    fence: Fence,
    requests: &'r [Request],
) -> Result<Vec<Numbered<'r>>, Error> {
    let enter: (i64, Option<&str>, &[&str]) = (token(fence), None, &[]);
    let alive =
        tx.one(sql::ENTER_ACCEPT, &[&enter.0, &enter.1, &enter.2], |row| row.try_get(0)).await?;
    if alive != Some(true) {
        return Ok(Vec::new());
    }
    let ours = requests.iter().enumerate().filter(|(_, request)| request.fence == fence);
    let mut ours: Vec<Numbered<'_>> = ours.collect();
    let names: Vec<_> = ours.iter().filter_map(|(_, request)| cursor(request)).collect();
    if !names.is_empty() {
        let held =
            tx.all(sql::HELD, &[&enter.0, &names], |row| row.try_get::<_, String>(0)).await?;
        let holds = |name: &str| held.iter().any(|held| held == name);
        ours.retain(|(_, request)| cursor(request).is_none_or(holds));
    }
    Ok(ours)
}

fn cursor(request: &Request) -> Option<&str> {
    request.batch.cursor.as_ref().map(|cursor| cursor.name.as_str())
}

/// Stores them; which of their items are new.
async fn accept(
    tx: &PgTx,
    keys: &Keys,
    fence: Fence,
    requests: &[Numbered<'_>],
) -> Result<Vec<Vec<bool>>, Error> {
    for (_, request) in requests {
        beside(tx, keys, &request.batch).await?;
    }
    let mut columns = Columns::of(requests);
    columns.seal(tx, keys).await?;
    let new = columns.insert(tx, fence).await?;
    add_handles(tx, requests, &new).await?;
    let mut firsts = columns.firsts.into_iter();
    let fresh = |message: &Message| firsts.next() == Some(true) && new.contains(&message.id);
    let mut fresh = Box::new(fresh);
    Ok(requests.iter().map(|(_, r)| r.messages.iter().map(&mut fresh).collect()).collect())
}

/// Dead letters and the cursor.
async fn beside(tx: &PgTx, keys: &Keys, batch: &Batch) -> Result<(), Error> {
    let (channel, account) = (batch.channel.as_str(), batch.account.as_str());
    let at = batch.received_at.as_ms();
    for letter in &batch.dead {
        let id = ids(tx, keys, "dead_letter", 1).await?.pop();
        let raw = keys.seal(Column::DeadLetter.of(&id.unwrap_or_default()), &letter.raw)?;
        let row: [&(dyn ToSql + Sync); 6] =
            [&channel, &account, &at, &letter.reason, &raw.as_ref(), &id];
        tx.execute(sql::ADD_DEAD, &row).await?;
    }
    if let Some(cursor) = &batch.cursor {
        tx.execute(sql::MOVE_CURSOR, &[&cursor.name, &cursor.value, &at]).await?;
    }
    Ok(())
}

/// The ids of the next rows, where they must be known before.
async fn ids(tx: &PgTx, keys: &Keys, table: &str, rows: usize) -> Result<Vec<i64>, Error> {
    if keys.first().is_none() {
        return Ok(Vec::new());
    }
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    Ok(tx.all(sql::NEXT_IDS, &[&table, &rows], |row| row.try_get(0)).await?)
}

/// What `sql::ACCEPT` takes.
#[derive(Default)]
struct Columns<'r> {
    ids: Vec<&'r str>,
    channels: Vec<&'r str>,
    accounts: Vec<&'r str>,
    dedupes: Vec<String>,
    envelopes: Vec<&'r str>,
    jobs: Vec<i64>,
    states: Vec<InboundState>,
    reasons: Vec<Option<&'static str>>,
    lines: Vec<Option<&'r [u8]>>,
    senders: Vec<&'r [u8]>,
    seen: Vec<&'r [u8]>,
    requests: Vec<i64>,
    ats: Vec<i64>,
    by_channel: Vec<&'r str>,
    by_account: Vec<&'r str>,
    raws: Vec<Cow<'r, [u8]>>,
    sizes: Vec<i64>,
    rows: Vec<Option<i64>>,
    /// Of each item: whether its key comes here for the first time.
    firsts: Vec<bool>,
}

impl<'r> Columns<'r> {
    fn of(requests: &[Numbered<'r>]) -> Self {
        let mut columns = Self::default();
        let mut keys = HashSet::new();
        for (job, (_, request)) in (0_i64..).zip(requests) {
            let batch = &request.batch;
            columns.requests.push(job);
            columns.ats.push(batch.received_at.as_ms());
            columns.by_channel.push(batch.channel.as_str());
            columns.by_account.push(batch.account.as_str());
            columns.raws.push(batch.raw.as_slice().into());
            columns.sizes.push(batch.size());
            columns.rows.push(None);
            for (item, message) in batch.items.iter().zip(&request.messages) {
                let inbound = &item.inbound;
                let (channel, account) = (inbound.channel.as_str(), inbound.account.as_str());
                let dedupe = clean(inbound.dedupe.as_str());
                let first = keys.insert((channel, account, dedupe.clone()));
                columns.firsts.push(first);
                if first {
                    columns.ids.push(&message.id);
                    columns.channels.push(channel);
                    columns.accounts.push(account);
                    columns.dedupes.push(dedupe);
                    columns.envelopes.push(&message.envelope);
                    columns.jobs.push(job);
                    columns.states.push(item.state());
                    columns.reasons.push(item.settled.map(SettleReason::as_str));
                    columns.lines.push(item.line.as_ref().map(Line::as_bytes));
                    columns.senders.push(&message.sender);
                    columns.seen.push(&message.seen);
                }
            }
        }
        columns
    }

    /// Encrypts the bytes of requests, each for the row it will have.
    async fn seal(&mut self, tx: &PgTx, keys: &Keys) -> Result<(), Error> {
        let ids = ids(tx, keys, "request", self.raws.len()).await?;
        for ((raw, row), id) in self.raws.iter_mut().zip(&mut self.rows).zip(ids) {
            // None is kept of a request that has none.
            if !raw.is_empty() {
                *raw = keys.seal(Column::Request.of(&id), raw)?.into_owned().into();
                *row = Some(id);
            }
        }
        Ok(())
    }

    /// The ids of those that are new.
    async fn insert(&self, tx: &PgTx, fence: Fence) -> Result<HashSet<String>, Error> {
        if self.ids.is_empty() {
            return Ok(HashSet::new());
        }
        let raws: Vec<&[u8]> = self.raws.iter().map(Cow::as_ref).collect();
        let new = tx
            .all(
                sql::ACCEPT,
                &[
                    &self.ids,
                    &self.channels,
                    &self.accounts,
                    &self.dedupes,
                    &self.envelopes,
                    &self.jobs,
                    &self.requests,
                    &self.ats,
                    &self.by_channel,
                    &self.by_account,
                    &raws,
                    &token(fence),
                    &self.states,
                    &self.reasons,
                    &self.lines,
                    &self.senders,
                    &self.seen,
                    &self.sizes,
                    &self.rows,
                ],
                |row| row.try_get(0),
            )
            .await;
        Ok(new?.into_iter().collect())
    }
}

async fn add_handles(
    tx: &PgTx,
    requests: &[Numbered<'_>],
    new: &HashSet<String>,
) -> Result<(), Error> {
    let items = requests.iter().flat_map(|(_, r)| r.batch.items.iter().zip(&r.messages));
    let (mut ids, mut addresses, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
    let (mut until, mut uses) = (Vec::new(), Vec::new());
    for (item, message) in items {
        let (Some(handle), Some(address), Some(secret)) =
            (&item.handle, &message.address, &message.secret)
        else {
            continue;
        };
        if new.contains(&message.id) && !ids.contains(&message.id.as_str()) {
            ids.push(message.id.as_str());
            addresses.push(address);
            secrets.push(secret.as_str());
            until.push(handle.expires_at.as_ms());
            uses.push(i64::from(handle.uses_left));
        }
    }
    if !ids.is_empty() {
        tx.execute(sql::ADD_HANDLES, &[&ids, &addresses, &secrets, &until, &uses]).await?;
    }
    Ok(())
}
