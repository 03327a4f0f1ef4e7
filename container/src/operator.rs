//! What an operator has done in here: a program run, the logs, the agent's configuration.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use zaki_envelope::wire::{AgentConfig, ExecOutput, ExecRequest, Logs};

use crate::{
    api::{App, refuse},
    config::{self, RenderError},
    exec,
    gate::Door,
    gateway::{self, State as Gateway},
    patch::{self, Kept},
};

/// As much of the end of a log is looked at, in bytes.
const TAIL: u64 = 256 * 1024;
/// A gateway that has a new configuration may take so long to say hello.
const HELLO: Duration = Duration::from_mins(4);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs a program, while nobody else works on what is in here.
pub(crate) async fn exec(
    State(app): State<Arc<App>>,
    body: Bytes,
) -> Result<Json<ExecOutput>, Refusal> {
    let request: ExecRequest = serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)?;
    let _occupied = app.gate.occupy().ok_or(Refusal::Busy)?;
    match exec::run(&app.layout, &request).await {
        Ok(output) => Ok(Json(output)),
        Err(error) => Err(Refusal::Untaken(format!("it cannot be run: {error}"))),
    }
}

#[derive(Deserialize)]
pub(crate) struct Lines {
    #[serde(default = "some_lines")]
    lines: usize,
}

const fn some_lines() -> usize {
    100
}

/// The last lines of what the gateway prints and logs.
pub(crate) async fn logs(
    State(app): State<Arc<App>>,
    Query(Lines { lines }): Query<Lines>,
) -> Json<Logs> {
    let files = [("gateway", "gateway.out"), ("gateway.log", "gateway.log")];
    let tails = files.into_iter().filter_map(|(name, file)| {
        let text = tail(&app.layout.logs().join(file), lines).ok()?;
        (!text.is_empty()).then(|| (name.to_owned(), text))
    });
    Json(Logs { logs: tails.collect() })
}

fn tail(path: &Path, lines: usize) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let skipped = text.lines().count().saturating_sub(lines);
    Ok(text.lines().skip(skipped).flat_map(|line| [line, "\n"]).collect())
}

/// What the agent is configured with.
pub(crate) async fn config(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    Ok(said(&current(&app)?))
}

fn current(app: &App) -> Result<AgentConfig, Refusal> {
    let patch = Kept::new(&app.layout).read();
    let text = config::of(&app.settings, &app.layout, &patch)?;
    let etag = patch::etag(&text);
    let config = serde_json::from_str(&text).map_err(RenderError::Json)?;
    Ok(AgentConfig { etag, patch, config, open: patch::OPEN.map(str::to_owned).into() })
}

fn said(config: &AgentConfig) -> Response {
    let mut response = Json(config).into_response();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", config.etag)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Changes it: checked by OpenClaw itself before anything is written, then taken by a gateway that
/// is started for it, and undone if that one does not say hello.
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let seen = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let seen = seen.ok_or(Refusal::Unseen)?.trim_matches('"').to_owned();
    let change: Value = serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)?;
    // Whoever asked may be gone: what has begun is finished, so that the agent works again.
    let changed = tokio::spawn(async move { change_to(&app, &seen, &change).await });
    Ok(said(&changed.await.map_err(io::Error::other)??))
}

async fn change_to(app: &App, seen: &str, change: &Value) -> Result<AgentConfig, Refusal> {
    let _occupied = app.gate.occupy().ok_or(Refusal::Busy)?;
    let now = current(app)?;
    if now.etag != seen {
        return Err(Refusal::Changed);
    }
    let next = patch::merge(now.patch.clone(), change);
    if let Some(path) = patch::stray(&next) {
        return Err(Refusal::Untaken(format!("{path} is the operator's")));
    }
    let text = config::of(&app.settings, &app.layout, &next)?;
    if next.to_string().len() > patch::MOST {
        return Err(Refusal::Untaken(format!("a patch has {} bytes at most", patch::MOST)));
    }
    if next == now.patch {
        return Ok(now);
    }
    let issues = gateway::validate(&app.settings, &app.layout, &text).await?;
    if !issues.is_empty() {
        return Err(Refusal::Untaken(issues.join("; ")));
    }
    if app.turns.running().iter().any(|turn| turn.has_started()) {
        return Err(Refusal::Busy);
    }
    Kept::new(&app.layout).propose(&next)?;
    restart(app).await?;
    let now = current(app)?;
    if now.patch == next {
        Ok(now)
    } else {
        Err(Refusal::Untaken("OpenClaw does not start with it: it is undone".to_owned()))
    }
}

/// Another gateway in place of the one that runs; returns when it takes turns.
async fn restart(app: &App) -> Result<(), Refusal> {
    let Door::Open = app.gate.door() else { return Err(Refusal::NotReady) };
    let before = app.link.gateway();
    drop(app.gate.vacate().await);
    app.gate.set(Door::Open);
    let up = async {
        loop {
            match app.link.state() {
                Gateway::Failed(_) => return Err(Refusal::NotReady),
                Gateway::Ready(_) if app.link.gateway() > before => return Ok(()),
                _ => sleep(LOOK_AGAIN).await,
            }
        }
    };
    timeout(HELLO, up).await.unwrap_or(Err(Refusal::NotReady))
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body is not what this call takes")]
    Malformed,
    #[error("the agent has something to do, or its memory is being worked on")]
    Busy,
    #[error("the agent is not ready")]
    NotReady,
    #[error("say which configuration was seen (If-Match)")]
    Unseen,
    #[error("the configuration is not the one that was seen")]
    Changed,
    #[error("{0}")]
    Untaken(String),
    #[error("the sandbox's disk cannot be used: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::CONFLICT,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::Unseen => StatusCode::PRECONDITION_REQUIRED,
            Self::Untaken(_) | Self::Render(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Disk(_) => StatusCode::INSUFFICIENT_STORAGE,
        };
        refuse(status, &self)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_last_lines_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert!(tail(&path, 2).is_err());
        fs::write(&path, "one\ntwo\nthree").unwrap();
        assert_eq!(tail(&path, 2).unwrap(), "two\nthree\n");
        assert_eq!(tail(&path, 9).unwrap(), "one\ntwo\nthree\n");
        fs::write(&path, "x\n".repeat(1_000_000)).unwrap();
        assert_eq!(tail(&path, usize::MAX).unwrap().len() as u64, TAIL);
    }
}
