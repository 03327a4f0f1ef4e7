//! A container that only echoes: the interface of `zaki-container` over HTTP, and behind it
//! [`zaki_echo`], neither an agent nor a model. For tests and measurements of an edge whose sandboxes
//! are containers.
//!
//! Its memory is the texts of the turns it has taken and what it is to say by itself, and goes into
//! backups and comes out of restores. `RECALL` answers with all those texts; `EXIT` ends the program
//! in the middle of the turn. A memory with `NEWER` in it is as of a newer release: no restore takes it.

mod memory;
mod turn;

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use zaki_echo::{Echo, Refused};
use zaki_envelope::wire::{
    ApprovalAnswer, GatewayState, SteerRequest, TurnEvent, TurnEventKind, TurnRequest, Usage,
};
use zaki_envelope::{MediaHash, TraceContext, TurnId, plain_text};

use memory::Memory;
use turn::Turn;

/// So long a question about a state that stays the same waits.
const LONGEST: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Inside {
    memory: Memory,
    turns: HashMap<TurnId, Arc<Turn>>,
    /// It has a state, or was told that there is none.
    open: bool,
}

#[derive(Clone)]
struct Box {
    token: Arc<str>,
    echo: Echo,
    inside: Arc<Mutex<Inside>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let listen = env::var("ZAKI_SANDBOX_LISTEN").unwrap_or_else(|_| "0.0.0.0:8787".to_owned());
    let token = env::var("ZAKI_SANDBOX_TOKEN").context("no ZAKI_SANDBOX_TOKEN")?;
    let held = env::var("ZAKI_SANDBOX_HOLD").is_ok_and(|held| held == "true");
    let inside = Inside { open: !held, ..Inside::default() };
    let app = Box { echo: echo_of(&token), token: token.into(), inside: Arc::new(inside.into()) };
    let listener = TcpListener::bind(listen).await?;
    let mut ended = signal(SignalKind::terminate())?;
    let end = async move { _ = ended.recv().await };
    tokio::select! {
        served = async { axum::serve(listener, router(app)).await } => Ok(served?),
        () = end => Ok(()),
    }
}

/// The Worker's tokens begin with the name of the sandbox.
fn echo_of(token: &str) -> Echo {
    let name = token.split('.').next().and_then(|name| name.parse().ok());
    name.map(|name| Echo::default().of(&name)).unwrap_or_default()
}

fn router(app: Box) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/turns", post(run))
        .route("/v1/turns/{turn}", get(resume))
        .route("/v1/turns/{turn}/steer", post(steer))
        .route("/v1/turns/{turn}/abort", post(abort))
        .route("/v1/turns/{turn}/ack", post(done))
        .route("/v1/approvals/{approval}", post(approve))
        .route("/v1/suspend", post(memory::suspend))
        .route("/v1/resume", post(done))
        .route("/v1/reminders", get(memory::reminders))
        .route("/v1/proactive", get(memory::proactive))
        .route("/v1/proactive/{id}/ack", post(memory::take))
        .route("/v1/media/{hash}", put(keep).get(medium))
        .route("/v1/backup", post(memory::backup))
        .route("/v1/restore", put(memory::restore))
        .route("/v1/begin", post(memory::begin))
        .route("/v1/echo", post(|body: Bytes| async { body }))
        .layer(from_fn_with_state(app.clone(), authenticate))
        .layer(DefaultBodyLimit::max(32 << 20))
        .with_state(app)
}

async fn authenticate(State(app): State<Box>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    if shown == Some(format!("Bearer {}", app.token).as_bytes()) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

impl Box {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> &'static str {
        if self.inside().open { "ready" } else { "empty" }
    }

    fn running(&self) -> usize {
        self.inside().turns.values().filter(|turn| !turn.is_over()).count()
    }

    fn find(&self, turn: TurnId) -> Option<Arc<Turn>> {
        self.inside().turns.get(&turn).cloned()
    }
}

#[derive(Deserialize)]
struct Known {
    after: Option<String>,
}

async fn health(State(app): State<Box>, Query(known): Query<Known>) -> Response {
    let waited = async {
        while known.after.as_deref() == Some(app.state()) {
            sleep(LOOK_AGAIN).await;
        }
    };
    let _ = tokio::time::timeout(LONGEST, waited).await;
    let state = app.state();
    let agent = (state == "ready").then(zaki_echo::agent);
    let (running, gateway) = (app.running(), agent.is_some().then(gateway));
    let error = Option::<String>::None;
    Json(json!({"state": state, "agent": agent, "running": running, "error": error, "gateway": gateway}))
        .into_response()
}

/// One that does well.
fn gateway() -> GatewayState {
    static SINCE: LazyLock<Instant> = LazyLock::new(Instant::now);
    let up_ms = u64::try_from(SINCE.elapsed().as_millis()).unwrap_or(u64::MAX);
    GatewayState { up_ms, memory: 4_000_000, connections: 2 }
}

async fn run(State(app): State<Box>, Json(request): Json<TurnRequest>) -> Response {
    if !app.inside().open {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(known) = app.find(request.turn) {
        return known.after(0);
    }
    let trace = request.trace.as_ref().and_then(TraceContext::id);
    println!("turn.running turn={} trace={}", request.turn, trace.unwrap_or("-"));
    let turn = Arc::new(Turn::default());
    app.inside().turns.insert(request.turn, Arc::clone(&turn));
    tokio::spawn(answer(app, Arc::clone(&turn), request));
    turn.after(0)
}

async fn answer(app: Box, turn: Arc<Turn>, request: TurnRequest) {
    let text = plain_text(&request.parts);
    if text.contains("EXIT") {
        std::process::exit(3);
    }
    if text.contains("RECALL") {
        let recalled = app.inside().memory.texts.join("\n");
        return say(&turn, recalled);
    }
    // What the answer says has happened is remembered before the answer is told.
    app.inside().memory.texts.push(text);
    let mut events = app.echo.open(&request, 0);
    while let Some(event) = events.next().await {
        if event.kind.is_end()
            && let Some((wait, message)) = Echo::later(&request, memory::now())
        {
            app.inside().memory.plan(wait, message);
        }
        turn.tell(event);
    }
}

fn say(turn: &Turn, text: String) {
    let end = TurnEventKind::Final { text, usage: Usage::default(), aborted: false };
    let kinds = [TurnEventKind::Started { agent: zaki_echo::agent() }, end];
    (1..).zip(kinds).for_each(|(seq, kind)| turn.tell(TurnEvent { seq, kind }));
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn resume(
    State(app): State<Box>,
    Path(turn): Path<TurnId>,
    Query(After { after }): Query<After>,
) -> Response {
    match app.find(turn) {
        Some(turn) => turn.after(after),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn steer(
    State(app): State<Box>,
    Path(turn): Path<TurnId>,
    Json(said): Json<SteerRequest>,
) -> StatusCode {
    match app.find(turn) {
        Some(turn) if turn.is_over() => StatusCode::CONFLICT,
        Some(_) => outcome(app.echo.steer(turn, &said), StatusCode::ACCEPTED),
        None => StatusCode::NOT_FOUND,
    }
}

async fn approve(
    State(app): State<Box>,
    Path(approval): Path<String>,
    Json(answer): Json<ApprovalAnswer>,
) -> StatusCode {
    outcome(app.echo.approve(&approval, answer), StatusCode::NO_CONTENT)
}

fn outcome(done: Result<(), Refused>, status: StatusCode) -> StatusCode {
    match done {
        Ok(()) => status,
        Err(Refused(status)) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
    }
}

async fn abort(State(app): State<Box>, Path(turn): Path<TurnId>) -> StatusCode {
    if app.find(turn).is_none() {
        return StatusCode::NOT_FOUND;
    }
    app.echo.abort(turn);
    StatusCode::ACCEPTED
}

async fn done() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn keep(State(app): State<Box>, Path(hash): Path<MediaHash>, body: Bytes) -> StatusCode {
    app.echo.give(hash, body);
    StatusCode::NO_CONTENT
}

async fn medium(State(app): State<Box>, Path(hash): Path<MediaHash>) -> Response {
    let found = app.echo.medium(hash);
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}
