//! Where a sandbox listens: at an address, or at a socket that it was handed.

use std::{io, net::SocketAddr, os::fd::AsFd, str::FromStr};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

/// Where a sandbox listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At an address; port 0 takes a free one.
    Address(SocketAddr),
    /// At the listening Unix socket that is its standard input. Such a sandbox needs no network, no
    /// name of it lies where it could be replaced, and an edge that comes back finds it again.
    Stdin,
}

impl FromStr for Listen {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "stdin" { Ok(Self::Stdin) } else { text.parse().map(Self::Address) }
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Stdin => f.write_str("stdin"),
        }
    }
}

/// Somebody who listens.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) async fn open(at: Listen) -> io::Result<Self> {
        match at {
            Listen::Address(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Listen::Stdin => handed(&io::stdin()).map(Self::Unix),
        }
    }

    /// Where it really listens.
    pub(crate) fn place(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Listen::Address),
            Self::Unix(_) => Ok(Listen::Stdin),
        }
    }
}

/// A second hold on the socket, so that nobody closes the first.
fn handed(socket: &impl AsFd) -> io::Result<UnixListener> {
    let socket = socket.as_fd().try_clone_to_owned()?;
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

impl axum::serve::Listener for Listener {
    type Io = Either<TcpStream, UnixStream>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, ()) {
        let accepted = match self {
            Self::Tcp(listener) => Either::Left(axum::serve::Listener::accept(listener).await.0),
            Self::Unix(listener) => Either::Right(listener.accept().await.0),
        };
        (accepted, ())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn where_it_listens_is_said_as_it_is_read() {
        for text in ["stdin", "127.0.0.1:8787"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert!("stdout".parse::<Listen>().is_err());
    }

    #[tokio::test]
    async fn a_socket_that_was_handed_over_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let listener = Listener::Unix(handed(&socket).unwrap());
        assert_eq!(listener.place().unwrap(), Listen::Stdin);
        drop(socket);
        let router = Router::new().route("/", get(|| async { "here" }));
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let mut caller = UnixStream::connect(&path).await.unwrap();
        caller.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut said = String::new();
        caller.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("here"), "{said}");
        server.abort();
    }
}
