//! The way to a sandbox that runs our container program: HTTP with the sandbox's token.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use zaki_edge_core::sandbox::is_passing;
use zaki_envelope::{
    LARGEST_MEDIUM, MediaHash, ProactiveId, TurnId,
    wire::{
        AgentInfo, ApprovalAnswer, GatewayState, Reminders, SILENCE, SseDecoder, SteerRequest,
        TurnEvent, TurnRequest,
        proactive::{Proactive, WAIT, Waiting},
    },
};

use super::{Events, LinkError, Rest, RuntimeError};

/// Between two looks at a sandbox that starts.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A short call that takes longer has failed.
const CALL: Duration = Duration::from_secs(10);
/// And one that carries a medium.
const TRANSFER: Duration = Duration::from_secs(30);

/// The longest answer that is neither a medium nor a stream, in bytes.
const LARGEST_ANSWER: u64 = 1 << 20;
/// And that of messages of its own, which wait there together.
const LARGEST_WAITING: u64 = 16 << 20;

/// One sandbox's HTTP interface.
#[derive(Clone)]
pub(crate) struct HttpLink {
    client: Client,
    /// Where it listens, if that is no address.
    socket: Option<PathBuf>,
    base: String,
    token: SecretString,
}

/// What `GET /v1/health` says.
#[derive(Deserialize)]
pub(crate) struct Health {
    state: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    agent: Option<AgentInfo>,
    #[serde(default)]
    gateway: Option<GatewayState>,
}

impl Health {
    pub(crate) fn has_failed(&self) -> bool {
        self.state == "failed"
    }

    /// What its agent says it is, once it is up.
    pub(crate) fn version(self) -> Option<String> {
        self.agent.map(|agent| agent.version)
    }

    /// How its gateway does, if it says.
    pub(crate) const fn gateway(&self) -> Option<GatewayState> {
        self.gateway
    }

    /// Whether it has no state, and waits for one.
    pub(crate) fn waits(&self) -> bool {
        self.state == "empty"
    }
}

impl HttpLink {
    /// A client for any number of links to addresses.
    pub(crate) fn client() -> Result<Client, reqwest::Error> {
        plain().build()
    }

    /// To the container program at that address.
    pub(crate) fn new(client: Client, address: SocketAddr, token: &str) -> Self {
        Self { client, socket: None, base: format!("http://{address}/v1"), token: token.into() }
    }

    /// To the container program at that Unix socket.
    pub(crate) fn local(socket: PathBuf, token: &str) -> Result<Self, reqwest::Error> {
        let client = plain().unix_socket(socket.clone()).build()?;
        let base = "http://sandbox/v1".to_owned();
        Ok(Self { client, socket: Some(socket), base, token: token.into() })
    }

    /// The same way with another client.
    pub(crate) fn with(&self, client: ClientBuilder) -> Result<Self, reqwest::Error> {
        let client = client.no_proxy();
        let client = match &self.socket {
            Some(socket) => client.unix_socket(socket.clone()),
            None => client,
        };
        Ok(Self { client: client.build()?, ..self.clone() })
    }

    /// A call of its own making: `path` without `/v1/`. To be sent with [`HttpLink::send`].
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn health(&self) -> Result<Health, LinkError> {
        self.health_after(None).await
    }

    /// How it is once it is no longer in the state `known`, or after some seconds.
    async fn health_after(&self, known: Option<&str>) -> Result<Health, LinkError> {
        let mut call = self.client.get(self.url("health")).timeout(CALL);
        if let Some(known) = known {
            call = call.query(&[("after", known)]);
        }
        json(self.send(call).await?, LARGEST_ANSWER).await
    }

    /// Waits until the sandbox takes turns, or says that it cannot. Not answering yet is no failure:
    /// whoever watches its process, and the alarm, end the waiting.
    pub(crate) async fn ready(&self) -> Result<(), RuntimeError> {
        let mut known: Option<String> = None;
        loop {
            match self.health_after(known.as_deref()).await {
                Ok(health) if health.state == "ready" => return Ok(()),
                Ok(health) if health.has_failed() => {
                    return Err(RuntimeError::new(health.error.unwrap_or(health.state)));
                }
                Err(error @ LinkError::Refused(_)) => {
                    return Err(RuntimeError::new(error.to_string()));
                }
                Ok(health) => {
                    if known.as_ref() == Some(&health.state) {
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    known = Some(health.state);
                }
                Err(LinkError::Lost(_)) => {
                    known = None;
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Gives it a medium, unless it has it.
    pub(crate) async fn give(&self, hash: MediaHash, bytes: Bytes) -> Result<(), LinkError> {
        let call = self.request(Method::PUT, &format!("media/{hash}")).body(bytes);
        self.send(call.timeout(TRANSFER)).await.map(drop)
    }

    /// The bytes of a medium of its own making.
    pub(crate) async fn medium(&self, hash: MediaHash) -> Result<Bytes, LinkError> {
        let call = self.request(Method::GET, &format!("media/{hash}")).timeout(TRANSFER);
        whole(self.send(call).await?, LARGEST_MEDIUM).await
    }

    /// Runs the turn, or takes it up after `after`. A sandbox that does not know it runs it.
    pub(crate) async fn open(
        &self,
        request: &TurnRequest,
        after: u64,
    ) -> Result<Events, LinkError> {
        if after > 0 {
            let url = self.url(&format!("turns/{}?after={after}", request.turn));
            match self.send(self.client.get(url)).await {
                Err(LinkError::Refused(404)) => {}
                answer => return Ok(events(answer?)),
            }
        }
        let call = self.client.post(self.url("turns")).json(request);
        Ok(events(self.send(call).await?))
    }

    pub(crate) async fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), LinkError> {
        let call = self.client.post(self.url(&format!("turns/{turn}/steer"))).json(said);
        self.send(call.timeout(CALL)).await.map(drop)
    }

    pub(crate) async fn approve(
        &self,
        approval: &str,
        answer: ApprovalAnswer,
    ) -> Result<(), LinkError> {
        let call = self.client.post(self.url(&format!("approvals/{approval}"))).json(&answer);
        self.send(call.timeout(CALL)).await.map(drop)
    }

    pub(crate) async fn abort(&self, turn: TurnId) -> Result<(), LinkError> {
        self.post(&format!("turns/{turn}/abort")).await
    }

    pub(crate) async fn ack(&self, turn: TurnId, seq: u64) -> Result<(), LinkError> {
        self.post(&format!("turns/{turn}/ack?seq={seq}")).await
    }

    pub(crate) async fn suspend(&self) -> Result<Rest, LinkError> {
        let call = self.client.post(self.url("suspend")).timeout(CALL);
        match self.send(call).await {
            Ok(answer) => Ok(Rest::Ready(json(answer, LARGEST_ANSWER).await?)),
            Err(LinkError::Refused(409)) => Ok(Rest::Busy),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn resume(&self) -> Result<(), LinkError> {
        self.post("resume").await
    }

    pub(crate) async fn reminders(&self) -> Result<Reminders, LinkError> {
        let answer = self.send(self.client.get(self.url("reminders")).timeout(CALL)).await?;
        json(answer, LARGEST_ANSWER).await
    }

    /// What its agent has said without being asked; waits for it a while.
    pub(crate) async fn proactive(&self) -> Result<Vec<Proactive>, LinkError> {
        let call = self.request(Method::GET, "proactive").timeout(WAIT + CALL);
        let answer: Waiting = json(self.send(call).await?, LARGEST_WAITING).await?;
        Ok(answer.messages)
    }

    /// The edge has it.
    pub(crate) async fn take(&self, id: ProactiveId) -> Result<(), LinkError> {
        self.post(&format!("proactive/{id}/ack")).await
    }

    async fn post(&self, path: &str) -> Result<(), LinkError> {
        let call = self.client.post(self.url(path)).timeout(CALL);
        self.send(call).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Makes a call with the sandbox's token; whatever the answer is.
    pub(crate) async fn raw(&self, call: RequestBuilder) -> Result<Response, LinkError> {
        call.bearer_auth(self.token.expose_secret()).send().await.map_err(lost)
    }

    /// Makes a call with the sandbox's token.
    pub(crate) async fn send(&self, call: RequestBuilder) -> Result<Response, LinkError> {
        let answer = self.raw(call).await?;
        let status = answer.status();
        if status.is_success() {
            Ok(answer)
        } else if is_passing(status.as_u16()) {
            // The next look tells.
            Err(LinkError::Lost(status.to_string()))
        } else {
            Err(LinkError::Refused(status.as_u16()))
        }
    }
}

fn plain() -> ClientBuilder {
    let client = Client::builder().no_proxy().tls_built_in_root_certs(false);
    client.connect_timeout(Duration::from_secs(5)).read_timeout(SILENCE)
}

/// The body of an answer: whatever runs in there is not to fill our memory.
async fn whole(mut answer: Response, most: u64) -> Result<Bytes, LinkError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(lost)? {
        if bytes.len() as u64 + piece.len() as u64 > most {
            return Err(LinkError::Refused(413));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

async fn json<T: DeserializeOwned>(answer: Response, most: u64) -> Result<T, LinkError> {
    let bytes = whole(answer, most).await?;
    serde_json::from_slice(&bytes).map_err(|error| LinkError::Lost(error.to_string()))
}

fn lost(error: reqwest::Error) -> LinkError {
    LinkError::Lost(error.without_url().to_string())
}

fn events(answer: Response) -> Events {
    let pieces = answer.bytes_stream();
    let decoded = pieces.scan(SseDecoder::default(), |decoder, piece| {
        let events: Vec<Result<TurnEvent, LinkError>> =
            match piece.map(|bytes| decoder.push(&bytes)) {
                Ok(Ok(events)) => events.into_iter().map(Ok).collect(),
                Ok(Err(error)) => vec![Err(LinkError::Lost(error.to_string()))],
                Err(error) => vec![Err(lost(error))],
            };
        std::future::ready(Some(stream::iter(events)))
    });
    decoded.flatten().boxed()
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};

    use super::*;

    /// A sandbox that says this of its health.
    async fn health_of(body: String) -> Result<Health, LinkError> {
        let router = Router::new().route("/v1/health", get(async || body));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        HttpLink::new(HttpLink::client().unwrap(), address, "").health().await
    }

    #[tokio::test]
    async fn what_a_sandbox_says_of_itself_does_not_fill_our_memory() {
        let said =
            |length: usize| format!(r#"{{"state":"ready","more":"{}"}}"#, "x".repeat(length));
        assert!(health_of(said(10)).await.is_ok_and(|health| health.state == "ready"));
        let too_long = health_of(said(2 << 20)).await;
        assert!(matches!(too_long, Err(LinkError::Refused(413))));
        assert!(matches!(health_of("no".to_owned()).await, Err(LinkError::Lost(_))));
    }
}
