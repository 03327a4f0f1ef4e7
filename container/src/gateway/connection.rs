//! One WebSocket to the gateway: handshake, requests with their answers, events.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use zaki_envelope::wire::AgentInfo;

use super::protocol::{
    Frame, Hello, Refusal, Response, Role, SessionEvent, connect_params, request,
};

/// The gateway's `maxPayload` is 25 MiB.
const MAX_FRAME: usize = 32 << 20;
/// The gateway ticks every 30 s; silence three times as long is a dead connection.
const SILENCE: Duration = Duration::from_secs(90);
/// As much later than it was due, a time-out says that this program was held still meanwhile.
const ASLEEP: Duration = Duration::from_secs(5);
/// How long the gateway may take to answer one request. It answers within a second, but blocks
/// for several while it starts.
const ANSWER: Duration = Duration::from_mins(1);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("nothing listens yet")]
    Io(#[from] std::io::Error),
    #[error("the WebSocket handshake failed")]
    Socket(#[from] Box<tungstenite::Error>),
    #[error("the gateway closed the connection or sent something else than its handshake")]
    Handshake,
    #[error("the gateway refused the connection: {}", .0.code)]
    Refused(Refusal),
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the gateway refused: {}", .0.code)]
    Refused(Refusal),
    #[error("the connection to the gateway is gone")]
    Lost,
    #[error("the gateway's answer cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

type Pending = Arc<Mutex<HashMap<String, oneshot::Sender<Response>>>>;
type Socket = WebSocketStream<TcpStream>;

/// A connection past its hello.
#[derive(Debug)]
pub(crate) struct Connection {
    outgoing: mpsc::UnboundedSender<String>,
    pending: Pending,
    next: AtomicU64,
    /// Cancelled when the socket is gone.
    pub(crate) closed: CancellationToken,
    /// What `hello` said.
    pub(crate) version: String,
    _close_on_drop: DropGuard,
}

impl Connection {
    /// Connects to the gateway on loopback `port`. `publish` gets every event, in order.
    pub(crate) async fn open(
        port: u16,
        token: &str,
        role: Role,
        publish: impl Fn(SessionEvent) + Send + 'static,
    ) -> Result<Self, ConnectError> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let config = WebSocketConfig::default()
            .max_frame_size(Some(MAX_FRAME))
            .max_message_size(Some(MAX_FRAME));
        let url = format!("ws://127.0.0.1:{port}/");
        let (mut socket, _) =
            client_async_with_config(url, stream, Some(config)).await.map_err(Box::new)?;
        let hello = handshake(&mut socket, token, role).await?;

        let (outgoing, queue) = mpsc::unbounded_channel();
        let (pending, closed) = (Pending::default(), CancellationToken::new());
        tokio::spawn(pump(socket, queue, Arc::clone(&pending), closed.clone(), publish));
        Ok(Self {
            outgoing,
            pending,
            next: AtomicU64::new(2),
            version: hello.server.version,
            _close_on_drop: closed.clone().drop_guard(),
            closed,
        })
    }

    /// Who answers.
    pub(crate) fn agent(&self) -> AgentInfo {
        AgentInfo { name: "openclaw".to_owned(), version: self.version.clone() }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &Value,
    ) -> Result<T, CallError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (answer, answered) = oneshot::channel();
        lock(&self.pending).insert(id.clone(), answer);
        let sent = self.outgoing.send(request(&id, method, params));
        let answered = tokio::select! {
            // An answer that came before the end of the connection counts.
            biased;
            answered = timeout(ANSWER, answered), if sent.is_ok() => answered.ok().and_then(Result::ok),
            () = self.closed.cancelled() => None,
        };
        lock(&self.pending).remove(&id);
        let response = answered.ok_or(CallError::Lost)?;
        if response.ok {
            Ok(serde_json::from_value(response.payload)?)
        } else {
            Err(CallError::Refused(response.error.unwrap_or_default()))
        }
    }

    /// Sends a request whose answer does not matter.
    pub(crate) fn cast(&self, method: &str, params: &Value) {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        // A lost connection shows elsewhere.
        let _ = self.outgoing.send(request(&id, method, params));
    }
}

/// Waits for the challenge, connects, and waits for the hello.
async fn handshake(socket: &mut Socket, token: &str, role: Role) -> Result<Hello, ConnectError> {
    let challenged =
        |frame: &Frame| matches!(frame, Frame::Event { event, .. } if event == "connect.challenge");
    while !challenged(&read(socket).await?) {}
    let connect = request("1", "connect", &connect_params(token, role));
    socket.send(Message::text(connect)).await.map_err(Box::new)?;
    loop {
        if let Frame::Res(response) = read(socket).await? {
            return if response.ok {
                serde_json::from_value(response.payload).map_err(|_| ConnectError::Handshake)
            } else {
                Err(ConnectError::Refused(response.error.unwrap_or_default()))
            };
        }
    }
}

async fn read(socket: &mut Socket) -> Result<Frame, ConnectError> {
    loop {
        let message = timeout(ANSWER, socket.next()).await;
        let message = message.ok().flatten().ok_or(ConnectError::Handshake)?;
        if let Message::Text(text) = message.map_err(Box::new)? {
            return serde_json::from_str(&text).map_err(|_| ConnectError::Handshake);
        }
    }
}

/// Moves frames both ways until the socket or its owner is gone.
async fn pump(
    mut socket: Socket,
    mut queue: mpsc::UnboundedReceiver<String>,
    pending: Pending,
    closed: CancellationToken,
    publish: impl Fn(SessionEvent),
) {
    let _closed = closed.clone().drop_guard();
    loop {
        let listening = Instant::now();
        tokio::select! {
            () = closed.cancelled() => break,
            Some(text) = queue.recv() => {
                if socket.send(Message::text(text)).await.is_err() {
                    break;
                }
            }
            message = timeout(SILENCE, socket.next()) => match message {
                Ok(Some(Ok(Message::Text(text)))) => dispatch(&text, &pending, &publish),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => break,
                Ok(Some(Ok(_))) => {}
                // A sandbox that was frozen has heard nothing all the time, nor said anything.
                Err(_) if listening.elapsed() > SILENCE + ASLEEP => {}
                Err(_) => break,
            },
        }
    }
    let _ = socket.close(None).await;
}

fn dispatch(text: &str, pending: &Pending, publish: &impl Fn(SessionEvent)) {
    match serde_json::from_str(text) {
        Ok(Frame::Res(response)) => {
            if let Some(waiting) = lock(pending).remove(&response.id) {
                let _ = waiting.send(response);
            }
        }
        Ok(Frame::Event { event, payload }) => {
            if let Some(event) = SessionEvent::parse(&event, payload) {
                publish(event);
            }
        }
        Ok(Frame::Other) => {}
        Err(error) => tracing::warn!(%error, "a frame of the gateway cannot be read"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
