//! An HTTP server that can drop a connection instead of answering, and stops at once.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Put into a response's extensions: close the connection instead of sending the response.
#[derive(Clone, Copy)]
pub(crate) struct HangUp;

#[derive(Debug, thiserror::Error)]
#[error("hung up on purpose")]
struct HungUp;

/// A free port of 127.0.0.1 and its base URL. Requests queue up until [`serve`] takes them.
pub(crate) async fn listen() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Serves until `stop`; then every connection is cut.
pub(crate) fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, router.clone()));
                    }
                    // Out of file descriptors, most likely: some will be given back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
            }
        }
    });
}

async fn connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    // An error here is a client that went away, or our own hanging up.
    let _ =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

async fn answer(router: Router, mut request: Request<Incoming>) -> Result<Response<Body>, HungUp> {
    if let Some(uri) = with_plain_at(request.uri()) {
        *request.uri_mut() = uri;
    }
    let response = match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions().get::<HangUp>() {
        Some(_) => Err(HungUp),
        None => Ok(response),
    }
}

/// Some clients write `@me` as `%40me`, which is the same path; the routes have it plain.
fn with_plain_at(uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str();
    path.contains("%40").then(|| path.replace("%40", "@").parse().ok())?
}
