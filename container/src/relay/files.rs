//! The part of a relay that takes along the files of an answer: the gateway tells only its words.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use zaki_envelope::{LARGEST_MEDIUM, wire::TurnEventKind};

use super::Relay;
use crate::{
    gateway::{
        Connection,
        protocol::{File, History},
    },
    media::{Media, plain_name},
    recovery::turn_of,
};

/// Rows of the transcript in which an answer's files stand.
const ROWS: usize = 8;
/// As many go with one answer.
const MOST: usize = 10;
/// How long an answer waits for its files.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer to `artifacts.download`.
#[derive(Deserialize)]
struct Download {
    /// On the gateway, with a ticket of its own.
    url: Option<String>,
    /// Or the bytes themselves, in Base64.
    data: Option<String>,
}

impl Relay {
    /// Tells of every file of the answer, once its bytes are there to be fetched. What goes wrong
    /// holds up no answer.
    pub(super) async fn bring_files(&self, connection: &Connection, end: &TurnEventKind) {
        let Some(media) = &self.media else { return };
        if !matches!(end, TurnEventKind::Final { aborted: false, .. }) {
            return;
        }
        if timeout(PATIENCE, self.bring(connection, media)).await.is_err() {
            tracing::warn!(turn = %self.turn.id, "the files of an answer take too long");
        }
    }

    async fn bring(&self, connection: &Connection, media: &Media) {
        let Ok(history) = self.history(connection, ROWS).await else { return };
        let files = self.files(&history);
        for file in files.into_iter().take(MOST) {
            let brought =
                self.fetch(connection, &file).await.map(|bytes| (media.keep(&bytes), bytes));
            let (Some((Ok(hash), bytes)), name) = (brought, plain_name(file.name())) else {
                tracing::warn!(turn = %self.turn.id, "a file of an answer cannot be had");
                continue;
            };
            let (sha256, size) = (hash.to_string(), Some(bytes.len() as u64));
            if !self.turn.has_made(&sha256) {
                let mime = file.mime();
                self.turn.emit(TurnEventKind::Media { sha256, mime, name, size }).await;
            }
        }
    }

    /// Those of the runs of this turn.
    fn files(&self, history: &History) -> Vec<File> {
        let is_ours =
            |run: &str| turn_of(run) == Some(self.turn.id) || self.progress.run() == Some(run);
        let rows = history.messages.iter().filter(|row| row.run().is_some_and(is_ours));
        rows.flat_map(|row| row.content.files()).collect()
    }

    async fn fetch(&self, connection: &Connection, file: &File) -> Option<Vec<u8>> {
        let params = json!({"sessionKey": self.request.session, "artifactId": file.artifact()});
        let Download { url, data } = connection.call("artifacts.download", &params).await.ok()?;
        if let Some(data) = data {
            return STANDARD.decode(data).ok();
        }
        // A path on the gateway and nowhere else.
        let url = url.filter(|url| url.starts_with('/') && !url.starts_with("//"))?;
        let url = format!("http://127.0.0.1:{}{url}", self.link.port()?);
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let mut answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.ok()? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > LARGEST_MEDIUM {
                return None;
            }
        }
        Some(bytes)
    }
}
