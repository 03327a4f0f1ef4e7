//! Accepting what comes in: all requests that wait, in one statement.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use zaki_store::{PgTx, Together};

use super::rows::{clean, token};
use super::sql;
use crate::encode::Message;
use crate::{Batch, Error, Fence, InboundState, Line, SettleReason};

/// A request that waits.
pub(super) struct Request {
    pub fence: Fence,
    pub batch: Arc<Batch>,
    pub messages: Vec<Message>,
}

/// What such requests share.
pub(super) struct Accepting;

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
            let fresh = accept(tx, fence, &ours).await?;
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
    fence: Fence,
    requests: &[Numbered<'_>],
) -> Result<Vec<Vec<bool>>, Error> {
    for (_, request) in requests {
        beside(tx, &request.batch).await?;
    }
    let columns = Columns::of(requests);
    let new = columns.insert(tx, fence).await?;
    add_handles(tx, requests, &new).await?;
    let mut firsts = columns.firsts.into_iter();
    let fresh = |message: &Message| firsts.next() == Some(true) && new.contains(&message.id);
    let mut fresh = Box::new(fresh);
    Ok(requests.iter().map(|(_, r)| r.messages.iter().map(&mut fresh).collect()).collect())
}

/// Dead letters and the cursor.
async fn beside(tx: &PgTx, batch: &Batch) -> Result<(), Error> {
    let (channel, account) = (batch.channel.as_str(), batch.account.as_str());
    let at = batch.received_at.as_ms();
    for letter in &batch.dead {
        tx.execute(sql::ADD_DEAD, &[&channel, &account, &at, &letter.reason, &letter.raw]).await?;
    }
    if let Some(cursor) = &batch.cursor {
        tx.execute(sql::MOVE_CURSOR, &[&cursor.name, &cursor.value, &at]).await?;
    }
    Ok(())
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
    requests: Vec<i64>,
    ats: Vec<i64>,
    by_channel: Vec<&'r str>,
    by_account: Vec<&'r str>,
    raws: Vec<&'r [u8]>,
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
            columns.raws.push(&batch.raw);
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
                }
            }
        }
        columns
    }

    /// The ids of those that are new.
    async fn insert(&self, tx: &PgTx, fence: Fence) -> Result<HashSet<String>, Error> {
        if self.ids.is_empty() {
            return Ok(HashSet::new());
        }
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
                    &self.raws,
                    &token(fence),
                    &self.states,
                    &self.reasons,
                    &self.lines,
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
        let (Some(handle), Some(address)) = (&item.handle, &message.address) else {
            continue;
        };
        if new.contains(&message.id) && !ids.contains(&message.id.as_str()) {
            ids.push(message.id.as_str());
            addresses.push(address);
            secrets.push(handle.secret.as_str());
            until.push(handle.expires_at.as_ms());
            uses.push(i64::from(handle.uses_left));
        }
    }
    if !ids.is_empty() {
        tx.execute(sql::ADD_HANDLES, &[&ids, &addresses, &secrets, &until, &uses]).await?;
    }
    Ok(())
}
