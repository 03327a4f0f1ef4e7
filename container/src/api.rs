//! What the edge asks over HTTP. Every request carries the sandbox's token.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures::{StreamExt, stream};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use zaki_envelope::{
    LARGEST_MEDIUM, TurnId,
    wire::{
        ApprovalAnswer, Reminders, SIGN_OF_LIFE, SteerRequest, TurnRequest, encode_sse,
        proactive::{WAIT, Waiting},
    },
};

use crate::{
    choices::Choices,
    gate::Gate,
    gateway::{
        Link,
        approval::{self, Untaken},
    },
    layout::Layout,
    media::{self, Media},
    memory, operator,
    relay::Relay,
    reminders::Reminders as Plans,
    rest::{Holder, Rest, RestError},
    settings::Settings,
    status,
    turn::{Accepted, Turn, Turns},
};

/// Everything a request needs.
pub(crate) struct App {
    pub(crate) token: SecretString,
    pub(crate) link: Arc<Link>,
    pub(crate) turns: Turns,
    pub(crate) choices: Arc<Choices>,
    pub(crate) reminders: Arc<Plans>,
    pub(crate) rest: Rest,
    pub(crate) layout: Layout,
    pub(crate) settings: Settings,
    pub(crate) gate: Arc<Gate>,
    /// From then on nothing new is accepted.
    pub(crate) stopping: CancellationToken,
}

impl App {
    /// Runs a turn in the background; nobody has to listen.
    pub(crate) fn start(&self, turn: Arc<Turn>, request: TurnRequest, resumed: bool) {
        let (link, choices) = (Arc::clone(&self.link), Arc::clone(&self.choices));
        let relay = Relay::new(link, choices, Arc::clone(&self.reminders), turn, request)
            .with(Media::new(self.layout.media()));
        tokio::spawn(relay.run(resumed));
    }

    /// Takes nothing new, and aborts what runs.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.stopping.cancel();
        let running = || {
            let turns = self.turns.running().into_iter();
            turns.filter(|turn| turn.has_started())
        };
        running().for_each(|turn| turn.abort.cancel());
        let ended = async {
            while running().next().is_some() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(grace, ended).await.is_err() {
            tracing::warn!("some turns did not end in time; the next start takes them up");
        }
    }
}

/// The routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/health", get(status::health))
        .route("/v1/turns", post(run))
        .route("/v1/turns/{turn}", get(resume))
        .route("/v1/turns/{turn}/steer", post(steer))
        .route("/v1/turns/{turn}/abort", post(abort))
        .route("/v1/turns/{turn}/ack", post(acknowledge))
        .route("/v1/approvals/{approval}", post(approve))
        .route("/v1/suspend", post(suspend))
        .route("/v1/resume", post(resume_agent))
        .route("/v1/reminders", get(reminders))
        .route("/v1/proactive", get(proactive))
        .route("/v1/proactive/{id}/ack", post(take))
        .route("/v1/media/{hash}", get(media::get).put(media::put).layer(limit()))
        .route("/v1/backup", post(memory::backup))
        .route("/v1/restore", put(memory::restore))
        .route("/v1/begin", post(memory::begin))
        .route("/v1/exec", post(operator::exec))
        .route("/v1/logs", get(operator::logs))
        .route("/v1/config", get(operator::config).patch(operator::patch))
        .layer(from_fn_with_state(Arc::clone(&app), authenticate))
        .with_state(app)
}

/// A medium is longer than all else that is read whole.
fn limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(usize::try_from(LARGEST_MEDIUM).unwrap_or(usize::MAX))
}

async fn authenticate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if is_authentic(request.headers(), &app.token) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

fn is_authentic(headers: &HeaderMap, token: &SecretString) -> bool {
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    shown.is_some_and(|shown| shown.ct_eq(token.expose_secret().as_bytes()).into())
}

async fn run(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, Refusal> {
    // The parser's own words may quote the message.
    let request: TurnRequest = serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)?;
    if let Some(turn) = app.turns.get(request.turn) {
        return Ok(events(turn, 0));
    }
    if app.stopping.is_cancelled() {
        return Err(Refusal::Stopping);
    }
    let accepted = app.turns.accept(&request).map_err(|error| Refusal::journal(&error))?;
    Ok(events(
        match accepted {
            Accepted::Known(turn) => turn,
            Accepted::New(turn) => {
                app.start(Arc::clone(&turn), request, false);
                turn
            }
        },
        0,
    ))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn resume(
    State(app): State<Arc<App>>,
    Path(turn): Path<String>,
    Query(After { after }): Query<After>,
) -> Result<Response, Refusal> {
    Ok(events(find(&app, &turn)?, after))
}

async fn steer(
    State(app): State<Arc<App>>,
    Path(turn): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let turn = find(&app, &turn)?;
    let request: SteerRequest = serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)?;
    match turn.steer(&request).await {
        Ok(true) => Ok(StatusCode::ACCEPTED),
        Ok(false) => Err(Refusal::Ended),
        Err(error) => Err(Refusal::journal(&error)),
    }
}

async fn abort(
    State(app): State<Arc<App>>,
    Path(turn): Path<String>,
) -> Result<StatusCode, Refusal> {
    find(&app, &turn)?.abort.cancel();
    Ok(StatusCode::ACCEPTED)
}

/// Hands the person's answer to the gateway.
async fn approve(
    State(app): State<Arc<App>>,
    Path(approval): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let ApprovalAnswer { decision } =
        serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)?;
    // The gateway would take the beginning of an id, too.
    if !app.turns.running().iter().any(|turn| turn.has_asked(&approval)) {
        return Err(Refusal::Unasked);
    }
    approval::resolve(&app.link, &approval, decision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The agent rests until it is resumed, or for two minutes; 409: it has something to do.
async fn suspend(State(app): State<Arc<App>>) -> Result<Json<Reminders>, Refusal> {
    if !app.turns.running().is_empty() || !app.reminders.is_settled() {
        return Err(Refusal::Busy);
    }
    let reminders = app.rest.suspend(Holder::Edge).await?;
    if !app.reminders.is_settled() {
        // Something was said in the very moment, and would be told only when it is up again.
        app.rest.resume(Holder::Edge).await?;
        return Err(Refusal::Busy);
    }
    Ok(Json(reminders))
}

async fn resume_agent(State(app): State<Arc<App>>) -> Result<StatusCode, Refusal> {
    app.rest.resume(Holder::Edge).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reminders(State(app): State<Arc<App>>) -> Result<Json<Reminders>, Refusal> {
    Ok(Json(app.rest.reminders().await?))
}

/// What the agent has said without being asked; waits for it a while.
async fn proactive(State(app): State<Arc<App>>) -> Json<Waiting> {
    Json(Waiting { messages: app.reminders.outbox.next(WAIT).await })
}

/// The edge has it.
async fn take(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let id = id.parse().map_err(|_| Refusal::Malformed)?;
    app.reminders.outbox.acknowledge(id).map_err(|error| Refusal::journal(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Seen {
    seq: u64,
}

async fn acknowledge(
    State(app): State<Arc<App>>,
    Path(turn): Path<String>,
    Query(Seen { seq }): Query<Seen>,
) -> Result<StatusCode, Refusal> {
    let turn = find(&app, &turn)?;
    app.turns.acknowledge(&turn, seq).map_err(|error| Refusal::journal(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn find(app: &App, turn: &str) -> Result<Arc<Turn>, Refusal> {
    let turn: Option<TurnId> = turn.parse().ok();
    turn.and_then(|turn| app.turns.get(turn)).ok_or(Refusal::Unknown)
}

/// The turn's events after `seq`, as they happen.
fn events(turn: Arc<Turn>, seq: u64) -> Response {
    let events = Box::pin(turn.events_after(seq));
    let chunks = stream::unfold(events, |mut events| async move {
        let chunk = match timeout(SIGN_OF_LIFE, events.next()).await {
            Ok(event) => encode_sse(&event?).ok()?,
            Err(_) => ": keep-alive\n\n".to_owned(),
        };
        Some((Ok::<_, Infallible>(chunk), events))
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(chunks)).into_response()
}

/// Why a request is not carried out.
enum Refusal {
    Malformed,
    Unknown,
    Unasked,
    Ended,
    Decided,
    Busy,
    NotReady,
    Stopping,
    Journal,
}

impl From<RestError> for Refusal {
    fn from(error: RestError) -> Self {
        match error {
            RestError::Busy => Self::Busy,
            RestError::Unready => Self::NotReady,
        }
    }
}

impl From<Untaken> for Refusal {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            Untaken::Unasked => Self::Unasked,
            Untaken::Decided => Self::Decided,
            Untaken::NotReady => Self::NotReady,
        }
    }
}

impl Refusal {
    fn journal(error: &io::Error) -> Self {
        tracing::error!(%error, "the journal cannot be written");
        Self::Journal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "the body is not what this call takes"),
            Self::Ended => (StatusCode::CONFLICT, "the turn takes nothing more"),
            Self::Decided => (StatusCode::CONFLICT, "this cannot be the answer"),
            Self::Busy => (StatusCode::CONFLICT, "the agent has something to do"),
            Self::Unknown => (StatusCode::NOT_FOUND, "no such turn"),
            Self::Unasked => (StatusCode::NOT_FOUND, "nobody asks that"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "the agent is not ready"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the sandbox stops"),
            Self::Journal => {
                (StatusCode::INSUFFICIENT_STORAGE, "the sandbox's disk cannot be written")
            }
        }
        .into_response()
    }
}

/// Why something is not done, in one sentence.
pub(crate) fn refuse(status: StatusCode, why: &impl ToString) -> Response {
    (status, Json(serde_json::json!({"error": why.to_string()}))).into_response()
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
