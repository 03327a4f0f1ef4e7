//! The way into a container without a network, and its way to the model proxy: one `exec` of
//! `zaki-container tunnel`, whose input and output carry any number of streams by yamux.
//!
//! The engine is the one who can reach into a container, on this machine or another, so no port is
//! published, no bridge is made, and no rule of a firewall is relied upon.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::{StreamExt, future};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;
use tokio_yamux::{Config, Control, Session};

use super::engine::Engine;
use crate::runtime::RuntimeError;

const PROGRAM: [&str; 2] = ["/usr/local/bin/zaki-container", "tunnel"];
/// After a tunnel that broke: its container ends, is held still, or the engine went.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A port of this machine's loopback that leads to the container's own. Closed when dropped.
pub(super) struct Tunnel {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Tunnel {
    pub(super) async fn open(
        engine: Engine,
        container: String,
        model_proxy: SocketAddr,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let keeper = Keeper { engine, container, model_proxy, listener };
        Ok(Self { address, task: tokio::spawn(keeper.keep()) })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    engine: Engine,
    container: String,
    model_proxy: SocketAddr,
    listener: TcpListener,
}

impl Keeper {
    /// One tunnel after the other; whoever calls in between waits.
    async fn keep(self) {
        loop {
            match self.dig().await {
                Ok(ends) => self.carry(ends).await,
                Err(error) => {
                    tracing::debug!(container = %self.container, %error, "tunnel.not_opened");
                }
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    async fn dig(&self) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, RuntimeError> {
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(PROGRAM.to_vec()),
            ..CreateExecOptions::default()
        };
        let exec = self.engine.docker.create_exec(&self.container, options).await?;
        let StartExecResults::Attached { output, input } =
            self.engine.docker.start_exec(&exec.id, None).await?
        else {
            return Err(RuntimeError::new("the engine does not attach"));
        };
        let words = output.filter_map(|piece| {
            future::ready(match piece {
                Ok(LogOutput::StdOut { message }) => Some(Ok(message)),
                Ok(other) => {
                    tracing::debug!(%other, "tunnel.said");
                    None
                }
                Err(error) => Some(Err(io::Error::other(error))),
            })
        });
        Ok(join(StreamReader::new(words), input))
    }

    async fn carry(&self, ends: impl AsyncRead + AsyncWrite + Unpin) {
        // No keepalive: a container that is held still does not answer, and loses nothing by it.
        let config = Config { enable_keepalive: false, ..Config::default() };
        let mut session = Session::new_client(ends, config);
        let control = session.control();
        loop {
            tokio::select! {
                stream = session.next() => match stream {
                    Some(Ok(stream)) => drop(tokio::spawn(leave(stream, self.model_proxy))),
                    _ => return,
                },
                caller = self.listener.accept() => if let Ok((caller, _)) = caller {
                    tokio::spawn(enter(control.clone(), caller));
                },
            }
        }
    }
}

/// A call of the edge, to the container.
async fn enter(mut control: Control, mut caller: TcpStream) -> io::Result<()> {
    caller.set_nodelay(true)?;
    let mut stream = control.open_stream().await.map_err(io::Error::other)?;
    copy_bidirectional(&mut caller, &mut stream).await.map(drop)
}

/// A call of the gateway, to its model.
async fn leave(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    proxy: SocketAddr,
) -> io::Result<()> {
    let mut model = TcpStream::connect(proxy).await?;
    model.set_nodelay(true)?;
    copy_bidirectional(&mut stream, &mut model).await.map(drop)
}
