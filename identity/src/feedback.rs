//! What people tell whoever runs this.

use serde::Serialize;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Keys, Row, Sql, Text, params, snapshot, transact};

use crate::codes::random;
use crate::sealed::Column;
use crate::{Directory, DirectoryError, people};

/// Longer ones are cut, in characters.
const LONGEST: usize = 4_000;

/// Something that somebody said to the operator.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Feedback {
    /// Who.
    pub user: ZakiUserId,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub text: String,
}

/// Without what they said.
impl std::fmt::Debug for Feedback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feedback")
            .field("user", &self.user)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Directory {
    /// Keeps what somebody wants the operator to know.
    pub async fn feedback(
        &self,
        user: ZakiUserId,
        text: &str,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        // PostgreSQL has no zero in its texts.
        let text: String = text.chars().filter(|sign| *sign != '\0').take(LONGEST).collect();
        let id = hex::encode(random::<16>()?);
        let text = self.options.keys.seal_text(Column::Feedback.of(&id), text)?;
        transact!(&self.store, |tx| add(tx, &id, user, &text, now))
    }

    /// What has been said, the last first.
    pub async fn feedbacks(&self, limit: u32) -> Result<Vec<Feedback>, DirectoryError> {
        let keys = self.options.keys.clone();
        snapshot!(&self.store, |tx| list(tx, &keys, limit))
    }
}

const ADD: &str = "INSERT INTO feedback (id, user_id, at, text) VALUES ($1, $2, $3, $4)";

const LIST: &str = "SELECT user_id, at, text, id FROM feedback ORDER BY at DESC, id LIMIT $1";

async fn add<S: Sql>(
    tx: &S,
    id: &str,
    user: ZakiUserId,
    text: &str,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    people::known(tx, user).await?;
    tx.execute(ADD, params![id, Text(user), now.as_ms(), text]).await?;
    Ok(())
}

async fn list<S: Sql>(tx: &S, keys: &Keys, limit: u32) -> Result<Vec<Feedback>, DirectoryError> {
    let read = |row: &Row| {
        let (Text(user), at) = (row.get(0)?, Timestamp::from_ms(row.get(1)?));
        let id: String = row.get(3)?;
        Ok(Feedback { user, at, text: keys.open_text(Column::Feedback.of(&id), row.get(2)?)? })
    };
    tx.all(LIST, params![limit]).await?.iter().map(read).collect()
}
