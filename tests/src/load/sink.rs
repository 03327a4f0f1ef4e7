//! A platform that takes whatever the hub sends, and answers as soon as it has it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::connection::content_length;

/// What the platform answers to a body, as JSON.
type Answer = dyn Fn(&[u8]) -> String + Send + Sync;

/// A listening platform; gone when dropped.
pub struct Sink {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Sink {
    /// Listens on loopback; `answer` sees each request's body when it has arrived.
    pub async fn start(answer: impl Fn(&[u8]) -> String + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let answer: Arc<Answer> = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move { serve(stream, &*answer).await });
            }
        });
        Ok(Self { address, task })
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers until the hub hangs up.
async fn serve(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some((from, to)) = body(&buffer)? {
            let json = answer(buffer.get(from..to).unwrap_or_default());
            buffer.drain(..to);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
            stream.write_all(format!("{head}{}\r\n\r\n{json}", json.len()).as_bytes()).await?;
        }
    }
    Ok(())
}

/// Where the body of the first request lies, once all of it is there.
fn body(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let httparse::Status::Complete(head) = request.parse(bytes).map_err(invalid)? else {
        return Ok(None);
    };
    let end = head + content_length(request.headers).unwrap_or_default();
    Ok((bytes.len() >= end).then_some((head, end)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::load::Connection;

    #[tokio::test]
    async fn each_request_is_seen_once_and_answered() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let sink = Sink::start(move |body| {
            note.lock().unwrap().push(String::from_utf8_lossy(body).into_owned());
            "{}".to_owned()
        });
        let sink = sink.await.unwrap();
        let mut connection = Connection::open(sink.address).await.unwrap();
        for body in ["one", "two"] {
            let request = format!("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n{body}");
            assert_eq!(connection.call(request.as_bytes()).await.unwrap(), 200);
        }
        assert_eq!(*seen.lock().unwrap(), ["one", "two"]);
    }
}
