//! Requests and dead letters are numbered as they came, which is the order of their times unless a
//! clock was ahead: what was stored meanwhile keeps whatever came after it from being the oldest. So
//! all are looked at, some at a time, by their numbers: an index of times would be written for each
//! message.

use zaki_envelope::Timestamp;
use zaki_store::{Sql, params, snapshot, transact};

use crate::Error;
use crate::desk::Desk;

/// Rows looked at in one go.
const PAGE: i64 = 500;
/// So many times per table and call; the next call goes on from there.
const PAGES: u32 = 200;

/// One of the tables, by its statements.
pub(crate) struct Heap {
    /// Where it is kept how far the last call has come.
    mark: &'static str,
    /// The last id of the next rows, and the oldest time among them.
    pub page: &'static str,
    /// The old ones behind one id and up to another.
    pub prune: &'static str,
}

macro_rules! heap {
    ($table:literal) => {
        Heap {
            mark: concat!("retention:", $table),
            page: concat!(
                "SELECT max(id), min(received_at) FROM (SELECT id, received_at FROM ",
                $table,
                " WHERE id > $1 ORDER BY id LIMIT $2) AS page"
            ),
            prune: concat!(
                "DELETE FROM ",
                $table,
                " WHERE id > $1 AND id <= $2 AND received_at < $3"
            ),
        }
    };
}

pub(crate) const HEAPS: [Heap; 2] = [heap!("request"), heap!("dead_letter")];

/// Removes what is older than this, wherever it lies; how many rows that were.
pub(crate) async fn sweep(desk: Desk<'_>, oldest: Timestamp) -> Result<usize, Error> {
    let mut removed = 0;
    for heap in &HEAPS {
        removed += sweep_table(desk, heap, oldest).await?;
    }
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

async fn sweep_table(desk: Desk<'_>, heap: &'static Heap, at: Timestamp) -> Result<u64, Error> {
    let store = desk.store();
    let begin = snapshot!(&store, |tx| begin(tx, heap))?;
    let (mut removed, mut after) = (0, begin);
    for _ in 0..PAGES {
        let from = after;
        let Some((last, oldest)) = snapshot!(&store, |tx| page(tx, heap, from))? else {
            after = 0;
            break;
        };
        if oldest < at.as_ms() {
            removed += transact!(&store, |tx| prune(tx, heap, from, last, at))?;
        }
        after = last;
    }
    if after != begin {
        transact!(&store, |tx| mark(tx, heap, after, at))?;
    }
    Ok(removed)
}

async fn begin<S: Sql>(tx: &S, heap: &Heap) -> Result<i64, Error> {
    let mark = tx.one("SELECT value FROM cursor WHERE name = $1", params![heap.mark]).await?;
    let mark: Option<String> = mark.map(|row| row.get(0)).transpose()?;
    Ok(mark.and_then(|id| id.parse().ok()).unwrap_or_default())
}

async fn page<S: Sql>(tx: &S, heap: &Heap, after: i64) -> Result<Option<(i64, i64)>, Error> {
    let Some(row) = tx.one(heap.page, params![after, PAGE]).await? else { return Ok(None) };
    let last: Option<i64> = row.get(0)?;
    let oldest: Option<i64> = row.get(1)?;
    Ok(last.zip(oldest))
}

async fn prune<S: Sql>(
    tx: &S,
    heap: &Heap,
    from: i64,
    to: i64,
    oldest: Timestamp,
) -> Result<u64, Error> {
    Ok(tx.execute(heap.prune, params![from, to, oldest.as_ms()]).await?)
}

async fn mark<S: Sql>(tx: &S, heap: &Heap, after: i64, at: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO cursor (name, value, at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at";
    tx.execute(sql, params![heap.mark, after.to_string(), at.as_ms()]).await?;
    Ok(())
}
