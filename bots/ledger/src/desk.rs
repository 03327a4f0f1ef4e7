//! What is written once for both engines, and where it gets at either.

use zaki_store::{Either, Keys};

use crate::{PgLedger, SqliteLedger};

/// A ledger of either engine.
#[derive(Clone, Copy)]
pub(crate) enum Desk<'l> {
    Sqlite(&'l SqliteLedger),
    Postgres(&'l PgLedger),
}

impl Desk<'_> {
    /// For what needs no lease.
    pub(crate) fn store(self) -> Either {
        match self {
            Self::Sqlite(ledger) => ledger.store(),
            Self::Postgres(ledger) => ledger.store(),
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        match self {
            Self::Sqlite(ledger) => ledger.keys(),
            Self::Postgres(ledger) => ledger.keys(),
        }
    }
}

/// What a write keeps others off, where there are others: one lane, and some conversations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    pub lane: Option<String>,
    pub conversations: Vec<String>,
}

/// Runs a future in one transaction behind these locks, as [`transact!`](zaki_store::transact) does
/// without any. It needs no lease.
macro_rules! locked {
    ($desk:expr, $locks:expr, |$tx:ident| $work:expr) => {
        match $desk {
            $crate::desk::Desk::Sqlite(ledger) => {
                ledger.db().write(move |$tx: &zaki_store::Tx<'_>| $tx.drive($work)).await
            }
            $crate::desk::Desk::Postgres(ledger) => match ledger.occupy(&$locks).await {
                Ok(tx) => {
                    let $tx = &tx;
                    let done = $work.await;
                    tx.end(done).await
                }
                Err(error) => Err(error),
            },
        }
    };
}

pub(crate) use locked;
