//! A container that only echoes: the interface of `zaki-container` over HTTP, and behind it neither
//! an agent nor a model. For tests and measurements of an edge whose sandboxes are containers.
//!
//! Its memory is the texts of the turns it has ended, and goes into backups and comes out of
//! restores. `RECALL` answers with all of it; `EXIT` ends the program in the middle of the turn;
//! `SLOW:<n>x<ms>` and `FAIL:` do what they do in the native echo runtime.

mod turn;

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use zaki_envelope::wire::proactive::{WAIT, Waiting};
use zaki_envelope::wire::{BACKUP_HEADER, BackupSummary, GatewayState, Reminders, TurnRequest};
use zaki_envelope::{TraceContext, TurnId, plain_text};

use turn::Turn;

/// So long a question about a state that stays the same waits.
const LONGEST: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a backup holds.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Memory {
    lineage: String,
    texts: Vec<String>,
}

#[derive(Default)]
struct Inside {
    memory: Memory,
    turns: HashMap<TurnId, Arc<Turn>>,
    media: HashMap<String, Bytes>,
    /// It has a state, or was told that there is none.
    open: bool,
}

#[derive(Clone)]
struct Box {
    token: Arc<str>,
    inside: Arc<Mutex<Inside>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let listen = env::var("ZAKI_SANDBOX_LISTEN").unwrap_or_else(|_| "0.0.0.0:8787".to_owned());
    let token = env::var("ZAKI_SANDBOX_TOKEN").context("no ZAKI_SANDBOX_TOKEN")?;
    let held = env::var("ZAKI_SANDBOX_HOLD").is_ok_and(|held| held == "true");
    let inside = Inside { open: !held, ..Inside::default() };
    let app = Box { token: token.into(), inside: Arc::new(Mutex::new(inside)) };
    let listener = TcpListener::bind(listen).await?;
    let mut ended = signal(SignalKind::terminate())?;
    let end = async move { _ = ended.recv().await };
    tokio::select! {
        served = async { axum::serve(listener, router(app)).await } => Ok(served?),
        () = end => Ok(()),
    }
}

fn router(app: Box) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/turns", post(run))
        .route("/v1/turns/{turn}", get(resume))
        .route("/v1/turns/{turn}/abort", post(abort))
        .route("/v1/turns/{turn}/ack", post(done))
        .route("/v1/suspend", post(suspend))
        .route("/v1/resume", post(done))
        .route("/v1/reminders", get(reminders))
        .route("/v1/proactive", get(proactive))
        .route("/v1/media/{hash}", put(keep).get(medium))
        .route("/v1/backup", post(backup))
        .route("/v1/restore", put(restore))
        .route("/v1/begin", post(begin))
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
    let agent = (state == "ready").then(turn::agent);
    let (running, gateway) = (app.running(), agent.is_some().then(gateway));
    Json(json!({"state": state, "agent": agent, "running": running, "error": null, "gateway": gateway}))
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
    tokio::spawn(answer(app, Arc::clone(&turn), plain_text(&request.parts)));
    turn.after(0)
}

async fn answer(app: Box, turn: Arc<Turn>, text: String) {
    if text.contains("EXIT") {
        std::process::exit(3);
    }
    let recalled = app.inside().memory.texts.join("\n");
    let answer = if text.contains("RECALL") { recalled } else { format!("echo: {text}") };
    // What the answer says has happened is remembered before the answer is told.
    if !text.contains("RECALL") {
        app.inside().memory.texts.push(text.clone());
    }
    turn.run(&text, answer).await;
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

async fn abort(State(app): State<Box>, Path(turn): Path<TurnId>) -> StatusCode {
    match app.find(turn) {
        Some(turn) => {
            turn.abort();
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn done() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn suspend(State(app): State<Box>) -> Response {
    if app.running() > 0 {
        return StatusCode::CONFLICT.into_response();
    }
    Json(Reminders::default()).into_response()
}

async fn reminders() -> Json<Reminders> {
    Json(Reminders::default())
}

/// Nothing is ever said without being asked.
async fn proactive() -> Json<Waiting> {
    sleep(WAIT).await;
    Json(Waiting::default())
}

async fn keep(State(app): State<Box>, Path(hash): Path<String>, body: Bytes) -> StatusCode {
    app.inside().media.insert(hash, body);
    StatusCode::NO_CONTENT
}

async fn medium(State(app): State<Box>, Path(hash): Path<String>) -> Response {
    let found = app.inside().media.get(&hash).cloned();
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn backup(State(app): State<Box>) -> Result<Response, StatusCode> {
    if app.running() > 0 {
        return Err(StatusCode::CONFLICT);
    }
    let memory = app.inside().memory.clone();
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let archive = serde_json::to_vec(&memory).map_err(failed)?;
    let summary = BackupSummary {
        lineage: memory.lineage,
        root: "/data".to_owned(),
        agent: Some(turn::agent()),
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

async fn restore(State(app): State<Box>, archive: Bytes) -> StatusCode {
    let Ok(memory) = serde_json::from_slice(&archive) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    let mut inside = app.inside();
    (inside.memory, inside.open) = (memory, true);
    StatusCode::NO_CONTENT
}

#[derive(Default, Deserialize)]
struct Begin {
    #[serde(default)]
    refused: Option<String>,
}

async fn begin(State(app): State<Box>, Json(said): Json<Begin>) -> StatusCode {
    let mut inside = app.inside();
    if !inside.open && said.refused.is_none() {
        // As good as drawn: no two sandboxes have one token.
        inside.memory.lineage = app.token.chars().take(16).collect();
        inside.open = true;
    }
    StatusCode::NO_CONTENT
}
