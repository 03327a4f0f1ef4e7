//! `zaki-container tunnel`: the way in and out of a sandbox that has no network.
//!
//! The edge runs it inside the container and holds its standard input and output, over which yamux
//! carries any number of streams. A stream from the edge leads to this sandbox's own interface; a
//! connection to the one local port [`MODEL_PORT`] leads to the edge's model proxy. It ends with its
//! input, so with the edge.

use std::{io, net::Ipv4Addr, time::Duration};

use anyhow::Result;
use futures::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional, join, stdin, stdout},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_yamux::{Config, Control, Session};
use zaki_container::MODEL_PORT;

/// Between two tries for the port, which the tunnel of an earlier edge gives up as it ends.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Carries streams until the edge goes.
pub(crate) async fn run(port: u16) -> Result<()> {
    let mut session = Session::new_server(join(stdin(), stdout()), config());
    let model = tokio::spawn(serve_model(session.control()));
    while let Some(Ok(stream)) = session.next().await {
        tokio::spawn(lead(stream, port));
    }
    model.abort();
    Ok(())
}

/// No keepalive: a frozen sandbox does not answer, and loses nothing by it.
fn config() -> Config {
    Config { enable_keepalive: false, ..Config::default() }
}

async fn lead(mut stream: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> io::Result<()> {
    let mut inside = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    inside.set_nodelay(true)?;
    copy_bidirectional(&mut stream, &mut inside).await.map(drop)
}

async fn serve_model(control: Control) {
    let listener = loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, MODEL_PORT)).await {
            Ok(listener) => break listener,
            Err(_) => sleep(TRY_AGAIN).await,
        }
    };
    loop {
        match listener.accept().await {
            Ok((caller, _)) => _ = tokio::spawn(leave(control.clone(), caller)),
            // Most likely for want of descriptors.
            Err(_) => sleep(TRY_AGAIN).await,
        }
    }
}

async fn leave(mut control: Control, mut caller: TcpStream) -> io::Result<()> {
    caller.set_nodelay(true)?;
    let mut stream = control.open_stream().await.map_err(io::Error::other)?;
    copy_bidirectional(&mut caller, &mut stream).await.map(drop)
}
