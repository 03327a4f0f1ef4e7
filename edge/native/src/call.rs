//! Signed calls between hub and edge, in either direction: over HTTP, or of a router in the same
//! process. The bytes are the same.

use std::{error::Error, time::Duration};

use axum::{Router, body::Body, http};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use reqwest::Url;
use tokio::time::timeout;
use tower::ServiceExt;
use zaki_envelope::{
    Timestamp,
    signature::{KEY_HEADER, Message, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER},
    wire::SILENCE,
};

/// How the other side is reached.
#[derive(Clone)]
pub enum Reach {
    /// It is in this process.
    InProcess(Router),
    /// It listens elsewhere.
    Remote {
        /// What carries the calls; see [`Reach::remote`].
        http: reqwest::Client,
        /// Where.
        base: Url,
    },
}

impl Reach {
    /// Over HTTP. Both sides end idle connections after 30 s or more: none is used that is about to
    /// end.
    pub fn remote(base: Url) -> Result<Self, CallError> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(CallError::new)?;
        Ok(Self::Remote { http, base })
    }

    /// Where the other side is, unless in this process.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::InProcess(_) => None,
            Self::Remote { base, .. } => Some(base.origin().ascii_serialization()),
        }
    }
}

/// Nobody answered, or the answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the other side cannot be reached")]
pub struct CallError(#[source] Box<dyn Error + Send + Sync>);

impl CallError {
    fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// What was answered, whatever the status says.
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The body as it arrives.
    pub bytes: BoxStream<'static, Result<Bytes, CallError>>,
}

/// Makes signed calls.
#[derive(Clone)]
pub struct Caller {
    reach: Reach,
    key: SigningKey,
}

impl Caller {
    /// Calls whoever `reach` leads to, and signs with `key`.
    pub const fn new(reach: Reach, key: SigningKey) -> Self {
        Self { reach, key }
    }

    /// How the other side is reached.
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Makes a call, signed as of `now`.
    pub async fn call(
        &self,
        now: Timestamp,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answered, CallError> {
        let body = body.into();
        // A second for so much, on top.
        let patience = SILENCE + Duration::from_secs(body.len() as u64 / (1 << 19));
        let message = Message { method, path_and_query: path, body: &body };
        let signed = self.key.sign(now, message);
        let headers = [
            (KEY_HEADER, signed.key),
            (TIMESTAMP_HEADER, signed.timestamp),
            (SIGNATURE_HEADER, signed.signature),
        ];
        match &self.reach {
            Reach::InProcess(router) => {
                let mut request = http::Request::builder().method(method).uri(path);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Body::from(body)).map_err(CallError::new)?;
                let answer = router.clone().oneshot(request).await.map_err(CallError::new)?;
                let status = answer.status().as_u16();
                let bytes = answer.into_body().into_data_stream().map_err(CallError::new);
                Ok(Answered { status, bytes: bytes.boxed() })
            }
            Reach::Remote { http, base } => {
                let url = base.join(path).map_err(CallError::new)?;
                let method = method.parse::<reqwest::Method>().map_err(CallError::new)?;
                let mut request = http.request(method, url).body(body);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let answer = timeout(patience, request.send()).await.map_err(CallError::new)?;
                let answer = answer.map_err(CallError::new)?;
                let status = answer.status().as_u16();
                let bytes = answer.bytes_stream().map_err(CallError::new);
                Ok(Answered { status, bytes: bytes.boxed() })
            }
        }
    }
}
