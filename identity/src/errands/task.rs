//! What can follow, and by what somebody is known elsewhere.

use serde::{Deserialize, Serialize};
use zaki_envelope::{ChannelKind, SenderId, SenderScope, Timestamp, ZakiUserId};
use zaki_store::{Keys, Sql, snapshot};

use crate::places::{self, Place};
use crate::privacy::family;
use crate::sealed::Column;
use crate::{Directory, DirectoryError, Home, parted, people};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The ledger forgets what was said.
    Forget {
        /// Of whom.
        traces: Box<Traces>,
        /// Once more, for what was under way.
        last_look: bool,
    },
    /// The edge removes everything of these people.
    Erase {
        /// A person, and those who had become that person.
        users: Vec<ZakiUserId>,
    },
    /// The edge stops everything of the person and keeps it until then.
    Retire {
        /// Until then.
        until: Timestamp,
    },
    /// The edge takes that back.
    Reinstate,
}

/// By what a person is known where things of theirs lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// The person, and whoever had become that person.
    pub users: Vec<ZakiUserId>,
    /// Their ids on the platforms.
    pub senders: Vec<Trace>,
    /// Private conversations with them that are known without.
    pub homes: Vec<Home>,
}

/// A person's id on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The platform.
    pub channel: ChannelKind,
    /// The space the id is unique in.
    pub scope: SenderScope,
    /// The id.
    pub sender: SenderId,
    /// Since when what comes by it is theirs: also what they said before they were somebody, and
    /// nothing of whoever had it before.
    pub since: Timestamp,
    /// Until when, if that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Task {
    /// `forget`, `erase`, `retire` or `reinstate`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Forget { .. } => "forget",
            Self::Erase { .. } => "erase",
            Self::Retire { .. } => "retire",
            Self::Reinstate => "reinstate",
        }
    }

    /// Whether it only looks once more for what was under way: everything else is done before it.
    pub const fn is_last_look(&self) -> bool {
        matches!(self, Self::Forget { last_look: true, .. })
    }

    pub(super) fn seal(
        &self,
        keys: &Keys,
        user: ZakiUserId,
        n: i64,
    ) -> Result<String, DirectoryError> {
        let row = format!("{user} {n}");
        let json = serde_json::to_string(self).map_err(|_| DirectoryError::Errand)?;
        Ok(keys.seal_text(Column::Errand.of(&row), json)?)
    }

    pub(super) fn open(
        keys: &Keys,
        user: ZakiUserId,
        n: i64,
        stored: String,
    ) -> Result<Self, DirectoryError> {
        let row = format!("{user} {n}");
        let json = keys.open_text(Column::Errand.of(&row), stored)?;
        serde_json::from_str(&json).map_err(|_| DirectoryError::Errand)
    }
}

impl Directory {
    /// By what a person is known elsewhere, with those who have become that person.
    pub async fn traces(&self, user: ZakiUserId) -> Result<Traces, DirectoryError> {
        snapshot!(&self.store, |tx| traces(tx, user))
    }
}

pub(crate) async fn traces<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Traces, DirectoryError> {
    let mut traces = Traces { users: family(tx, user).await?, ..Traces::default() };
    for user in traces.users.clone() {
        if let Some(person) = people::person(tx, user).await? {
            traces.homes.extend(person.home);
            traces.senders.extend(parted::traces(tx, user).await?);
            let places = places::places(tx, user).await?.into_iter();
            traces.homes.extend(places.filter(Place::is_private).map(|place| place.home));
        }
    }
    Ok(traces)
}
