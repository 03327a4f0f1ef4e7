//! A gateway for tests: speaks the frames of protocol 4 and does what the test says.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use crate::gateway::{Connection, Link, State, protocol::Role};

pub(crate) const TOKEN: &str = "gateway-token";

/// One accepted connection, past its hello.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
}

/// A listening gateway.
pub(crate) struct FakeGateway {
    listener: TcpListener,
    link: Arc<Link>,
}

impl FakeGateway {
    pub(crate) async fn new(link: &Arc<Link>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Arc::clone(link);
        Self { listener, link }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Connects the link to this gateway, as the supervisor does.
    pub(crate) async fn connect(&self) -> Peer {
        let (link, port) = (Arc::clone(&self.link), self.port());
        let open = Connection::open(port, TOKEN, Role::Turns, move |event| link.publish(&event));
        let (connection, peer) = tokio::join!(open, self.accept());
        let connection = Arc::new(connection.unwrap());
        self.link.set_owner(Some(Arc::clone(&connection)));
        self.link.set(State::Ready(connection));
        peer
    }

    /// The gateway's half of a handshake.
    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut peer = Peer { socket: accept_async(stream).await.unwrap() };
        let challenge = json!({"nonce": "n", "ts": 1});
        peer.send(json!({"type": "event", "event": "connect.challenge", "payload": challenge}))
            .await;
        let connect = peer.expect("connect").await;
        if connect["params"]["auth"]["token"] == TOKEN {
            let hello = json!({"type": "hello-ok", "server": {"version": "2026.9.6"}});
            peer.answer(&connect, hello).await;
        } else {
            peer.refuse(&connect, json!({"code": "INVALID_REQUEST"})).await;
        }
        peer
    }
}

impl Peer {
    async fn send(&mut self, frame: Value) {
        let frame = Message::text(frame.to_string());
        self.socket.send(frame).await.unwrap();
    }

    /// The next request, which must be `method`.
    pub(crate) async fn expect(&mut self, method: &str) -> Value {
        let request = self.read().await.expect("the client hung up");
        assert_eq!(request["method"], method, "{request}");
        request
    }

    /// What the client says before it hangs up, if anything.
    pub(crate) async fn last_words(&mut self) -> Option<Value> {
        self.read().await
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    pub(crate) async fn answer(&mut self, request: &Value, payload: Value) {
        let id = &request["id"];
        self.send(json!({"type": "res", "id": id, "ok": true, "payload": payload})).await;
    }

    pub(crate) async fn refuse(&mut self, request: &Value, error: Value) {
        let id = &request["id"];
        self.send(json!({"type": "res", "id": id, "ok": false, "error": error})).await;
    }

    /// A `chat` event of `run` in the session of the tests.
    pub(crate) async fn chat(&mut self, run: &str, state: &str, text: &str) {
        let content = json!([{"type": "text", "text": text}]);
        let payload = json!({"runId": run, "sessionKey": SESSION, "state": state,
                             "deltaText": text, "message": {"content": content}});
        self.event("chat", payload).await;
    }

    /// The end of a steered message that a run has taken in.
    pub(crate) async fn empty_final(&mut self, run: &str) {
        let payload = json!({"runId": run, "sessionKey": SESSION, "state": "final"});
        self.event("chat", payload).await;
    }

    pub(crate) async fn event(&mut self, event: &str, payload: Value) {
        self.send(json!({"type": "event", "event": event, "payload": payload})).await;
    }

    /// Closes the connection, as a gateway that restarts does.
    pub(crate) async fn hang_up(mut self) {
        let _ = self.socket.close(None).await;
    }
}

/// The session of the tests.
pub(crate) const SESSION: &str = "agent:main:hub:dm:1";
