//! One WebSocket: HELLO, IDENTIFY or RESUME, heartbeats, dispatches out.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::session::{self, Attached, NotResumed, Signal};
use super::zlib::Frames;
use super::{Connected, How, intents};
use crate::common::lock;
use crate::discord::Shared;

/// Largest payload a client may send.
const MAX_PAYLOAD: usize = 4096;
/// Payloads a client may send within a minute.
const MAX_RATE: usize = 120;

// Close codes. <https://discord.com/developers/docs/topics/opcodes-and-status-codes>
const UNKNOWN_OPCODE: u16 = 4001;
const DECODE_ERROR: u16 = 4002;
const NOT_AUTHENTICATED: u16 = 4003;
const AUTHENTICATION_FAILED: u16 = 4004;
const ALREADY_AUTHENTICATED: u16 = 4005;
const INVALID_SEQUENCE: u16 = 4007;
const RATE_LIMITED: u16 = 4008;
const TIMED_OUT: u16 = 4009;
const INVALID_VERSION: u16 = 4012;
const INVALID_INTENTS: u16 = 4013;
const DISALLOWED_INTENTS: u16 = 4014;

#[derive(Deserialize)]
pub(super) struct Wanted {
    v: Option<String>,
    encoding: Option<String>,
    compress: Option<String>,
}

pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(wanted): Query<Wanted>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let compressed = match wanted.compress.as_deref() {
        None => false,
        Some("zlib-stream") => true,
        Some(_) => return (StatusCode::BAD_REQUEST, "only zlib-stream").into_response(),
    };
    if wanted.encoding.as_deref().unwrap_or("json") != "json" {
        return (StatusCode::BAD_REQUEST, "only json").into_response();
    }
    let version_fits = wanted.v.as_deref().is_none_or(|v| v == "10");
    let path = uri.path().trim_end_matches('/').to_owned();
    upgrade.on_upgrade(async move |ws| {
        let connection = Connection {
            ws,
            frames: Frames::new(compressed),
            path,
            attached: None,
            received: Vec::new(),
            last_heartbeat: Instant::now(),
            shared,
        };
        connection.run(version_fits).await;
    })
}

/// The end of a connection.
enum End {
    /// With a close frame.
    Close(u16),
    /// Without one, or it was the client.
    Cut,
}

struct Connection {
    ws: WebSocket,
    frames: Frames,
    path: String,
    attached: Option<Attached>,
    /// When the client's payloads of the last minute came.
    received: Vec<Instant>,
    last_heartbeat: Instant,
    shared: Arc<Shared>,
}

impl Connection {
    async fn run(mut self, version_fits: bool) {
        let end = if version_fits { self.talk().await } else { Err(End::Close(INVALID_VERSION)) };
        if let Some(attached) = &self.attached {
            session::detach(&self.shared, attached);
        }
        if let Err(End::Close(code)) = end {
            let frame = CloseFrame { code, reason: "simulated".into() };
            // The client may be gone already.
            let _ = self.ws.send(Message::Close(Some(frame))).await;
        }
    }

    async fn talk(&mut self) -> Result<(), End> {
        let interval = self.shared.config.heartbeat;
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let stop = self.shared.stop.clone();
        self.send(&json!({
            "op": 10, "s": null, "t": null,
            "d": {"heartbeat_interval": millis, "_trace": ["simulated"]},
        }))
        .await?;
        let mut check = tokio::time::interval(interval);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(End::Cut),
                message = self.ws.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.receive(text.as_bytes()).await?,
                    Some(Ok(Message::Binary(bytes))) => self.receive(&bytes).await?,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Cut),
                },
                signal = next(&mut self.attached) => self.obey(signal).await?,
                _ = check.tick() => {
                    if self.last_heartbeat.elapsed() > interval.mul_f32(1.5) + Duration::from_secs(5) {
                        return Err(End::Close(TIMED_OUT));
                    }
                }
            }
        }
    }

    async fn obey(&mut self, signal: Option<Signal>) -> Result<(), End> {
        match signal {
            Some(Signal::Send(payload)) => self.send_text(payload).await,
            Some(Signal::Reconnect) => {
                self.send(&json!({"op": 7, "s": null, "t": null, "d": null})).await
            }
            Some(Signal::Invalid(resumable)) => self.invalid(resumable).await,
            Some(Signal::Close(code)) => Err(End::Close(code)),
            // The session is gone, or gave up on a socket that did not keep up.
            Some(Signal::Drop) | None => Err(End::Cut),
        }
    }

    async fn receive(&mut self, payload: &[u8]) -> Result<(), End> {
        self.received.retain(|at| at.elapsed() < Duration::from_mins(1));
        self.received.push(Instant::now());
        if self.received.len() > MAX_RATE {
            return Err(End::Close(RATE_LIMITED));
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(End::Close(DECODE_ERROR));
        }
        let Ok(message) = serde_json::from_slice::<Value>(payload) else {
            return Err(End::Close(DECODE_ERROR));
        };
        let data = &message["d"];
        match message["op"].as_u64() {
            Some(1) => self.heartbeat().await,
            Some(2 | 6) if self.attached.is_some() => Err(End::Close(ALREADY_AUTHENTICATED)),
            Some(2) => self.identify(data),
            Some(6) => self.resume(data).await,
            // Presence, voice, members, soundboard: nothing here depends on them.
            Some(3 | 4 | 8 | 31) if self.attached.is_some() => Ok(()),
            Some(3 | 4 | 8 | 31) => Err(End::Close(NOT_AUTHENTICATED)),
            _ => Err(End::Close(UNKNOWN_OPCODE)),
        }
    }

    async fn heartbeat(&mut self) -> Result<(), End> {
        self.last_heartbeat = Instant::now();
        if lock(&self.shared.sessions).ignore_heartbeats {
            return Ok(());
        }
        self.send(&json!({"op": 11, "s": null, "t": null, "d": null})).await
    }

    fn identify(&mut self, data: &Value) -> Result<(), End> {
        self.check_token(data)?;
        let Some(granted) = data["intents"].as_u64().filter(|i| i & !intents::ALL == 0) else {
            return Err(End::Close(INVALID_INTENTS));
        };
        if granted & intents::PRIVILEGED != 0 && !self.shared.config.privileged_intents {
            return Err(End::Close(DISALLOWED_INTENTS));
        }
        if !data["properties"].is_object() {
            return Err(End::Close(DECODE_ERROR));
        }
        let attached = session::identify(&self.shared, granted, &data["shard"]);
        self.record(How::Identified, &attached.session);
        self.attached = Some(attached);
        Ok(())
    }

    async fn resume(&mut self, data: &Value) -> Result<(), End> {
        self.check_token(data)?;
        let session = data["session_id"].as_str().unwrap_or_default();
        let seq = data["seq"].as_u64().unwrap_or_default();
        match session::resume(&self.shared, session, seq) {
            Ok(attached) => {
                self.record(How::Resumed { replayed: attached.replayed }, session);
                self.attached = Some(attached);
                Ok(())
            }
            Err(NotResumed::Gone) => {
                self.record(How::Refused, session);
                self.invalid(false).await
            }
            Err(NotResumed::BadSequence) => {
                self.record(How::Refused, session);
                Err(End::Close(INVALID_SEQUENCE))
            }
        }
    }

    /// The client may identify again on the same socket.
    async fn invalid(&mut self, resumable: bool) -> Result<(), End> {
        if let Some(attached) = self.attached.take() {
            session::detach(&self.shared, &attached);
        }
        self.send(&json!({"op": 9, "s": null, "t": null, "d": resumable})).await
    }

    fn check_token(&self, data: &Value) -> Result<(), End> {
        let given = data["token"].as_str().unwrap_or_default();
        if given.strip_prefix("Bot ").unwrap_or(given) == self.shared.config.token {
            Ok(())
        } else {
            Err(End::Close(AUTHENTICATION_FAILED))
        }
    }

    fn record(&self, how: How, session: &str) {
        self.shared.connections.push(Connected {
            at: SystemTime::now(),
            path: self.path.clone(),
            how,
            session: session.to_owned(),
            compressed: self.frames.is_compressed(),
        });
    }

    async fn send(&mut self, payload: &Value) -> Result<(), End> {
        self.send_text(payload.to_string()).await
    }

    async fn send_text(&mut self, payload: String) -> Result<(), End> {
        let message = match self.frames.compress(payload.as_bytes()) {
            Some(frame) => Message::Binary(frame.into()),
            None => Message::Text(payload.into()),
        };
        self.ws.send(message).await.map_err(|_| End::Cut)
    }
}

/// The next signal; without a session there is none.
async fn next(attached: &mut Option<Attached>) -> Option<Signal> {
    let signals: Option<&mut mpsc::Receiver<Signal>> = attached.as_mut().map(|a| &mut a.signals);
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}
