//! A load balancer as operators put one before replicas: each request to the next replica that says
//! it is ready, no session ever kept. Not for more than a test's traffic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How often a replica is asked whether it is ready, and how long it may take to say so.
const PROBE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(750);
/// How long a replica may take to answer a request.
const ANSWER: Duration = Duration::from_secs(2);

/// A running balancer; dropping it ends it.
pub struct Balancer {
    address: SocketAddr,
    replicas: Arc<Replicas>,
    _tasks: JoinSet<()>,
}

struct Replicas {
    list: Vec<Replica>,
    next: AtomicUsize,
    http: reqwest::Client,
}

struct Replica {
    address: SocketAddr,
    ready: AtomicBool,
}

impl Balancer {
    /// Before these.
    pub async fn before(replicas: &[SocketAddr]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let list = replicas
            .iter()
            .map(|address| Replica { address: *address, ready: AtomicBool::new(false) });
        let http = reqwest::Client::builder().no_proxy().build()?;
        let replicas = Arc::new(Replicas { list: list.collect(), next: AtomicUsize::new(0), http });
        let mut tasks = JoinSet::new();
        for number in 0..replicas.list.len() {
            tasks.spawn(probe(Arc::clone(&replicas), number));
        }
        let router = Router::new().fallback(forward).with_state(Arc::clone(&replicas));
        tasks.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, replicas, _tasks: tasks })
    }

    /// Waits until it has seen every replica ready.
    pub async fn ready(&self) {
        let is_ready = |one: &Replica| one.ready.load(Ordering::Relaxed);
        while !self.replicas.list.iter().all(is_ready) {
            tokio::time::sleep(PROBE / 5).await;
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn probe(replicas: Arc<Replicas>, number: usize) {
    let Some(replica) = replicas.list.get(number) else { return };
    let url = format!("http://{}/ready", replica.address);
    loop {
        let answer = replicas.http.get(&url).timeout(PATIENCE).send().await;
        let ready = answer.is_ok_and(|answer| answer.status() == StatusCode::OK);
        replica.ready.store(ready, Ordering::Relaxed);
        tokio::time::sleep(PROBE).await;
    }
}

async fn forward(
    State(replicas): State<Arc<Replicas>>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    headers.remove(header::HOST);
    for _ in 0..replicas.list.len() {
        let Some(address) = replicas.turn() else { break };
        let request = replicas.http.request(method.clone(), format!("http://{address}{path}"));
        let request = request.headers(headers.clone()).body(body.clone()).timeout(ANSWER);
        match request.send().await {
            Ok(answer) => return pass(answer).await,
            // It has heard nothing, so another may.
            Err(error) if error.is_connect() => {}
            Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
        }
    }
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

async fn pass(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let Ok(body) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let keep =
        |name: &header::HeaderName| ![header::TRANSFER_ENCODING, header::CONNECTION].contains(name);
    response
        .headers_mut()
        .extend(headers.into_iter().filter(|(name, _)| name.as_ref().is_none_or(keep)));
    response
}

impl Replicas {
    /// Whose turn it is among those that are ready.
    fn turn(&self) -> Option<SocketAddr> {
        let ready: Vec<_> =
            self.list.iter().filter(|one| one.ready.load(Ordering::Relaxed)).collect();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ready.get(number.checked_rem(ready.len())?).map(|replica| replica.address)
    }
}
