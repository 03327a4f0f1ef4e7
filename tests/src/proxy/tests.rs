//! Every trouble, seen from both ends of a connection.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;

const SHORT: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(10);

/// A server that answers every line with itself, and tells what it heard.
async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut line = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut line).await {
                    let _ = heard.send(String::from_utf8_lossy(&line[..length]).into_owned());
                    if stream.write_all(&line[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, told)
}

/// A proxy, a connection through it, and what the server hears.
async fn through() -> (Proxy, TcpStream, mpsc::UnboundedReceiver<String>) {
    let (address, heard) = server().await;
    let proxy = Proxy::to(address, Seed(1)).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, "hello").await.as_deref(), Some("hello"));
    (proxy, stream, heard)
}

/// Sends and reads one answer; `None`: the connection ended, or nothing came for a while.
async fn ask(stream: &mut TcpStream, text: &str) -> Option<String> {
    stream.write_all(text.as_bytes()).await.ok()?;
    let mut answer = vec![0; text.len()];
    let read = stream.read_exact(&mut answer);
    tokio::time::timeout(SHORT, read).await.ok()?.ok()?;
    String::from_utf8(answer).ok()
}

async fn next(heard: &mut mpsc::UnboundedReceiver<String>) -> Option<String> {
    tokio::time::timeout(SHORT, heard.recv()).await.ok()?
}

#[tokio::test]
async fn a_refusing_proxy_ends_old_connections_and_new_ones() {
    let (proxy, mut stream, _) = through().await;
    proxy.make(Trouble::Refused);
    assert_eq!(ask(&mut stream, "old").await, None);
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut other, "new").await, None);
    proxy.make(Trouble::None);
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut other, "new").await.as_deref(), Some("new"));
    assert_eq!(proxy.connections(), 3);
}

#[tokio::test]
async fn a_cut_comes_within_its_bytes() {
    for within in [0, 3, 40] {
        let (proxy, mut stream, _) = through().await;
        proxy.make(Trouble::Cut { within });
        let mut passed = 0;
        while ask(&mut stream, "four").await.is_some() {
            passed += 4;
            assert!(passed <= within, "{passed} bytes and more came through");
        }
        let mut rest = [0; 8];
        let end = tokio::time::timeout(LONG, stream.read(&mut rest)).await.unwrap();
        assert!(!matches!(end, Ok(5..)), "{end:?}");
    }
}

#[tokio::test]
async fn nobody_is_heard_while_it_is_silent_and_everybody_after_it() {
    let (proxy, mut stream, mut heard) = through().await;
    assert_eq!(next(&mut heard).await.as_deref(), Some("hello"));
    proxy.make(Trouble::Silent);
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!((ask(&mut stream, "old").await, ask(&mut other, "new").await), (None, None));
    assert_eq!(next(&mut heard).await, None);
    proxy.make(Trouble::None);
    let both = [next(&mut heard).await, next(&mut heard).await];
    assert!(both.contains(&Some("old".to_owned())) && both.contains(&Some("new".to_owned())));
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"old");
}

#[tokio::test]
async fn what_a_deaf_direction_loses_the_connection_does_not_survive() {
    for (side, arrives) in [(Side::Client, None), (Side::Server, Some("lost".to_owned()))] {
        let (proxy, mut stream, mut heard) = through().await;
        next(&mut heard).await;
        proxy.make(Trouble::Deaf(side));
        assert_eq!(ask(&mut stream, "lost").await, None);
        assert_eq!(next(&mut heard).await, arrives, "{side:?}");
        proxy.make(Trouble::None);
        assert!(ask(&mut stream, "after").await.is_none(), "{side:?}: bytes are missing");
    }
}

#[tokio::test]
async fn late_and_trickling_bytes_arrive_all_the_same() {
    for trouble in
        [Trouble::Late(LATE), Trouble::LateAnswer(2 * LATE), Trouble::Trickle(1, LATE / 4)]
    {
        let (proxy, mut stream, _) = through().await;
        proxy.make(trouble);
        let begun = Instant::now();
        assert_eq!(ask(&mut stream, "slowly").await.as_deref(), Some("slowly"), "{trouble:?}");
        assert!(begun.elapsed() >= Duration::from_millis(90), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_request_arrives_twice_and_is_answered_once() {
    let (proxy, mut stream, mut heard) = through().await;
    next(&mut heard).await;
    proxy.make(Trouble::Twice);
    assert_eq!(ask(&mut stream, "again").await.as_deref(), Some("again"));
    for _ in 0..2 {
        assert_eq!(next(&mut heard).await.as_deref(), Some("again"));
    }
    assert_eq!(next(&mut heard).await, None);
    assert_eq!(ask(&mut stream, "other").await.as_deref(), Some("other"), "and no second answer");
}

#[tokio::test]
async fn in_a_storm_some_are_refused_and_heard_by_nobody_else() {
    let (address, mut heard) = server().await;
    let proxy = Proxy::to(address, Seed(1)).await.unwrap();
    proxy.make(Trouble::Says(429));
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..40 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        match ask(&mut stream, "request").await.as_deref() {
            Some("request") => passed += 1,
            Some("HTTP/1.") => {
                let mut rest = String::new();
                stream.read_to_string(&mut rest).await.unwrap();
                assert!(rest.starts_with("1 429 ") && rest.ends_with("\r\n\r\n"), "{rest}");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 5 && passed > 5, "{refused} {passed}");
    for _ in 0..passed {
        assert_eq!(next(&mut heard).await.as_deref(), Some("request"));
    }
    assert_eq!(next(&mut heard).await, None);
}

#[test]
fn a_url_keeps_its_path_behind_the_proxy() {
    let trouble = Arc::new(watch::Sender::new(Trouble::None));
    let address = SocketAddr::from(([127, 0, 0, 1], 7));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = runtime.spawn(async {});
    let proxy = Proxy { address, trouble, passed: Arc::default(), server };
    assert_eq!(proxy.before("http://127.0.0.1:99/api/v10"), "http://127.0.0.1:7/api/v10");
    assert_eq!(proxy.before("http://127.0.0.1:99"), "http://127.0.0.1:7");
}
