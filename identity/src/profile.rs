//! What the way of every message asks: few rows, found by their keys.

use zaki_envelope::ZakiUserId;
use zaki_store::{Sql, Text, glance, params};

use crate::{Directory, DirectoryError, Person};

impl Directory {
    /// A person without their bindings: what they have chosen, and how they stand.
    pub async fn profile(&self, user: ZakiUserId) -> Result<Option<Person>, DirectoryError> {
        glance!(&self.store, |tx| profile(tx, user))
    }

    /// How many acts have been recorded. As long as it stays the same, nobody has changed a group
    /// or who is let in where.
    pub async fn acts(&self) -> Result<u64, DirectoryError> {
        glance!(&self.store, |tx| acts(tx))
    }
}

pub(crate) async fn profile<S: Sql>(
    tx: &S,
    user: ZakiUserId,
) -> Result<Option<Person>, DirectoryError> {
    let sql = format!("SELECT {} FROM person WHERE id = $1", Person::COLUMNS);
    let row = tx.one(&sql, params![Text(user)]).await?;
    row.as_ref().map(Person::of_row).transpose()
}

async fn acts<S: Sql>(tx: &S) -> Result<u64, DirectoryError> {
    let head = tx.one("SELECT seq FROM audit_head WHERE one = 1", params![]).await?;
    Ok(head.ok_or(DirectoryError::NoHead)?.get(0)?)
}
