//! `zaki-container health`: what an image's HEALTHCHECK runs. One request to the program beside it,
//! without a runtime, since it is started every half a minute for as long as the sandbox lives.

use std::{
    env,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use zaki_container::{LISTEN_VARIABLE, TOKEN_VARIABLE};

/// The program answers at once, also while its gateway starts.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than the answer ever has, in bytes.
const MOST: u64 = 64 * 1024;

/// Well when the gateway takes turns.
pub(crate) fn check() -> Result<()> {
    let port = port(&env::var(LISTEN_VARIABLE).unwrap_or_default())?;
    let token = env::var(TOKEN_VARIABLE).unwrap_or_default();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answer = ask(address, &token).context("the sandbox does not answer")?;
    let state = state(&answer)?;
    ensure!(state == "ready", "the sandbox is {state}");
    Ok(())
}

/// The port this sandbox listens on, wherever.
pub(crate) fn port(listen: &str) -> Result<u16> {
    let address: SocketAddr =
        listen.parse().with_context(|| format!("{LISTEN_VARIABLE} is no address with a port"))?;
    Ok(address.port())
}

fn ask(address: SocketAddr, token: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /v1/health HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    Ok(answer)
}

fn state(answer: &str) -> Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is cut off")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "the sandbox answers {status}");
    let body: serde_json::Value = serde_json::from_str(body.trim())?;
    Ok(body["state"].as_str().unwrap_or("silent about its state").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_state_of_a_good_answer_counts() {
        let answer = |status, body| format!("HTTP/1.1 {status}\r\nx: y\r\n\r\n{body}");
        assert_eq!(state(&answer("200 OK", r#"{"state":"starting"}"#)).unwrap(), "starting");
        assert!(state(&answer("401 Unauthorized", "")).is_err());
        assert!(state(&answer("500 x", r#"{"state":"ready"}"#)).is_err());
        assert!(state("HTTP/1.1 200 OK").is_err());
    }

    #[test]
    fn the_port_is_read_from_the_address() {
        assert_eq!(port("0.0.0.0:8787").unwrap(), 8787);
        assert!(port("").is_err() && port("8787").is_err());
    }
}
