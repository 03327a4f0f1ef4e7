//! How the memory of each sandbox stands: what was backed up and restored, and what went wrong.

use rusqlite::{Row, params};
use zaki_envelope::{SandboxName, wire::BackupState};
use zaki_store::{Error, Json, Text};

use super::State;

impl State {
    /// All of which something is known.
    pub(crate) async fn backups(&self) -> Result<Vec<(SandboxName, BackupState)>, Error> {
        let sql = "SELECT sandbox, record FROM backups";
        self.db.read(move |tx| tx.all(sql, [], row)).await
    }

    /// Remembers how one stands; of somebody who was erased, nothing.
    pub(crate) async fn save_backup(
        &self,
        name: SandboxName,
        record: BackupState,
    ) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO backups SELECT ?1, ?2
            WHERE EXISTS (SELECT 1 FROM sandboxes WHERE name = ?1)";
        self.db.write(move |tx| tx.execute(sql, params![Text(name), Json(record)]).map(drop)).await
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<(SandboxName, BackupState)> {
    let record = row.get::<_, Json<BackupState>>(1)?;
    Ok((row.get::<_, Text<SandboxName>>(0)?.0, record.0))
}
