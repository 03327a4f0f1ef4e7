//! The way to the model out of a sandbox that has no network: one port of its loopback, which leads
//! to a Unix socket of the edge.

use std::{io, net::Ipv4Addr, path::PathBuf, time::Duration};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
    time::sleep,
};

/// Where the gateway finds its model, inside.
pub const MODEL_PORT: u16 = 8788;
/// After an accept that failed, most likely for want of descriptors.
const PAUSE: Duration = Duration::from_millis(20);

/// One that stands, as long as it is not dropped.
pub(crate) struct Bridge(tokio::task::JoinHandle<()>);

impl Bridge {
    /// Leads from `port` to whoever listens at `socket` when somebody calls.
    pub(crate) async fn open(port: u16, socket: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self(tokio::spawn(lead(listener, socket))))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn lead(listener: TcpListener, socket: PathBuf) {
    loop {
        match listener.accept().await {
            Ok((caller, _)) => drop(tokio::spawn(cross(caller, socket.clone()))),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn cross(mut caller: TcpStream, socket: PathBuf) -> io::Result<()> {
    caller.set_nodelay(true)?;
    // An edge that comes back makes the socket anew; a call in between fails, and is made again.
    let mut edge = UnixStream::connect(socket).await?;
    copy_bidirectional(&mut caller, &mut edge).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    async fn free_port() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn it_leads_to_the_edge_and_to_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.sock");
        let port = free_port().await;
        let _bridge = Bridge::open(port, path.clone()).await.unwrap();
        let call = async || {
            let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            caller.write_all(b"?").await.unwrap();
            let mut said = String::new();
            // Reset or closed: nobody was there.
            let _ = caller.read_to_string(&mut said).await;
            said
        };
        assert_eq!(call().await, "", "no edge");
        for edge in ["first", "second"] {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let answer = async {
                let (mut caller, _) = listener.accept().await.unwrap();
                let mut asked = [0];
                caller.read_exact(&mut asked).await.unwrap();
                caller.write_all(edge.as_bytes()).await.unwrap();
            };
            let (said, ()) = tokio::join!(call(), answer);
            assert_eq!(said, edge);
        }
    }
}
