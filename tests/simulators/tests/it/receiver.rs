//! A webhook that answers as told and keeps what it was sent.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Uri};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// One request it was sent.
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    received: mpsc::UnboundedReceiver<Received>,
    server: AbortHandle,
}

impl Receiver {
    /// `answer` is told the number of the request (from 0), its method, URI and body.
    pub(crate) async fn start<A>(
        answer: impl Fn(usize, &Method, &Uri, &[u8]) -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: IntoResponse,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, received) = mpsc::unbounded_channel();
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let answer = Arc::new(answer);
        let handle = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let response: Response = answer(number, &method, &uri, &body).into_response();
            let _ = sender.send(Received { headers, body });
            std::future::ready(response)
        };
        let router = Router::new().fallback(handle);
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received, server: server.abort_handle() }
    }

    pub(crate) async fn next(&mut self) -> Received {
        tokio::time::timeout(crate::SOON, self.received.recv()).await.unwrap().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}
