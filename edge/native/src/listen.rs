//! A socket that serves HTTP, the edge's and the hub's: bounded in connections and in patience with silent callers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::{
    EdgeError,
    state::{Setting, State},
};

/// What was sent and not acknowledged for so long, in milliseconds, went to nobody. Streams say
/// something every few seconds, so a reader that is gone without a word costs little.
const UNHEARD_MS: u32 = 30_000;

/// Binds the address; with port 0 the port of the last time first.
pub(crate) async fn bind(address: SocketAddr, state: &State) -> Result<TcpListener, EdgeError> {
    if address.port() == 0
        && let Some(port) = state.setting(Setting::Port).await?
        && let Ok(port) = u16::try_from(port)
        && let Ok(listener) = TcpListener::bind(SocketAddr::new(address.ip(), port)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| EdgeError::Listen { address, source })?;
    if address.port() == 0 {
        let port = local_addr(&listener, address)?.port();
        state.save_setting(Setting::Port, port.into()).await?;
    }
    Ok(listener)
}

/// Where it listens.
pub(crate) fn local_addr(
    listener: &TcpListener,
    asked: SocketAddr,
) -> Result<SocketAddr, EdgeError> {
    let address = asked;
    listener.local_addr().map_err(|source| EdgeError::Listen { address, source })
}

/// Serves until it is dropped, and its connections with it. At most `most` at a time: one more
/// waits. One that sends no whole head within `patience` is closed, an idle one too.
pub async fn serve(listener: TcpListener, router: Router, most: usize, patience: Duration) {
    converse_with(listener, router, most, patience, |stream| {
        // A socket that takes no options works without them.
        let _ = stream.set_nodelay(true);
        let _ = sockopt::set_tcp_user_timeout(stream, UNHEARD_MS);
    })
    .await;
}

/// The same on a Unix socket.
pub(crate) async fn serve_local(
    listener: UnixListener,
    router: Router,
    most: usize,
    patience: Duration,
) {
    converse_with(listener, router, most, patience, |_| ()).await;
}

async fn converse_with<L: Listener>(
    mut listener: L,
    router: Router,
    most: usize,
    patience: Duration,
    prepare: fn(&L::Io),
) {
    let seats = Arc::new(Semaphore::new(most.max(1)));
    let mut connections = JoinSet::new();
    while let Ok(seat) = seats.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        // Waits a second where accepting fails, most likely for want of descriptors.
        let (stream, _) = listener.accept().await;
        prepare(&stream);
        connections.spawn(converse(stream, router.clone(), patience, seat));
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    patience: Duration,
    _seat: OwnedSemaphorePermit,
) {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let answered = router.oneshot(request.map(Body::new)).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|never| match never {}))
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(patience);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "connection.failed");
    }
}
