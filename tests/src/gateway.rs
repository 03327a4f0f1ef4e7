//! OpenClaw driven over its own socket, with nothing of ours between: what a sandbox is compared
//! with. Its environment and configuration are those of a gateway that a sandbox runs, read off
//! `/proc`, with another directory, port and model.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::openclaw;

/// Beside other starts one has taken minutes.
const START: Duration = Duration::from_mins(4);
/// Between two knocks, as a sandbox knocks.
const KNOCK: Duration = Duration::from_millis(50);
const TOKEN: &str = "a token of the benchmark, long enough";

type Socket = WebSocketStream<TcpStream>;

/// How to start a gateway in a directory of its own.
#[derive(Clone, Debug)]
pub struct Recipe {
    node: PathBuf,
    script: PathBuf,
    environment: Vec<(String, String)>,
    state: PathBuf,
}

impl Recipe {
    /// As the sandbox whose state is `from` runs its own of what is installed in `openclaw`, but in
    /// `state`, which is made, and with the model at `model`.
    pub fn like(openclaw: &Path, from: &Path, state: &Path, model: &str) -> Result<Self> {
        let gateway = openclaw::gateways(from).pop().context("no gateway runs there")?;
        let here =
            |text: &str| text.replace(&from.display().to_string(), &state.display().to_string());
        let node = fs::read_link(format!("/proc/{}/exe", gateway.pid))?;
        let script = openclaw.join("node_modules/openclaw/openclaw.mjs");
        let environment = gateway.environment();
        let variables = environment.split('\0').filter_map(|it| it.split_once('='));
        let environment = variables.map(|(name, value)| (name.to_owned(), here(value))).collect();
        copy_config(from, state, model)?;
        Ok(Self { node, script, environment, state: state.to_owned() })
    }

    /// Starts it and waits until it takes turns.
    pub async fn start(&self) -> Result<Gateway> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let output = File::create(self.state.join("gateway.out"))?;
        let child = Command::new(&self.node)
            .arg(&self.script)
            .args(["gateway", "run", "--port", &port.to_string()])
            .current_dir(self.state.join("home"))
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("OPENCLAW_GATEWAY_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        let mut gateway = Gateway { child, socket: None, turns: 0 };
        let socket = tokio::time::timeout(START, gateway.knock(port)).await;
        let said = || fs::read_to_string(self.state.join("gateway.out")).unwrap_or_default();
        gateway.socket = Some(socket.with_context(said)?.with_context(said)?);
        Ok(gateway)
    }
}

/// The sandbox's configuration with its own paths and model.
fn copy_config(from: &Path, state: &Path, model: &str) -> Result<()> {
    for name in ["home", "openclaw", "workspace", "workspace-group", "logs", "tmp"] {
        fs::create_dir_all(state.join(name))?;
    }
    let config = fs::read_to_string(from.join("openclaw/openclaw.json"))?;
    let config = config.replace(&from.display().to_string(), &state.display().to_string());
    let mut config: Value = serde_json::from_str(&config)?;
    config["models"]["providers"]["zaki"]["baseUrl"] = json!(model);
    let config = serde_json::to_string_pretty(&config)?;
    Ok(fs::write(state.join("openclaw/openclaw.json"), config)?)
}

/// How a turn went, from its first byte on.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Until the gateway had it.
    pub taken: Duration,
    /// Until the first words of the answer.
    pub first: Duration,
}

/// A gateway that takes turns.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    socket: Option<Socket>,
    turns: u32,
}

impl Gateway {
    async fn knock(&mut self, port: u16) -> Result<Socket> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the gateway ended: {status}");
            }
            match hello(port).await {
                Ok(socket) => return Ok(socket),
                Err(_) => tokio::time::sleep(KNOCK).await,
            }
        }
    }

    /// Says something. Returns at the end of the answer.
    pub async fn say(&mut self, text: &str) -> Result<Heard> {
        self.turns += 1;
        let (id, run) = (format!("t{}", self.turns), format!("{:032x}", rand::random::<u128>()));
        let socket = self.socket.as_mut().context("it has stopped")?;
        let begun = Instant::now();
        let params = json!({"sessionKey": "agent:main:hub:dm:1", "message": text,
                            "idempotencyKey": run, "timeoutMs": 600_000});
        send(socket, &id, "chat.send", &params).await?;
        let (mut taken, mut first) = (None, None);
        loop {
            let frame = read(socket).await?;
            if frame["id"] == *id {
                ensure!(frame["ok"] == true, "it refuses: {frame}");
                taken = Some(begun.elapsed());
            }
            if frame["event"] != "chat" || frame["payload"]["runId"] != *run {
                continue;
            }
            match frame["payload"]["state"].as_str() {
                Some("delta") => _ = first.get_or_insert_with(|| begun.elapsed()),
                Some("final") => {
                    let first: Duration = first.context("an answer without words")?;
                    return Ok(Heard { taken: taken.unwrap_or(first), first });
                }
                Some("error" | "aborted") => bail!("no answer: {frame}"),
                _ => {}
            }
        }
    }

    /// Has it end, and waits until it did.
    pub async fn stop(mut self) -> Result<()> {
        self.socket = None;
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        self.child.wait().await?;
        Ok(())
    }
}

async fn hello(port: u16) -> Result<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut socket, _) = client_async(format!("ws://127.0.0.1:{port}/"), stream).await?;
    while read(&mut socket).await?["event"] != "connect.challenge" {}
    let params = json!({
        "minProtocol": 4, "maxProtocol": 4, "role": "operator",
        "client": {"id": "gateway-client", "version": "0", "platform": "linux", "mode": "backend"},
        "scopes": ["operator.read", "operator.write"], "caps": ["tool-events"],
        "auth": {"token": TOKEN},
    });
    send(&mut socket, "hello", "connect", &params).await?;
    loop {
        let frame = read(&mut socket).await?;
        if frame["id"] == "hello" {
            ensure!(frame["ok"] == true, "it is not ready");
            return Ok(socket);
        }
    }
}

async fn send(socket: &mut Socket, id: &str, method: &str, params: &Value) -> Result<()> {
    let frame = json!({"type": "req", "id": id, "method": method, "params": params});
    Ok(socket.send(Message::text(frame.to_string())).await?)
}

async fn read(socket: &mut Socket) -> Result<Value> {
    loop {
        match socket.next().await.context("the gateway went away")?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Close(_) => bail!("the gateway closed the connection"),
            _ => {}
        }
    }
}
