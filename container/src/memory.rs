//! The memory of this sandbox over HTTP: an archive out, an archive in, or the word that there is
//! none and it may begin anew.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::io::{StreamReader, SyncIoBridge};
use zaki_envelope::wire::{AgentInfo, BACKUP_HEADER};

use crate::{
    api::{App, refuse},
    backup::{Broken, Copy, CopyError, Manifest, Pieces, is_database},
    gate::Door,
    gateway,
    layout::Layout,
    rest::{Holder, RestError},
    restore,
};

/// How long a gateway that has just ended a turn may take to have nothing to do. Measured: its last
/// writes are done some hundred milliseconds after the final.
const SETTLING: Duration = Duration::from_secs(3);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Whether there is a state to run on: OpenClaw's main database.
pub(crate) fn is_there(layout: &Layout) -> bool {
    is_database(&layout.openclaw().join("state/openclaw.sqlite")).unwrap_or(false)
}

/// An archive, with what is in it as a header.
pub(crate) async fn backup(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    // Whoever asked may be gone: what has begun is finished, so that the agent works again.
    let packed = tokio::spawn(async move { pack(&app).await });
    let (manifest, pieces) = packed.await.map_err(io::Error::other)??;
    let summary = serde_json::to_string(&manifest.summary()).map_err(io::Error::from)?;
    let summary = HeaderValue::try_from(summary).map_err(io::Error::other)?;
    let pieces = stream::unfold(pieces, |mut read| async { Some((read.recv().await?, read)) });
    let mut response = Body::from_stream(pieces).into_response();
    response.headers_mut().insert(BACKUP_HEADER, summary);
    Ok(response)
}

/// Takes the archive for its state, if all of it is there.
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    // Whoever sends it may go away: the gateway must not stay away with them.
    let taken = tokio::spawn(async move { take(&app, request).await });
    taken.await.map_err(io::Error::other)??;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(app: &App, request: Request) -> Result<(), Refusal> {
    let lost = |error| io::Error::new(io::ErrorKind::ConnectionAborted, error);
    let bytes = request.into_body().into_data_stream().map(move |piece| piece.map_err(lost));
    let mut archive = SyncIoBridge::new(StreamReader::new(bytes));
    let (occupied, layout) = (app.gate.occupy(), app.layout.clone());
    let is_ours = occupied.is_some();
    let summary = blocking(move || {
        let staged = is_ours.then(|| restore::stage(&layout, &mut archive));
        // Whoever sends does not hear the answer before all is taken: their line would break.
        let _ = io::copy(&mut archive, &mut io::sink());
        staged
    });
    let summary = summary.await?.ok_or(Refusal::Busy)??;
    exchange(app).await?;
    tracing::info!(files = summary.files, bytes = summary.bytes, "memory.restored");
    Ok(())
}

/// What a sandbox without a state is told.
#[derive(Default, Deserialize)]
pub(crate) struct Begin {
    /// It must not begin: its state is elsewhere, and cannot be had for this reason.
    #[serde(default)]
    refused: Option<String>,
}

/// There is no state to wait for.
pub(crate) async fn begin(State(app): State<Arc<App>>, said: Json<Begin>) -> StatusCode {
    if app.gate.door() == Door::Empty {
        app.gate.set(said.0.refused.map_or(Door::Open, Door::Refused));
    }
    StatusCode::NO_CONTENT
}

/// A copy while the agent rests, then its archive while it works.
async fn pack(app: &App) -> Result<(Manifest, Pieces), Refusal> {
    let occupied = app.gate.occupy().ok_or(Refusal::Busy)?;
    let began = Instant::now();
    let (mut copy, agent) = copy(app).await?;
    let (copied, layout) = (began.elapsed(), app.layout.clone());
    let (copy, manifest) = blocking(move || {
        let manifest = copy.describe(&layout, agent)?;
        Ok::<_, CopyError>((copy, manifest))
    })
    .await??;
    let (copied, described) = (copied.as_millis(), began.elapsed().as_millis());
    tracing::info!(copied, described, files = manifest.files.len(), "memory.copied");
    let pieces = copy.pack(manifest.clone(), occupied);
    Ok((manifest, pieces))
}

/// The agent rests for the copy, and on if the edge wants it to.
async fn copy(app: &App) -> Result<(Copy, Option<AgentInfo>), Refusal> {
    let gateway::State::Ready(connection) = app.link.state() else {
        return Err(Refusal::NotReady);
    };
    settle(app).await?;
    let layout = app.layout.clone();
    let copied = blocking(move || Copy::make(&layout)).await;
    if let Err(error) = app.rest.resume(Holder::Copy).await {
        // It resumes by itself within two minutes.
        tracing::error!(%error, "memory.not_resumed");
    }
    Ok((copied??, Some(connection.agent())))
}

/// Has the agent rest, once it has done what it does after a turn.
async fn settle(app: &App) -> Result<(), Refusal> {
    let patience = Instant::now() + SETTLING;
    loop {
        match app.rest.suspend(Holder::Copy).await {
            Ok(_) => return Ok(()),
            Err(RestError::Busy) if Instant::now() < patience => sleep(ASK_AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Puts what was staged in the place of the state. A gateway that runs is ended before, and one
/// is started after.
async fn exchange(app: &App) -> Result<(), Refusal> {
    if app.turns.running().iter().any(|turn| turn.has_started()) {
        return Err(Refusal::Busy);
    }
    let vacant = app.gate.vacate().await;
    let layout = app.layout.clone();
    let exchanged = blocking(move || restore::commit(&layout)).await;
    app.choices.reload();
    app.reminders.reload();
    app.gate.set(Door::Open);
    drop(vacant);
    Ok(exchanged??)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// Why there is no archive, or why one is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the agent has something to do, or its memory is being worked on")]
    Busy,
    #[error("the agent is not ready")]
    NotReady,
    #[error(transparent)]
    Rest(#[from] RestError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the sandbox's disk cannot be used: {0}")]
    Disk(#[from] io::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Busy | Self::Rest(RestError::Busy) => StatusCode::CONFLICT,
            Self::NotReady | Self::Rest(_) => StatusCode::SERVICE_UNAVAILABLE,
            // What did not come is no word of the archive.
            Self::Broken(Broken::Unreadable(why))
                if why.kind() == io::ErrorKind::ConnectionAborted =>
            {
                StatusCode::BAD_REQUEST
            }
            Self::Broken(Broken::Unreadable(_) | Broken::Wrong(_)) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Copy(_) | Self::Broken(Broken::Disk(_)) | Self::Disk(_) => {
                tracing::error!(error = %self, "the memory cannot be worked on");
                StatusCode::INSUFFICIENT_STORAGE
            }
        };
        refuse(status, &self)
    }
}
