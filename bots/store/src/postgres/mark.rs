//! Proof of a commit whose answer was lost: each transaction leaves a number in a row that no other
//! one writes meanwhile. Not the server's own number (`pg_xact_status`): a transaction that a crash
//! undid may have left no trace in the log, and the server then gives its number to another one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Shared;
use super::tx::Link;
use crate::Error;

/// Where the numbers are kept. Rows of those that are gone are removed after a day, by whoever starts.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS store_commits (
    writer bigint      PRIMARY KEY,
    number bigint      NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50)";
pub(super) const HAS_TABLE: &str = "SELECT to_regclass('store_commits') IS NOT NULL";
pub(super) const PRUNE: &str = "DELETE FROM store_commits WHERE at < now() - interval '1 day'";

/// Leaves the number, as part of a transaction.
pub(super) const LEAVE: &str = "INSERT INTO store_commits (writer, number) VALUES ($1, $2)
    ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = now()";
/// Waits for the end of a transaction that is still under way, and says which number is there.
const ASK: &str = "INSERT INTO store_commits (writer, number) VALUES ($1, 0)
    ON CONFLICT (writer) DO UPDATE SET at = now() RETURNING number";

/// How often to ask, while the server does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The writers that no transaction uses now. As many come to be as there are transactions at a time.
#[derive(Default)]
pub(super) struct Writers(Mutex<Vec<Mark>>);

/// A writer, and the number that it leaves next.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) writer: i64,
    pub(super) number: i64,
}

impl Writers {
    pub(super) fn take(&self) -> Mark {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_else(|| Mark { writer: rand::random(), number: 1 })
    }

    /// For the next transaction, after the end of the one that used it.
    pub(super) fn give_back(&self, mark: Mark) {
        let next = Mark { number: mark.number + 1, ..mark };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(next);
    }
}

impl Mark {
    /// Whether the transaction that left this has been kept; asks until the server says so. `None`: it
    /// will not tell.
    pub(super) async fn is_kept(self, shared: &Arc<Shared>) -> Option<bool> {
        loop {
            let asked = match shared.link().await {
                Ok(link) => self.ask(&link).await,
                Err(error) => Err(error),
            };
            match asked {
                Ok(number) => return Some(number == Some(self.number)),
                Err(error) if error.is_transient() => tokio::time::sleep(ASK_AGAIN).await,
                Err(_) => return None,
            }
        }
    }

    async fn ask(self, link: &Link) -> Result<Option<i64>, Error> {
        link.one(ASK, &[&self.writer], |row| row.try_get(0)).await
    }
}
