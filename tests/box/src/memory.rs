//! What it remembers: it goes into backups and comes out of restores.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use zaki_envelope::wire::proactive::{Proactive, WAIT, Waiting};
use zaki_envelope::wire::{BACKUP_HEADER, BackupSummary, Reminders};
use zaki_envelope::{ProactiveId, Timestamp};

use crate::{Box, LOOK_AGAIN};

/// What a backup holds.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    lineage: String,
    pub(crate) texts: Vec<String>,
    /// What it is to say by itself, until it is taken, and when.
    later: Vec<Later>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Later {
    due: Timestamp,
    message: Proactive,
}

impl Memory {
    /// From now on it is to say that after so long.
    pub(crate) fn plan(&mut self, wait: Duration, message: Proactive) {
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let due = now().plus_ms(wait);
        self.later.push(Later { due, message });
    }

    fn next(&self) -> Reminders {
        Reminders { next: self.later.iter().map(|later| later.due).min() }
    }

    fn due(&self) -> Vec<Proactive> {
        let now = now();
        let due = self.later.iter().filter(|later| later.due <= now);
        due.map(|later| later.message.clone()).collect()
    }
}

/// This moment.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

pub(crate) async fn suspend(State(app): State<Box>) -> Response {
    if app.running() > 0 {
        return StatusCode::CONFLICT.into_response();
    }
    Json(app.inside().memory.next()).into_response()
}

pub(crate) async fn reminders(State(app): State<Box>) -> Json<Reminders> {
    Json(app.inside().memory.next())
}

/// What it has to say by now; waits a while for it.
pub(crate) async fn proactive(State(app): State<Box>) -> Json<Waiting> {
    let found = async {
        loop {
            let messages = app.inside().memory.due();
            if !messages.is_empty() {
                return messages;
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    let messages = tokio::time::timeout(WAIT, found).await.unwrap_or_default();
    Json(Waiting { messages })
}

pub(crate) async fn take(State(app): State<Box>, Path(id): Path<ProactiveId>) -> StatusCode {
    app.inside().memory.later.retain(|later| later.message.id != id);
    StatusCode::NO_CONTENT
}

pub(crate) async fn backup(State(app): State<Box>) -> Result<Response, StatusCode> {
    if app.running() > 0 {
        return Err(StatusCode::CONFLICT);
    }
    let memory = app.inside().memory.clone();
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let archive = serde_json::to_vec(&memory).map_err(failed)?;
    let summary = BackupSummary {
        lineage: memory.lineage,
        root: "/data".to_owned(),
        agent: Some(zaki_echo::agent()),
        files: 1,
        bytes: archive.len() as u64,
        databases: 1,
    };
    let summary = serde_json::to_string(&summary).map_err(failed)?;
    let mut headers = HeaderMap::new();
    let summary = summary.parse().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    headers.insert(BACKUP_HEADER, summary);
    Ok((headers, archive).into_response())
}

pub(crate) async fn restore(State(app): State<Box>, archive: Bytes) -> StatusCode {
    let Ok(memory) = serde_json::from_slice::<Memory>(&archive) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    if memory.texts.iter().any(|text| text.contains("NEWER")) {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let mut inside = app.inside();
    (inside.memory, inside.open) = (memory, true);
    StatusCode::NO_CONTENT
}

#[derive(Default, Deserialize)]
pub(crate) struct Begin {
    #[serde(default)]
    refused: Option<String>,
}

pub(crate) async fn begin(State(app): State<Box>, Json(said): Json<Begin>) -> StatusCode {
    let mut inside = app.inside();
    if !inside.open && said.refused.is_none() {
        // As good as drawn: no two sandboxes have one token.
        inside.memory.lineage = app.token.chars().take(16).collect();
        inside.open = true;
    }
    StatusCode::NO_CONTENT
}
