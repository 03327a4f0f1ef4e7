//! The way into a container: HTTP to the program in it, with the token of its start.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Container, Method, RequestInit, Response, js_sys::Uint8Array, wasm_bindgen::JsValue};
use zaki_edge_core::sandbox::is_passing;
use zaki_envelope::wire::{AgentInfo, GatewayState};

use crate::clock;

/// Where the program listens.
pub(crate) const PORT: u16 = 8787;
/// A short call that takes longer has failed, in milliseconds.
pub(crate) const CALL: u64 = 10_000;

/// Why a call to a sandbox failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The connection broke or never stood; the call may be made again.
    #[error("the connection to the sandbox was lost: {0}")]
    Lost(String),
    /// The sandbox does not take it.
    #[error("the sandbox answered {0}")]
    Refused(u16),
}

impl From<worker::Error> for LinkError {
    fn from(error: worker::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// To one start of a sandbox.
pub(crate) struct Link {
    container: Container,
    token: String,
}

/// What `GET /v1/health` says.
#[derive(Deserialize)]
pub(crate) struct Health {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) agent: Option<AgentInfo>,
    #[serde(default)]
    pub(crate) gateway: Option<GatewayState>,
}

impl Link {
    pub(crate) const fn new(container: Container, token: String) -> Self {
        Self { container, token }
    }

    /// Makes a call; whatever the answer is. `path` without `/v1/`.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<JsValue>,
        headers: &[(&str, &str)],
    ) -> Result<Response, LinkError> {
        let mut init = RequestInit::new();
        let sent = worker::Headers::new();
        sent.set("authorization", &format!("Bearer {}", self.token))?;
        for (name, value) in headers {
            sent.set(name, value)?;
        }
        init.with_method(method).with_headers(sent).with_body(body);
        let port = self.container.get_tcp_port(PORT)?;
        Ok(port.fetch(format!("http://sandbox/v1/{path}"), Some(init)).await?)
    }

    /// Makes a call with a JSON body, if any, that must succeed.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Response, LinkError> {
        let send = async || {
            let body = body.map(|bytes| Uint8Array::from(bytes).into());
            self.raw(method.clone(), path, body, &[("content-type", "application/json")]).await
        };
        // A connection that was kept may have been closed meanwhile; no call acts twice.
        let answer = match send().await {
            Err(LinkError::Lost(_)) => send().await,
            answer => answer,
        };
        accept(answer?)
    }

    /// The same where the answer comes at once.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&[u8]>,
        patience: u64,
    ) -> Result<Response, LinkError> {
        let silent = || LinkError::Lost("it does not answer".to_owned());
        clock::timeout(patience, self.call(method, path, body)).await.ok_or_else(silent)?
    }

    pub(crate) async fn post(&self, path: &str) -> Result<(), LinkError> {
        self.tell(path, None).await
    }

    /// The same with a body, where only whether it was taken matters.
    pub(crate) async fn tell(&self, path: &str, body: Option<&[u8]>) -> Result<(), LinkError> {
        let mut answer = self.ask(Method::Post, path, body, CALL).await?;
        Ok(finish(&mut answer).await?)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LinkError> {
        let mut answer = self.ask(Method::Get, path, None, CALL).await?;
        Ok(answer.json().await?)
    }

    /// How it is once it is no longer in the state `known`, or after some seconds.
    pub(crate) async fn health(&self, known: Option<&str>) -> Result<Health, LinkError> {
        match known {
            Some(known) => self.get(&format!("health?after={known}")).await,
            None => self.get("health").await,
        }
    }
}

/// Reads the rest of an answer. Until then its connection serves no other call, though there is
/// nothing in it.
pub(crate) async fn finish(answer: &mut Response) -> worker::Result<()> {
    answer.bytes().await.map(drop)
}

fn accept(answer: Response) -> Result<Response, LinkError> {
    match answer.status_code() {
        200..=299 => Ok(answer),
        // The next look tells.
        status if is_passing(status) => Err(LinkError::Lost(status.to_string())),
        status => Err(LinkError::Refused(status)),
    }
}
