//! What agents have said without being asked, until a hub has it; then, for a while, that it has.

use rusqlite::{Row, params};
use zaki_envelope::{ProactiveId, SandboxName, Timestamp, ZakiUserId, wire::proactive::Proactive};
use zaki_store::{Error, Json, Text};

use super::State;

/// How long it is known that a hub has a message, in milliseconds: a sandbox that was restored may
/// hand it over again.
const KNOWN_MS: i64 = 30 * 86_400_000;

/// A message that waits.
pub(crate) struct Spoken {
    pub(crate) sandbox: SandboxName,
    pub(crate) message: Proactive,
    pub(crate) kept_at: Timestamp,
}

impl State {
    /// Keeps a message; one that is known is not kept twice.
    pub(crate) async fn keep_proactive(
        &self,
        sandbox: SandboxName,
        message: Proactive,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO proactive (id, sandbox, message, kept_at, due_at)
            VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING";
        let id = message.id;
        self.db
            .write(move |tx| {
                let row = params![Text(id), Text(sandbox), Json(message), now.as_ms()];
                tx.execute(sql, row).map(drop)
            })
            .await
    }

    /// Those whose time has come, the oldest first, and when the next one's will.
    pub(crate) async fn due_proactive(
        &self,
        now: Timestamp,
        most: u32,
    ) -> Result<(Vec<Spoken>, Option<Timestamp>), Error> {
        let due = "SELECT sandbox, message, kept_at FROM proactive
            WHERE message IS NOT NULL AND due_at <= ? ORDER BY kept_at, id LIMIT ?";
        let next = "SELECT min(due_at) FROM proactive WHERE message IS NOT NULL AND due_at > ?";
        self.db
            .read(move |tx| {
                let due = tx.all(due, params![now.as_ms(), most], spoken)?;
                let next = tx.one(next, [now.as_ms()], |row| row.get::<_, Option<i64>>(0))?;
                Ok((due, next.flatten().map(Timestamp::from_ms)))
            })
            .await
    }

    /// A hub has it, or nobody is to have it.
    pub(crate) async fn end_proactive(&self, id: ProactiveId) -> Result<(), Error> {
        let sql = "UPDATE proactive SET message = NULL WHERE id = ?";
        self.db.write(move |tx| tx.execute(sql, [Text(id)]).map(drop)).await
    }

    /// Not before then.
    pub(crate) async fn postpone_proactive(
        &self,
        id: ProactiveId,
        due: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE proactive SET due_at = ? WHERE id = ?";
        self.db.write(move |tx| tx.execute(sql, params![due.as_ms(), Text(id)]).map(drop)).await
    }

    /// Whatever waits for `user` may go now; whether anything does.
    pub(crate) async fn hasten_proactive(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "UPDATE proactive SET due_at = ?2
            WHERE message IS NOT NULL AND due_at > ?2 AND substr(sandbox, -26) = ?1";
        let row = move |tx: &zaki_store::Tx<'_>| tx.execute(sql, params![Text(user), now.as_ms()]);
        Ok(self.db.write(row).await? > 0)
    }

    /// Drops what need not be known any more.
    pub(crate) async fn forget_proactive(&self, now: Timestamp) -> Result<(), Error> {
        let sql = "DELETE FROM proactive WHERE message IS NULL AND kept_at <= ?";
        let until = now.plus_ms(-KNOWN_MS).as_ms();
        self.db.write(move |tx| tx.execute(sql, [until]).map(drop)).await
    }
}

fn spoken(row: &Row<'_>) -> rusqlite::Result<Spoken> {
    Ok(Spoken {
        sandbox: row.get::<_, Text<SandboxName>>(0)?.0,
        message: row.get::<_, Json<Proactive>>(1)?.0,
        kept_at: Timestamp::from_ms(row.get(2)?),
    })
}
