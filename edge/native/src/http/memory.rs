//! What operators ask about sandboxes' memories.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::time::timeout;
use zaki_edge_core::front::Refusal;
use zaki_envelope::{
    BackupId, SandboxKind, SandboxName, ZakiUserId,
    wire::{BackupOutcome, RestoreRequest, SIGN_OF_LIFE, SandboxReport},
};

use crate::edge::Running;

pub(super) async fn list(edge: &Running) -> Result<Response, Refusal> {
    let rows = edge.shared.state.sandboxes().await.map_err(|error| {
        tracing::error!(%error, "sandboxes.unreadable");
        Refusal::Unavailable
    })?;
    let mut reports: Vec<SandboxReport> = Vec::with_capacity(rows.len());
    for row in rows {
        reports.push(edge.shared.backups.report(&row.name, false).await);
    }
    Ok(Json(reports).into_response())
}

pub(super) async fn show(edge: &Running, user: ZakiUserId) -> Result<Response, Refusal> {
    Ok(Json(edge.shared.backups.report(&personal(user)?, true).await).into_response())
}

pub(super) async fn back_up(edge: &Arc<Running>, user: ZakiUserId) -> Result<Response, Refusal> {
    let name = may_wake(edge, user).await?;
    let edge = edge.clone();
    Ok(slowly(async move { edge.back_up(name).await }))
}

pub(super) async fn bring_back(
    edge: &Arc<Running>,
    user: ZakiUserId,
    request: RestoreRequest,
) -> Result<Response, Refusal> {
    let name = may_wake(edge, user).await?;
    let edge = edge.clone();
    Ok(slowly(async move { edge.bring_back(name, request).await }))
}

/// Breaks off unless it is whole.
pub(super) async fn archive(
    edge: &Running,
    user: ZakiUserId,
    id: BackupId,
) -> Result<Response, Refusal> {
    match edge.shared.backups.archive(&personal(user)?, id).await {
        Ok(Some(pieces)) => {
            let headers =
                [(header::CONTENT_TYPE, "application/zstd"), (header::CACHE_CONTROL, "no-store")];
            Ok((headers, Body::from_stream(pieces)).into_response())
        }
        Ok(None) => Err(Refusal::NotFound),
        Err(error) => {
            tracing::error!(%user, %error, "backup.unreadable");
            Err(Refusal::Unavailable)
        }
    }
}

fn personal(user: ZakiUserId) -> Result<SandboxName, Refusal> {
    let name = SandboxName::new(user, &SandboxKind::Personal);
    name.map_err(|_| Refusal::Malformed("the sandbox has no valid name"))
}

/// What is retired or erased stays as it is.
async fn may_wake(edge: &Running, user: ZakiUserId) -> Result<SandboxName, Refusal> {
    match edge.shared.people.hold(user).await.standing.refusal() {
        Some(_) => Err(Refusal::Gone),
        None => personal(user),
    }
}

/// An answer that begins now and may take minutes: line ends keep it alive.
fn slowly(work: impl Future<Output = BackupOutcome> + Send + 'static) -> Response {
    let work = tokio::spawn(work);
    let chunks = stream::unfold(Some(work), |work| async {
        let mut work = work?;
        let Ok(ended) = timeout(SIGN_OF_LIFE, &mut work).await else {
            return Some((Ok::<_, Infallible>(Bytes::from_static(b"\n")), Some(work)));
        };
        let lost = BackupOutcome::Failed { why: "the edge goes down".to_owned() };
        let text = serde_json::to_vec(&ended.unwrap_or(lost)).unwrap_or_default();
        Some((Ok(text.into()), None))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(chunks)).into_response()
}
