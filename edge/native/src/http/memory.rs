//! What operators ask about sandboxes' memories.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Serialize;
use tokio::time::timeout;
use zaki_edge_core::{front::Refusal, http::Answer};
use zaki_envelope::{
    BackupId, SandboxName,
    wire::{BackupOutcome, RestoreRequest, SIGN_OF_LIFE, SandboxReport},
};

use crate::edge::Running;

pub(super) async fn list(edge: &Running) -> Result<Answer, Refusal> {
    let rows = edge.shared.state.sandboxes().await.map_err(|error| {
        tracing::error!(%error, "sandboxes.unreadable");
        Refusal::Unavailable
    })?;
    let mut reports: Vec<SandboxReport> = Vec::with_capacity(rows.len());
    for row in rows {
        reports.push(edge.report(&row.name, false).await);
    }
    Ok(Answer::json(&reports))
}

pub(super) async fn back_up(edge: &Arc<Running>, name: SandboxName) -> Result<Response, Refusal> {
    may_wake(edge, &name).await?;
    let edge = edge.clone();
    Ok(slowly(async move { edge.back_up(name).await }, lost))
}

pub(super) async fn bring_back(
    edge: &Arc<Running>,
    name: SandboxName,
    request: RestoreRequest,
) -> Result<Response, Refusal> {
    may_wake(edge, &name).await?;
    let edge = edge.clone();
    Ok(slowly(async move { edge.bring_back(name, request).await }, lost))
}

/// Breaks off unless it is whole.
pub(super) async fn archive(
    edge: &Running,
    name: &SandboxName,
    id: BackupId,
) -> Result<Response, Refusal> {
    match edge.shared.backups.archive(name, id).await {
        Ok(Some(pieces)) => {
            let headers =
                [(header::CONTENT_TYPE, "application/zstd"), (header::CACHE_CONTROL, "no-store")];
            Ok((headers, Body::from_stream(pieces)).into_response())
        }
        Ok(None) => Err(Refusal::NotFound),
        Err(error) => {
            tracing::error!(sandbox = %name, %error, "backup.unreadable");
            Err(Refusal::Unavailable)
        }
    }
}

/// What is retired or erased stays as it is.
async fn may_wake(edge: &Running, name: &SandboxName) -> Result<(), Refusal> {
    match edge.shared.people.hold(name.user()).await.standing.refusal() {
        Some(_) => Err(Refusal::Gone),
        None => Ok(()),
    }
}

/// An answer that begins now and may take minutes: line ends keep it alive. `lost`: what it is when
/// the edge goes down meanwhile.
pub(super) fn slowly<T: Serialize + Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    lost: fn(String) -> T,
) -> Response {
    let work = tokio::spawn(work);
    let chunks = stream::unfold(Some(work), move |work| async move {
        let mut work = work?;
        let Ok(ended) = timeout(SIGN_OF_LIFE, &mut work).await else {
            return Some((Ok::<_, Infallible>(Bytes::from_static(b"\n")), Some(work)));
        };
        let ended = ended.unwrap_or_else(|_| lost("the edge goes down".to_owned()));
        Some((Ok(serde_json::to_vec(&ended).unwrap_or_default().into()), None))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(chunks)).into_response()
}

fn lost(why: String) -> BackupOutcome {
    BackupOutcome::Failed { why }
}
