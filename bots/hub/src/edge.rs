//! The hub's side of the edge wire: signed requests out, turn events in. In one process the
//! edge's router is called without a socket; otherwise over HTTP. The bytes are the same.

use std::{collections::VecDeque, error::Error};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use serde_json::to_vec;
use tokio::time::timeout;
use tower::ServiceExt;
use zaki_envelope::{
    TurnId, ZakiUserId,
    signature::{self, SigningKey},
    wire::{SILENCE, SseDecoder, SteerRequest, TurnEvent, TurnRequest},
};

use crate::clock;

/// How the edge is reached.
#[derive(Clone)]
pub(crate) enum Reach {
    /// The native edge in this process.
    InProcess(Router),
    /// An edge that runs elsewhere.
    Remote { http: reqwest::Client, base: url::Url },
}

/// Why the edge did not serve a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    /// Nobody answered, or the answer broke off: try again.
    #[error("the edge cannot be reached")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    /// It is overloaded or starting: try again.
    #[error("the edge answers {0}")]
    Busy(u16),
    /// It has no such turn.
    #[error("the edge does not know this turn")]
    Unknown,
    /// It no longer keeps the events of this turn.
    #[error("the edge no longer keeps this turn")]
    Gone,
    /// It will not serve this call, however often it is made.
    #[error("the edge refuses: {0}")]
    Refused(u16),
}

impl EdgeError {
    fn lost(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Lost(source.into())
    }

    fn of_status(status: u16) -> Self {
        match status {
            404 => Self::Unknown,
            410 => Self::Gone,
            // 401: its clock and ours differ, or a key is being changed; the turn may run there.
            401 | 408 | 425 | 429 | 500..=599 => Self::Busy(status),
            _ => Self::Refused(status),
        }
    }
}

/// Calls the edge.
#[derive(Clone)]
pub(crate) struct EdgeClient {
    reach: Reach,
    key: SigningKey,
}

impl EdgeClient {
    pub(crate) fn new(reach: Reach, key: SigningKey) -> Self {
        Self { reach, key }
    }

    /// Where an edge runs that is not in this process.
    pub(crate) fn place(&self) -> Option<String> {
        match &self.reach {
            Reach::InProcess(_) => None,
            Reach::Remote { base, .. } => Some(base.origin().ascii_serialization()),
        }
    }

    /// Whether it answers.
    pub(crate) async fn check(&self) -> Result<(), EdgeError> {
        self.call("GET", "/health", Vec::new()).await.map(drop)
    }

    /// Runs a turn, or attaches to it when its id is known already: it never runs twice.
    pub(crate) async fn turn(
        &self,
        user: ZakiUserId,
        turn: &TurnRequest,
    ) -> Result<Events, EdgeError> {
        let body = to_vec(turn).map_err(EdgeError::lost)?;
        self.call("POST", &format!("/v1/users/{user}/turns"), body).await
    }

    /// Goes on reading a turn after event `after`.
    pub(crate) async fn resume(
        &self,
        user: ZakiUserId,
        turn: TurnId,
        after: u64,
    ) -> Result<Events, EdgeError> {
        self.call("GET", &format!("/v1/users/{user}/turns/{turn}?after={after}"), Vec::new()).await
    }

    /// Stops a turn; its events tell the end.
    pub(crate) async fn abort(&self, user: ZakiUserId, turn: TurnId) -> Result<(), EdgeError> {
        let path = format!("/v1/users/{user}/turns/{turn}/abort");
        self.call("POST", &path, Vec::new()).await.map(drop)
    }

    /// Adds a message to a turn that runs. [`EdgeError::Refused`]: it takes no more.
    pub(crate) async fn steer(
        &self,
        user: ZakiUserId,
        turn: TurnId,
        said: &SteerRequest,
    ) -> Result<(), EdgeError> {
        let body = to_vec(said).map_err(EdgeError::lost)?;
        let path = format!("/v1/users/{user}/turns/{turn}/steer");
        self.call("POST", &path, body).await.map(drop)
    }

    async fn call(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Events, EdgeError> {
        let message = signature::Message { method, path_and_query: path, body: &body };
        let signed = self.key.sign(clock::now(), message);
        let headers = [
            (signature::KEY_HEADER, signed.key),
            (signature::TIMESTAMP_HEADER, signed.timestamp),
            (signature::SIGNATURE_HEADER, signed.signature),
        ];
        match &self.reach {
            Reach::InProcess(router) => {
                let mut request = axum::http::Request::builder().method(method).uri(path);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Body::from(body)).map_err(EdgeError::lost)?;
                let answer = router.clone().oneshot(request).await.map_err(EdgeError::lost)?;
                let status = answer.status().as_u16();
                let bytes = answer.into_body().into_data_stream().map_err(EdgeError::lost);
                Events::open(status, bytes.boxed())
            }
            Reach::Remote { http, base } => {
                let url = base.join(path).map_err(EdgeError::lost)?;
                let method = method.parse::<reqwest::Method>().map_err(EdgeError::lost)?;
                let mut request = http.request(method, url).body(body);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let answer = timeout(SILENCE, request.send()).await.map_err(EdgeError::lost)?;
                let answer = answer.map_err(EdgeError::lost)?;
                let status = answer.status().as_u16();
                Events::open(status, answer.bytes_stream().map_err(EdgeError::lost).boxed())
            }
        }
    }
}

/// The events of a turn as they arrive.
pub(crate) struct Events {
    bytes: BoxStream<'static, Result<Bytes, EdgeError>>,
    decoder: SseDecoder,
    ready: VecDeque<TurnEvent>,
}

impl Events {
    fn open(
        status: u16,
        bytes: BoxStream<'static, Result<Bytes, EdgeError>>,
    ) -> Result<Self, EdgeError> {
        if !(200..300).contains(&status) {
            return Err(EdgeError::of_status(status));
        }
        Ok(Self { bytes, decoder: SseDecoder::default(), ready: VecDeque::new() })
    }

    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Result<TurnEvent, EdgeError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let bytes = match timeout(SILENCE, self.bytes.next()).await {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => return Some(Err(error)),
                Ok(None) => return None,
                // Whatever TCP thinks of the connection.
                Err(silent) => return Some(Err(EdgeError::lost(silent))),
            };
            match self.decoder.push(&bytes) {
                Ok(events) => self.ready.extend(events),
                Err(error) => return Some(Err(EdgeError::lost(error))),
            }
        }
    }
}
