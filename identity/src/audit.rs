//! The record of who changed what: append-only, each entry chained to the one before it.
//!
//! Platform ids are in it only as marks, made with a random salt of the person they belong to. Once
//! that person is erased, and the salt with them, the marks say nothing to anybody.

mod chain;
mod mark;

use serde::Serialize;
use serde_json::Value as Json;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, params, snapshot, transact};

use crate::{Actor, Directory, DirectoryError};
use chain::Chain;

pub(crate) use mark::{mark, salt};

/// Entries read at a time.
const PAGE: u32 = 1000;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Counted from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What was done, in a word or two: `signed_up`, `bound`, `moved`, `blocked`…
    pub act: String,
    /// By whom.
    pub by: Actor,
    /// To whom.
    pub about: Option<ZakiUserId>,
    /// The rest, as it was hashed: JSON.
    pub detail: String,
    /// SHA-256 over the entry and the hash before it, in hex.
    pub hash: String,
}

/// What an inspection of the whole record found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Entries that are as they were written, in their places, from the first.
    pub entries: u64,
    /// The hash of the last of them. Who keeps it elsewhere can tell later that all of it is there.
    pub head: String,
    /// The place from which on nothing can be relied upon: an entry that was changed, removed or
    /// moved. `None`: all is well.
    pub broken_at: Option<u64>,
}

impl Directory {
    /// Entries after the `after`-th, the oldest first; `limit` at most.
    pub async fn audit(&self, after: u64, limit: u32) -> Result<Vec<Entry>, DirectoryError> {
        snapshot!(&self.store, |tx| entries(tx, after, limit))
    }

    /// Inspects the whole record.
    pub async fn verify_audit(&self) -> Result<Audited, DirectoryError> {
        snapshot!(&self.store, |tx| verify(tx))
    }

    /// Records what was done elsewhere: a sandbox that was stopped, an approval of the agent's.
    /// `act` is a word or two; `detail` must hold nothing that anybody said.
    pub async fn record(
        &self,
        act: &str,
        by: Actor,
        about: Option<ZakiUserId>,
        detail: Json,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let act = act.to_owned();
        transact!(&self.store, |tx| note(tx, &act, by, about, detail, now))
    }
}

/// An entry to be.
pub(crate) struct Note<'a> {
    pub(crate) act: &'a str,
    pub(crate) by: Actor,
    pub(crate) about: Option<ZakiUserId>,
    pub(crate) detail: Json,
}

/// Appends one entry.
pub(crate) async fn note<S: Sql>(
    tx: &S,
    act: &str,
    by: Actor,
    about: Option<ZakiUserId>,
    detail: Json,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    append(tx, &[Note { act, by, about, detail }], now).await
}

/// Whoever appends holds the row of the head until the transaction ends, so that there is one
/// chain, however many write. It still has the hash of the last entry.
const RESERVE: &str = "UPDATE audit_head SET seq = seq + $1 WHERE one = 1 RETURNING seq, hash";
const INSERT: &str = "INSERT INTO audit_entry (seq, at, act, by_whom, about, detail, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SET_HEAD: &str = "UPDATE audit_head SET hash = $1 WHERE one = 1";

/// Appends entries, in this order.
pub(crate) async fn append<S: Sql>(
    tx: &S,
    notes: &[Note<'_>],
    now: Timestamp,
) -> Result<(), DirectoryError> {
    if notes.is_empty() {
        return Ok(());
    }
    let count = notes.len() as u64;
    let Some(head) = tx.one(RESERVE, params![count]).await? else {
        return Err(DirectoryError::NoHead);
    };
    let mut chain = Chain::new(head.get::<u64>(0)?.saturating_sub(count), head.get(1)?);
    for note in notes {
        let entry = chain.extend(now, note);
        let row = params![
            entry.seq,
            entry.at.as_ms(),
            entry.act,
            Text(entry.by),
            entry.about.map(Text),
            entry.detail,
            entry.hash,
        ];
        tx.execute(INSERT, row).await?;
    }
    tx.execute(SET_HEAD, params![chain.hash()]).await?;
    Ok(())
}

async fn entries<S: Sql>(tx: &S, after: u64, limit: u32) -> Result<Vec<Entry>, DirectoryError> {
    let sql = "SELECT seq, at, act, by_whom, about, detail, hash FROM audit_entry
        WHERE seq > $1 ORDER BY seq LIMIT $2";
    tx.all(sql, params![after, limit]).await?.iter().map(Entry::of_row).collect()
}

impl Entry {
    fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let Text(by) = row.get(3)?;
        let about: Option<Text<ZakiUserId>> = row.get(4)?;
        Ok(Self {
            seq: row.get(0)?,
            at: Timestamp::from_ms(row.get(1)?),
            act: row.get(2)?,
            by,
            about: about.map(|Text(user)| user),
            detail: row.get(5)?,
            hash: row.get(6)?,
        })
    }
}

async fn verify<S: Sql>(tx: &S) -> Result<Audited, DirectoryError> {
    let mut chain = Chain::start();
    loop {
        let sql = "SELECT seq, at, act, by_whom, about, detail, hash FROM audit_entry
            WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = tx.all(sql, params![chain.seq(), PAGE]).await?;
        for row in &rows {
            // What cannot be read any more was changed, too.
            if !Entry::of_row(row).is_ok_and(|entry| chain.follow(&entry)) {
                return Ok(chain.audited(true));
            }
        }
        if rows.len() < PAGE as usize {
            break;
        }
    }
    let head = tx.one("SELECT seq, hash FROM audit_head WHERE one = 1", params![]).await?;
    let ends = match head {
        Some(head) => chain.ends(head.get(0)?, &head.get::<String>(1)?),
        None => false,
    };
    Ok(chain.audited(!ends))
}
