//! The program as the edge runs it: a process, a port, Server-Sent Events.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use zaki_envelope::{
    InboundId, Timestamp, TurnId,
    wire::{SseDecoder, TurnEvent, TurnEventKind},
};

use crate::model::Model;

pub(crate) const TOKEN: &str = "a-token-for-tests-only";

/// The program, running.
pub(crate) struct Sandbox {
    child: Child,
    base: String,
    state: PathBuf,
    client: Client,
}

pub(crate) fn turn_id(n: u128) -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(1_700_000_000_000), n)
}

impl Sandbox {
    pub(crate) async fn start(runtime: &Path, state: &Path, model: &Model) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_zaki-container"))
            .arg("--state")
            .arg(state)
            .arg("--node")
            .arg(runtime.join("bin/node"))
            .arg("--openclaw")
            .arg(runtime.join("node_modules/openclaw"))
            .args(["--model-url", &model.url, "--model", "stub", "--choice", "maker/other"])
            .env("ZAKI_SANDBOX_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        Self {
            child,
            base: format!("http://{}/v1", line["listening"].as_str().unwrap()),
            state: state.into(),
            client: Client::new(),
        }
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Asks for a turn and leaves its events to be read.
    pub(crate) async fn post(&self, n: u128, session: &str, text: &str) -> Stream {
        self.ask(n, session, text, None).await
    }

    /// Runs a turn by a model of its own.
    pub(crate) async fn run_by(&self, n: u128, session: &str, model: &str) -> Vec<TurnEvent> {
        self.ask(n, session, "SAY:by another", Some(model)).await.finish().await
    }

    async fn ask(&self, n: u128, session: &str, text: &str, model: Option<&str>) -> Stream {
        let body = json!({
            "turn": turn_id(n), "session": session, "parts": [{"type": "text", "text": text}],
            "origin": {"channel": "slack", "conversation": "direct"},
            "budget": {"timeout_ms": 120_000}, "model": model,
        });
        let request = self.client.post(format!("{}/turns", self.base)).json(&body);
        Stream::new(send(request).await)
    }

    pub(crate) async fn run(&self, n: u128, session: &str, text: &str) -> Vec<TurnEvent> {
        self.post(n, session, text).await.finish().await
    }

    pub(crate) async fn resume(&self, n: u128, after: u64) -> Vec<TurnEvent> {
        let url = format!("{}/turns/{}?after={after}", self.base, turn_id(n));
        Stream::new(send(self.client.get(url)).await).finish().await
    }

    pub(crate) async fn unknown(&self, turn: TurnId) -> u16 {
        let url = format!("{}/turns/{turn}", self.base);
        let request = self.client.get(url).bearer_auth(TOKEN);
        request.send().await.unwrap().status().as_u16()
    }

    /// Says something more in turn `n`.
    pub(crate) async fn steer(&self, n: u128, steer: u128, text: &str) -> u16 {
        let steer = InboundId::from_parts(Timestamp::from_ms(1_700_000_000_000), steer);
        let url = format!("{}/turns/{}/steer", self.base, turn_id(n));
        let body = json!({"steer": steer, "parts": [{"type": "text", "text": text}]});
        let request = self.client.post(url).json(&body).bearer_auth(TOKEN);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn abort(&self, n: u128) -> u16 {
        let url = format!("{}/turns/{}/abort", self.base, turn_id(n));
        send(self.client.post(url)).await.status().as_u16()
    }

    pub(crate) async fn acknowledge(&self, n: u128, seq: u64) -> u16 {
        let url = format!("{}/turns/{}/ack?seq={seq}", self.base, turn_id(n));
        send(self.client.post(url)).await.status().as_u16()
    }

    pub(crate) fn kill_gateway(&self) {
        let text = fs::read(self.state.join("gateway.json")).unwrap();
        let identity: Value = serde_json::from_slice(&text).unwrap();
        let pid = i32::try_from(identity["pid"].as_i64().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    /// Kills the program itself, and waits until its gateway is gone too.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
        while !self.processes().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn terminate(&self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    }

    pub(crate) async fn wait(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// The processes that carry this sandbox's state in their environment.
    pub(crate) fn processes(&self) -> Vec<String> {
        let state = self.state.to_str().unwrap().as_bytes();
        let of_ours = |path: &PathBuf| {
            let environ = fs::read(path.join("environ")).unwrap_or_default();
            environ.windows(state.len()).any(|window| window == state)
        };
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        all.filter(of_ours).map(|path| path.display().to_string()).collect()
    }
}

async fn send(request: RequestBuilder) -> Response {
    let response = request.bearer_auth(TOKEN).send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response
}

/// A turn's events as they arrive.
pub(crate) struct Stream {
    response: Response,
    decoder: SseDecoder,
    events: Vec<TurnEvent>,
}

impl Stream {
    fn new(response: Response) -> Self {
        Self { response, decoder: SseDecoder::default(), events: Vec::new() }
    }

    async fn more(&mut self) -> bool {
        let Ok(Some(chunk)) = self.response.chunk().await else {
            return false;
        };
        self.events.extend(self.decoder.push(&chunk).unwrap());
        true
    }

    pub(crate) async fn until_delta(&mut self) {
        self.until("delta").await;
    }

    pub(crate) async fn until(&mut self, kind: &str) {
        while !self.events.iter().any(|event| event.kind.name() == kind) {
            assert!(self.more().await, "{:?}", kinds(&self.events));
        }
    }

    pub(crate) fn seen(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    pub(crate) async fn finish(mut self) -> Vec<TurnEvent> {
        while self.more().await {}
        self.events
    }
}

/// The text of the final, and whether it was aborted.
pub(crate) fn answer(events: &[TurnEvent]) -> (&str, bool) {
    match events.last().map(|event| &event.kind) {
        Some(TurnEventKind::Final { text, aborted, .. }) => (text, *aborted),
        other => panic!("no answer but {other:?} after {:?}", kinds(events)),
    }
}

pub(crate) fn output_tokens(events: &[TurnEvent]) -> u64 {
    match events.last().map(|event| &event.kind) {
        Some(TurnEventKind::Final { usage, .. }) => usage.output_tokens,
        other => panic!("no final but {other:?}"),
    }
}

pub(crate) fn has_tool(events: &[TurnEvent], tool: &str) -> bool {
    let is_tool =
        |event: &TurnEvent| matches!(&event.kind, TurnEventKind::Tool { name, .. } if name == tool);
    events.iter().any(is_tool)
}

pub(crate) fn kinds(events: &[TurnEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}
