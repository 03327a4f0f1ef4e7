//! A person as a whole.

use serde::Serialize;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Json, Row, Text};

use crate::actor::words;
use crate::{Binding, DirectoryError, Home};

/// A person with all that is theirs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Person {
    /// Ours.
    pub user: ZakiUserId,
    /// When they first wrote.
    pub created_at: Timestamp,
    /// What they may spend; `None`: as the configuration says for everybody.
    pub tier: Option<String>,
    /// What they may decide for others.
    pub role: Role,
    /// The language they chose.
    pub lang: Option<String>,
    /// What their messages do that arrive mid-turn, where they chose it.
    pub mode: Option<String>,
    /// The model they chose.
    pub model: Option<String>,
    /// Which of their private sessions they are in, counted from 1.
    pub session: u32,
    /// Where they want to be written to unasked.
    pub home: Option<Home>,
    /// Since when nobody answers them.
    pub blocked_at: Option<Timestamp>,
    /// Whose they have become.
    pub merged_into: Option<ZakiUserId>,
    /// Their senders; none once all of them have become somebody else's.
    pub bindings: Vec<Binding>,
}

words! {
    /// What somebody may decide for others.
    Role("role") {
        /// Nothing.
        Member = "member",
        /// Who is let in, and what groups do: as an operator, from a chat.
        Owner = "owner",
    }
}

impl Person {
    /// The columns that [`of_row`](Self::of_row) reads.
    pub(crate) const COLUMNS: &str =
        "id, created_at, tier, role, lang, mode, model, session, home, blocked_at, merged_into";

    /// Without the bindings: they follow.
    pub(crate) fn of_row(row: &Row) -> Result<Self, DirectoryError> {
        let (Text(user), Text(role)) = (row.get(0)?, row.get(3)?);
        let home: Option<Json<Home>> = row.get(8)?;
        let merged_into: Option<Text<ZakiUserId>> = row.get(10)?;
        Ok(Self {
            user,
            created_at: Timestamp::from_ms(row.get(1)?),
            tier: row.get(2)?,
            role,
            lang: row.get(4)?,
            mode: row.get(5)?,
            model: row.get(6)?,
            session: row.get(7)?,
            home: home.map(|Json(home)| home),
            blocked_at: row.get::<Option<i64>>(9)?.map(Timestamp::from_ms),
            merged_into: merged_into.map(|Text(user)| user),
            bindings: Vec::new(),
        })
    }
}

/// Which people to list, in order of first contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleFilter {
    /// Only those after this one.
    pub after: Option<ZakiUserId>,
    /// So many at most.
    pub limit: u32,
    /// Only those with this id, a sender of this id, or a sender whose label has this in it.
    pub text: Option<String>,
}

impl Default for PeopleFilter {
    fn default() -> Self {
        Self { after: None, limit: 100, text: None }
    }
}
