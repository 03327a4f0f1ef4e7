//! The second arrival of a request: kept while the client speaks, sent again when it is answered.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Larger requests come once only.
const MOST: usize = 1024 * 1024;

/// One connection's request under way.
pub(super) struct Replay {
    server: SocketAddr,
    request: Vec<u8>,
    answered: bool,
}

impl Replay {
    pub(super) fn to(server: SocketAddr) -> Self {
        Self { server, request: Vec::new(), answered: false }
    }

    /// The client said this: after an answer, the beginning of another request.
    pub(super) fn asked(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.answered) {
            self.request.clear();
        }
        if self.request.len() <= MOST {
            self.request.extend_from_slice(bytes);
        }
    }

    /// The server answers, so the request is whole: `twice` sends it again.
    pub(super) fn answered(&mut self, twice: bool) {
        let is_first = !std::mem::replace(&mut self.answered, true);
        if is_first && twice && !self.request.is_empty() && self.request.len() <= MOST {
            tokio::spawn(again(self.server, self.request.clone()));
        }
    }
}

async fn again(server: SocketAddr, request: Vec<u8>) {
    let Ok(mut stream) = TcpStream::connect(server).await else { return };
    if stream.write_all(&request).await.is_ok() {
        let mut answer = [0; 4096];
        let read = async { while matches!(stream.read(&mut answer).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
    }
}
