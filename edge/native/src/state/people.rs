//! Who is retired or being erased, and everything of one person at once.

use rusqlite::{Row, params};
use zaki_edge_core::person::Standing;
use zaki_envelope::{Timestamp, TurnId, ZakiUserId};
use zaki_store::{Error, Text};

use super::State;

impl State {
    /// Everybody who is not as everybody.
    pub(crate) async fn standings(&self) -> Result<Vec<(ZakiUserId, Standing)>, Error> {
        let sql = "SELECT user, until FROM people";
        self.db.read(move |tx| tx.all(sql, [], standing)).await
    }

    /// Remembers where somebody stands.
    pub(crate) async fn save_standing(
        &self,
        user: ZakiUserId,
        standing: Standing,
    ) -> Result<(), Error> {
        let until = match standing {
            Standing::Active | Standing::Erased { .. } => return self.forget_standing(user).await,
            Standing::Retired { until } => Some(until.as_ms()),
            Standing::Erasing => None,
        };
        let sql = "INSERT OR REPLACE INTO people (user, until) VALUES (?, ?)";
        self.db.write(move |tx| tx.execute(sql, params![Text(user), until]).map(drop)).await
    }

    /// They are as everybody, or nobody.
    pub(crate) async fn forget_standing(&self, user: ZakiUserId) -> Result<(), Error> {
        let sql = "DELETE FROM people WHERE user = ?";
        self.db.write(move |tx| tx.execute(sql, [Text(user)]).map(drop)).await
    }

    /// Forgets everything of `user` but that they are being erased. The number of a sandbox stays
    /// taken: whatever is left on the machine under the user id made from it is nobody else's.
    pub(crate) async fn forget_person(&self, user: ZakiUserId) -> Result<(), Error> {
        let sandboxes =
            "UPDATE sandboxes SET name = 'erased-' || number, place = NULL, reminder = NULL
            WHERE substr(name, -26) = ?";
        let all = [
            "DELETE FROM turns WHERE user = ?",
            "DELETE FROM metered WHERE user = ?",
            "DELETE FROM unasked WHERE user = ?",
            sandboxes,
        ];
        self.db
            .write(move |tx| {
                all.iter().try_for_each(|sql| tx.execute(sql, [Text(user)]).map(drop))?;
                let backups = "DELETE FROM backups WHERE substr(sandbox, -26) = ?";
                tx.execute(backups, [Text(user)])?;
                tx.execute("DELETE FROM proactive WHERE substr(sandbox, -26) = ?", [Text(user)])?;
                // Written by an earlier release, read by none.
                let old = "DELETE FROM usage WHERE substr(sandbox, -26) = ?";
                tx.execute(old, [Text(user)]).map(drop)
            })
            .await
    }

    /// The turns of `user` that have begun and not ended, as far as is known here.
    pub(crate) async fn open_turns(&self, user: ZakiUserId) -> Result<Vec<TurnId>, Error> {
        let sql = "SELECT turn FROM turns WHERE ended_at IS NULL AND user = ?";
        let id = |row: &Row<'_>| row.get::<_, Text<TurnId>>(0).map(|id| id.0);
        self.db.read(move |tx| tx.all(sql, [Text(user)], id)).await
    }
}

fn standing(row: &Row<'_>) -> rusqlite::Result<(ZakiUserId, Standing)> {
    let until: Option<i64> = row.get(1)?;
    let until = until.map(Timestamp::from_ms);
    let standing = until.map_or(Standing::Erasing, |until| Standing::Retired { until });
    Ok((row.get::<_, Text<ZakiUserId>>(0)?.0, standing))
}
