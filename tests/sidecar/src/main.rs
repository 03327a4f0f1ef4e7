//! A stand-in for the network proxy that workerd starts beside every local container
//! (`cloudflare/proxy-everything`), for machines that no image registry reaches. Local runs only:
//! it lets workerd in to the container's ports, and intercepts nothing that leaves.
//!
//! What workerd asks of it, over HTTP/1.1 on `--http-ingress-address`: `CONNECT` with a header
//! `X-Dst-Addr: ip:port` (200 and a tunnel, or 400 when nobody listens there), `PUT /egress` (200)
//! and `GET /ca` (a certificate, here an empty one).

use std::env;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Where workerd expects it unless it says otherwise.
const PORT: u16 = 39001;
/// No head of workerd's is longer.
const LONGEST_HEAD: usize = 32 * 1024;
/// A container's own loopback answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(5);
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

fn main() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port(env::args())))?;
    for caller in listener.incoming().flatten() {
        thread::spawn(move || serve(caller));
    }
    Ok(())
}

/// The port of `--http-ingress-address 0.0.0.0:39001`; of its other arguments none matters here.
fn port(arguments: impl Iterator<Item = String>) -> u16 {
    let address = arguments.skip_while(|word| word != "--http-ingress-address").nth(1);
    let port = address.and_then(|address| address.rsplit_once(':')?.1.parse().ok());
    port.unwrap_or(PORT)
}

/// Calls one after the other, as HTTP/1.1 has it, until one becomes a tunnel: workerd keeps the
/// connection, and what it sends next on one that was closed is lost.
fn serve(mut caller: TcpStream) -> io::Result<()> {
    caller.set_nodelay(true)?;
    loop {
        let (head, rest) = read_head(&mut caller)?;
        if !head.starts_with("CONNECT ") {
            answer(&mut caller, &head, rest.len())?;
            continue;
        }
        let inside =
            destination(&head).and_then(|to| TcpStream::connect_timeout(&to, PATIENCE).ok());
        let Some(mut inside) = inside else {
            caller.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        inside.set_nodelay(true)?;
        caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        inside.write_all(&rest)?;
        return tunnel(caller, inside);
    }
}

/// The head as text, and what came after it.
fn read_head(caller: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while read.len() < LONGEST_HEAD {
        let n = caller.read(&mut buffer)?;
        read.extend_from_slice(buffer.get(..n).unwrap_or_default());
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&read).into_owned(), rest));
        }
        if n == 0 {
            break;
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .next()
}

fn destination(head: &str) -> Option<SocketAddr> {
    header(head, "x-dst-addr")?.parse().ok()
}

/// Anything but a tunnel: its body is read, so that the next call begins where it ends.
fn answer(caller: &mut TcpStream, head: &str, mut have: usize) -> io::Result<()> {
    let length = header(head, "content-length").and_then(|length| length.parse().ok());
    let mut buffer = [0; 4096];
    while have < length.unwrap_or_default() {
        match caller.read(&mut buffer)? {
            0 => break,
            n => have += n,
        }
    }
    let body = if head.starts_with("GET /ca") { CERTIFICATE } else { "" };
    let length = body.len();
    write!(caller, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Each way until its own end.
fn tunnel(caller: TcpStream, inside: TcpStream) -> io::Result<()> {
    let (from, to) = (caller.try_clone()?, inside.try_clone()?);
    let there = thread::spawn(move || carry(from, to));
    carry(inside, caller);
    let _ = there.join();
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(head: &str) -> (TcpStream, thread::JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let served = listener.accept().unwrap().0;
        let serving = thread::spawn(move || serve(served));
        caller.write_all(head.as_bytes()).unwrap();
        (caller, serving)
    }

    fn rest(mut caller: TcpStream) -> String {
        let _ = caller.shutdown(Shutdown::Write);
        let mut said = String::new();
        caller.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn the_port_is_the_one_it_is_told() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter();
        assert_eq!(port(words("sidecar --http-ingress-address 0.0.0.0:4711 --more x")), 4711);
        assert_eq!(port(words("sidecar --more 0.0.0.0:4711")), PORT);
    }

    #[test]
    fn a_tunnel_leads_to_who_listens_with_what_was_sent_ahead() {
        let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = inside.local_addr().unwrap();
        let head = format!("CONNECT x HTTP/1.1\r\nx-Dst-addr: {to}\r\n\r\nahead");
        let (caller, serving) = ask(&head);
        let (mut reached, _) = inside.accept().unwrap();
        caller.shutdown(Shutdown::Write).unwrap();
        let mut arrived = String::new();
        reached.read_to_string(&mut arrived).unwrap();
        assert_eq!(arrived, "ahead");
        reached.write_all(b"back").unwrap();
        drop(reached);
        assert_eq!(rest(caller), "HTTP/1.1 200 OK\r\n\r\nback");
        serving.join().unwrap().unwrap();
    }

    #[test]
    fn nobody_there_is_a_refusal() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        for to in [free.to_string(), "nowhere".to_owned()] {
            let (caller, _) = ask(&format!("CONNECT x HTTP/1.1\r\nX-Dst-Addr: {to}\r\n\r\n"));
            assert!(rest(caller).starts_with("HTTP/1.1 400 "), "{to}");
        }
    }

    #[test]
    fn a_connection_serves_more_than_one_call() {
        let refused = "CONNECT x HTTP/1.1\r\nX-Dst-Addr: nowhere\r\n\r\n";
        let (mut caller, _) = ask(refused);
        let mut first = [0; 12];
        caller.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 400");
        caller.write_all(b"GET /ca HTTP/1.1\r\n\r\n").unwrap();
        assert!(rest(caller).ends_with(CERTIFICATE));
    }

    #[test]
    fn what_leaves_may_be_announced() {
        let (caller, _) = ask("PUT /egress HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
        assert!(rest(caller).starts_with("HTTP/1.1 200 "));
        let (caller, _) = ask("GET /ca HTTP/1.1\r\n\r\n");
        assert!(rest(caller).ends_with(CERTIFICATE));
    }
}
