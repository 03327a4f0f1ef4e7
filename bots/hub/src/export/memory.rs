//! What a sandbox has written down, for the person it belongs to.

use std::{io::Write, time::Duration};

use futures::StreamExt;
use tokio::time::timeout;
use zaki_envelope::{
    ZakiUserId,
    wire::{Backup, SandboxReport},
};
use zaki_words::{Archive, Say, Voice};
use zip::{CompressionMethod, write::SimpleFileOptions};

use super::{ExportError, Packer};
use crate::edge::{EdgeClient, EdgeError};

/// How long a download waits for a backup that is newer than the newest, before it takes that: what
/// stands between may break off a connection that is silent for a minute.
const PATIENCE: Duration = Duration::from_secs(45);

impl Packer {
    /// The newest backup of somebody's own sandbox, and how all of them stand. Of what cannot be read
    /// the archive says so.
    pub(super) async fn pack_memory(
        &mut self,
        edge: Option<&EdgeClient>,
        user: ZakiUserId,
        place: &str,
        voice: Voice,
    ) -> Result<(), ExportError> {
        let found = match edge {
            Some(edge) => newest(edge, user).await.map(|(report, backup)| (edge, report, backup)),
            None => Err(EdgeError::Lost("no edge can be reached from here".into())),
        };
        let (edge, report, backup) = match found {
            Ok(found) => found,
            // It has nothing of somebody who is erased.
            Err(EdgeError::Gone) => return Ok(()),
            Err(error) => {
                tracing::warn!(%user, %error, "an archive is without what the sandbox has");
                self.begin(&format!("{place}/MISSING.txt"))?;
                writeln!(self.zip, "{}", Archive::Missing.say(voice))?;
                return self.send().await;
            }
        };
        self.begin(&format!("{place}/backups.json"))?;
        serde_json::to_writer_pretty(&mut self.zip, &report)?;
        self.send().await?;
        match backup {
            Some(backup) => self.pack_backup(edge, user, &backup, place).await,
            None => Ok(()),
        }
    }

    async fn pack_backup(
        &mut self,
        edge: &EdgeClient,
        user: ZakiUserId,
        backup: &Backup,
        place: &str,
    ) -> Result<(), ExportError> {
        let mut pieces = edge.archive(user, backup.id).await?;
        // It is compressed, and may be large.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        self.zip.start_file(format!("{place}/{}.tar.zst", backup.id), options)?;
        while let Some(piece) = pieces.next().await {
            self.zip.write_all(&piece?)?;
            self.send().await?;
        }
        Ok(())
    }
}

/// How a person's sandbox stands, and its newest backup: one that is made now, if there is anything
/// that no backup has.
async fn newest(
    edge: &EdgeClient,
    user: ZakiUserId,
) -> Result<(SandboxReport, Option<Backup>), EdgeError> {
    let mut report = edge.sandbox(user).await?;
    if report.backup.changed_since.is_some() {
        match timeout(PATIENCE, edge.back_up(user)).await {
            Ok(Ok(outcome)) => tracing::debug!(%user, ?outcome, "backed up for an archive"),
            Ok(Err(error)) => tracing::info!(%user, %error, "an archive has an older backup"),
            Err(_) => tracing::info!(%user, "an archive has an older backup: a new one takes long"),
        }
        report = edge.sandbox(user).await?;
    }
    // Without a list, nobody knows what there is.
    let Some(backups) = &report.backups else {
        return Err(EdgeError::Lost("the store of the backups does not answer".into()));
    };
    let newest = backups.iter().max_by_key(|backup| backup.id).cloned();
    Ok((report, newest))
}
