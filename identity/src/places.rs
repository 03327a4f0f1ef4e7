//! Where people talk to us: what their agents say by themselves goes where it was asked for, or where
//! their person wrote last.

use std::sync::Arc;

use zaki_envelope::{ConversationKind, Inbound, PlaceId, Timestamp, ZakiUserId};
use zaki_store::{Json, Row, Sql, Text, glance, params, transact};

use crate::{BindingKey, Directory, DirectoryError, Home};

/// Somebody writes somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub user: ZakiUserId,
    /// The place, as theirs.
    pub id: PlaceId,
    /// The place.
    pub home: Home,
    /// By which sender.
    pub sender: BindingKey,
    /// When.
    pub at: Timestamp,
}

impl Visit {
    /// The place and time of a message of this person's; `id` is the place as theirs.
    pub fn of(user: ZakiUserId, id: PlaceId, inbound: &Inbound) -> Self {
        Self {
            user,
            id,
            home: Home::of(inbound),
            sender: BindingKey::of(inbound.channel, &inbound.sender),
            at: inbound.received_at,
        }
    }
}

/// A place that is theirs still: the sender they wrote by is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As theirs.
    pub id: PlaceId,
    /// The place.
    pub home: Home,
    /// When they wrote there last, within some minutes.
    pub used_at: Timestamp,
}

impl Place {
    /// Whether nobody else reads along.
    pub fn is_private(&self) -> bool {
        self.home.conversation.kind == ConversationKind::Direct
    }
}

const IS_THERE: &str = "SELECT 1 FROM person WHERE id = $1";

/// One row of values: SQLite copies each page that an insert from a query may touch. Whoever is erased
/// between the two statements makes it fail, by the reference, and is left out when it is tried again.
const NOTE: &str = "INSERT INTO place (user_id, id, channel, scope, sender, address, used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (user_id, id) DO UPDATE SET scope = excluded.scope, sender = excluded.sender,
        address = excluded.address, used_at = excluded.used_at";

const THEIRS: &str = "SELECT place.id, place.address, place.used_at FROM place
    JOIN binding ON binding.channel = place.channel AND binding.scope = place.scope
        AND binding.sender = place.sender AND binding.user_id = place.user_id
    WHERE place.user_id = $1 ORDER BY place.used_at DESC, place.id";

impl Directory {
    /// Notes where people are. Of somebody who is nobody any more, nothing.
    pub async fn visited(&self, visits: Arc<[Visit]>) -> Result<(), DirectoryError> {
        transact!(&self.store, |tx| note(tx, &visits))
    }

    /// The places of a person, the last one first.
    pub async fn places(&self, user: ZakiUserId) -> Result<Vec<Place>, DirectoryError> {
        glance!(&self.store, |tx| places(tx, user))
    }
}

async fn note<S: Sql>(tx: &S, visits: &[Visit]) -> Result<(), DirectoryError> {
    for Visit { user, id, home, sender, at } in visits {
        if tx.one(IS_THERE, params![Text(*user)]).await?.is_none() {
            continue;
        }
        let BindingKey { channel, scope, sender } = sender;
        let row = params![
            Text(*user),
            Text(*id),
            channel.as_str(),
            scope.as_str(),
            sender.as_str(),
            Json(home),
            at.as_ms()
        ];
        tx.execute(NOTE, row).await?;
    }
    Ok(())
}

pub(crate) async fn places<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Vec<Place>, DirectoryError> {
    let rows = tx.all(THEIRS, params![Text(user)]).await?;
    rows.iter().map(of_row).collect()
}

fn of_row(row: &Row) -> Result<Place, DirectoryError> {
    let (Text(id), Json(home)) = (row.get(0)?, row.get(1)?);
    Ok(Place { id, home, used_at: Timestamp::from_ms(row.get(2)?) })
}
