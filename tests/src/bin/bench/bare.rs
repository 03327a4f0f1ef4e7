//! What no hub can do without, as a server of its own: verify a webhook, commit it, answer 200. The
//! measure of what the rest of Zaki costs. With `--reply` it echoes what it was told as well.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::oneshot;
use zaki_tests::load::{App, Business};

use crate::drive::Target;

/// Messages in one transaction.
const BATCH: usize = 256;

/// How it is started.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where it listens.
    listen: SocketAddr,
    /// Its database.
    database: PathBuf,
    /// Where replies go.
    #[arg(long)]
    reply: Option<String>,
}

type Job = (Bytes, oneshot::Sender<()>);

#[derive(Clone)]
struct Server {
    jobs: mpsc::Sender<Job>,
    reply: Option<String>,
    http: reqwest::Client,
}

/// Serves until it is ended.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (jobs, queue) = mpsc::channel();
    let database = open(&options.database)?;
    thread::spawn(move || {
        if let Err(error) = write(&database, &queue) {
            eprintln!("error: the bare server cannot write: {error}");
        }
    });
    let http = reqwest::Client::builder().no_proxy().build()?;
    let server = Server { jobs, reply: options.reply.clone(), http };
    let router = Router::new().route(Bare::WEBHOOK, post(webhook)).with_state(server);
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        Ok(axum::serve(listener, router).await?)
    })
}

fn open(path: &PathBuf) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL; CREATE TABLE message (id INTEGER PRIMARY KEY, body BLOB)",
    )?;
    Ok(conn)
}

/// One thread, one transaction for all that waits.
fn write(conn: &Connection, queue: &mpsc::Receiver<Job>) -> rusqlite::Result<()> {
    let mut insert = conn.prepare("INSERT INTO message (body) VALUES (?)")?;
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = queue.recv() {
        batch.push(first);
        batch.extend(queue.try_iter().take(BATCH - 1));
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for (body, _) in &batch {
            insert.execute([&body[..]])?;
        }
        conn.execute_batch("COMMIT")?;
        for (_, done) in batch.drain(..) {
            let _ = done.send(());
        }
    }
    Ok(())
}

async fn webhook(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_signed(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let (done, committed) = oneshot::channel();
    if server.jobs.send((body.clone(), done)).is_err() || committed.await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if let Some(url) = server.reply {
        tokio::spawn(echo(server.http, url, body));
    }
    StatusCode::OK
}

/// By Meta, or by Slack; a wrong time is not looked for.
fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (given, secret, prefix) = if let Some(meta) = header("x-hub-signature-256") {
        (meta.strip_prefix("sha256="), Business::BENCH.app_secret, String::new())
    } else {
        let at = header("x-slack-request-timestamp").unwrap_or_default();
        let given = header("x-slack-signature").and_then(|given| given.strip_prefix("v0="));
        (given, App::BENCH.signing_secret, format!("v0:{at}:"))
    };
    let given = given.and_then(|given| hex::decode(given).ok());
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    match (given, mac) {
        (Some(given), Ok(mac)) => {
            mac.chain_update(prefix).chain_update(body).verify_slice(&given).is_ok()
        }
        _ => false,
    }
}

/// The reply as Slack takes it.
async fn echo(http: reqwest::Client, url: String, body: Bytes) {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reply = json!({"channel": body["event"]["channel"], "text": body["event"]["text"]});
    if let Err(error) = http.post(url).json(&reply).send().await {
        eprintln!("error: no reply: {error}");
    }
}

/// The server as a process of its own; ended when dropped.
pub(crate) struct Bare {
    child: Child,
    address: SocketAddr,
    /// Its database lies in here.
    _dir: tempfile::TempDir,
}

impl Bare {
    /// The path of its webhook.
    pub(crate) const WEBHOOK: &str = "/webhook";

    /// Starts it and waits until it listens.
    pub(crate) async fn start(reply: Option<&str>) -> Result<Self> {
        let address = zaki_tests::world::own_address();
        let dir = tempfile::Builder::new().prefix("zaki-bench-").tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").arg(address.to_string()).arg(dir.path().join("bare.db"));
        command.args(reply.map(|url| format!("--reply={url}")));
        let child = command.spawn().context("cannot start the bare server")?;
        let bare = Self { child, address, _dir: dir };
        let deadline = Instant::now() + zaki_tests::SOON;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > deadline {
                bail!("the bare server does not listen");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(bare)
    }

    /// For the load.
    pub(crate) fn target(&self) -> Target {
        let pid = i32::try_from(self.child.id()).unwrap_or_default();
        Target { pid, address: self.address }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
