//! The one lock of the directory.

use zaki_store::{Error, Sql};

/// Keeps off everybody else who changes who is who. To be taken before anything is read that such
/// a change rests on: what is audited stands in one line anyway, and one lock has no order to get
/// wrong.
pub(crate) async fn acts<S: Sql>(tx: &S) -> Result<(), Error> {
    tx.lock("identity").await
}
