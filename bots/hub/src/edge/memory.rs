//! What operators ask the edge about the memories of sandboxes.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zaki_envelope::{
    BackupId, ZakiUserId,
    wire::{BackupOutcome, RestoreRequest, SandboxReport},
};

use super::{Answer, EdgeClient, EdgeError, json};

/// An edge at work says something at least that often.
const SILENCE: Duration = Duration::from_mins(1);

impl EdgeClient {
    /// Every sandbox there is.
    pub(crate) async fn sandboxes(&self) -> Result<Vec<SandboxReport>, EdgeError> {
        read(self.call("GET", "/v1/sandboxes", Vec::new()).await?).await
    }

    /// A person's own sandbox, with its backups.
    pub(crate) async fn sandbox(&self, user: ZakiUserId) -> Result<SandboxReport, EdgeError> {
        read(self.call("GET", &format!("/v1/users/{user}/sandbox"), Vec::new()).await?).await
    }

    /// Backs it up now; may take as long as it takes to wake it. [`EdgeError::Gone`]: its person is
    /// retired or being erased.
    pub(crate) async fn back_up(&self, user: ZakiUserId) -> Result<BackupOutcome, EdgeError> {
        read(self.call("POST", &format!("/v1/users/{user}/backup"), Vec::new()).await?).await
    }

    /// One of its backups as it arrives: a tar in zstd, in clear. Breaks off unless it is whole.
    /// [`EdgeError::Unknown`]: there is none of that name.
    pub(crate) async fn archive(
        &self,
        user: ZakiUserId,
        id: BackupId,
    ) -> Result<BoxStream<'static, Result<Bytes, EdgeError>>, EdgeError> {
        let path = format!("/v1/users/{user}/backups/{id}");
        let bytes = self.call("GET", &path, Vec::new()).await?.bytes;
        Ok(futures::stream::unfold(bytes, |mut bytes| async {
            match timeout(SILENCE, bytes.next()).await {
                Ok(piece) => Some((piece?, bytes)),
                // Whatever TCP thinks of the connection.
                Err(silent) => Some((Err(EdgeError::lost(silent)), bytes)),
            }
        })
        .boxed())
    }

    /// Gives it the memory of a backup.
    pub(crate) async fn bring_back(
        &self,
        user: ZakiUserId,
        request: RestoreRequest,
    ) -> Result<BackupOutcome, EdgeError> {
        let path = format!("/v1/users/{user}/restore");
        read(self.call("POST", &path, json(&request)?).await?).await
    }
}

pub(super) async fn read<T: DeserializeOwned>(mut answer: Answer) -> Result<T, EdgeError> {
    let mut body = Vec::new();
    while let Some(bytes) = timeout(SILENCE, answer.bytes.next()).await.map_err(EdgeError::lost)? {
        body.extend_from_slice(&bytes?);
    }
    serde_json::from_slice(&body).map_err(EdgeError::lost)
}
