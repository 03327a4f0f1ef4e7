//! Which versions sandboxes are on.

use rusqlite::Row;
use zaki_edge_core::release::Release;
use zaki_store::{Error, Json};

use super::State;
use crate::runtime::Version;

impl State {
    /// How the sandboxes there are stand, and how many stand so: few words for many of them.
    pub(crate) async fn releases(&self) -> Result<Vec<(Release<Version>, u64)>, Error> {
        let sql = "SELECT release, count(*) FROM sandboxes
            WHERE release IS NOT NULL AND name NOT LIKE 'erased-%' GROUP BY release";
        self.db.read(move |tx| tx.all(sql, [], row)).await
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<(Release<Version>, u64)> {
    let count: i64 = row.get(1)?;
    Ok((row.get::<_, Json<Release<Version>>>(0)?.0, count.unsigned_abs()))
}
