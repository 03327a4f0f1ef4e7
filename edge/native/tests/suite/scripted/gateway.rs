//! A gateway in miniature, as a program: it keeps its transcript through SIGKILL, resumes what it
//! was killed in, forgets what it had not taken in, and refuses the keys of that, as measured of
//! OpenClaw 2026.9.6. It notes when it is told something twice, and when it is told something while
//! it rests. What it has to do by itself is in the file `jobs`, a time in each line; what it has done,
//! in `fired`. What it is told to do endlessly it does until it is stopped, and a while longer.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::{accept_async, tungstenite::Message};

const SESSION: &str = "agent:main:hub:dm:1";
/// Between two words of an answer.
const WORD: Duration = Duration::from_millis(15);
const WORDS: usize = 8;
/// What it is at goes on for so long after it was stopped, as a program may that it has started:
/// longer than whoever makes a backup waits within the sandbox.
const LINGERS: Duration = Duration::from_secs(5);
pub(crate) const ENDLESSLY: &str = "endlessly";

/// Not a test: the gateway a container starts in place of OpenClaw.
#[tokio::test]
#[ignore = "started by the container of another test"]
async fn a_gateway() {
    let (Ok(port), Some(dir)) =
        (std::env::var("ZAKI_TEST_PORT"), std::env::var_os("OPENCLAW_STATE_DIR"))
    else {
        return;
    };
    let gateway = Arc::new(Gateway::open(dir.into()));
    gateway.clone().resume();
    tokio::spawn(gateway.clone().do_jobs());
    let address = ("127.0.0.1", port.parse::<u16>().unwrap());
    let listener = TcpListener::bind(address).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(gateway.clone().serve(stream));
    }
}

struct Gateway {
    dir: PathBuf,
    version: String,
    inner: Mutex<Inner>,
    events: broadcast::Sender<String>,
}

#[derive(Default)]
struct Inner {
    rows: Vec<Value>,
    /// Keys an earlier gateway was told.
    before: HashSet<String>,
    /// Keys this one was told.
    known: HashSet<String>,
    active: Option<String>,
    /// What runs is to stop.
    stopped: bool,
    waiting: Vec<(String, String)>,
    rests: bool,
}

fn lines(path: PathBuf) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Without a database there is no memory, and nothing to back up.
fn remember(dir: &std::path::Path) {
    let state = dir.join("state");
    fs::create_dir_all(&state).unwrap();
    let database = rusqlite::Connection::open(state.join("openclaw.sqlite")).unwrap();
    database.execute_batch("CREATE TABLE IF NOT EXISTS memory (what TEXT) STRICT").unwrap();
}

impl Gateway {
    fn open(dir: PathBuf) -> Self {
        let row = |line: String| serde_json::from_str(&line).unwrap();
        let rows = lines(dir.join("transcript")).into_iter().map(row).collect();
        let before = lines(dir.join("keys")).into_iter().collect();
        let inner = Inner { rows, before, ..Inner::default() };
        let version = std::env::var("ZAKI_TEST_VERSION");
        if version.is_ok() {
            remember(&dir);
        }
        let version = version.unwrap_or_else(|_| "scripted".to_owned());
        Self { dir, version, inner: Mutex::new(inner), events: broadcast::channel(1024).0 }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// One write, so that SIGKILL leaves all of it or nothing.
    fn append(&self, file: &str, line: &str) {
        let path = self.dir.join(file);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn add(&self, inner: &mut Inner, row: Value) {
        self.append("transcript", &row.to_string());
        inner.rows.push(row);
    }

    /// What an earlier one was killed in goes on under an id of its own.
    fn resume(self: Arc<Self>) {
        let mut inner = self.inner();
        let Some(last) = inner.rows.last().filter(|row| row["role"] == "user").cloned() else {
            return;
        };
        let run = format!("e3bf0455-9130-444c-9946-{:012}", inner.rows.len());
        let system = json!({"role": "user", "content": last["content"],
                            "idempotencyKey": format!("{run}:user")});
        self.add(&mut inner, system);
        inner.active = Some(run.clone());
        drop(inner);
        tokio::spawn(self.run(run, last["content"].as_str().unwrap().to_owned()));
    }

    /// Works until it is stopped.
    async fn toil(&self, run: &str, text: &str) {
        while !self.inner().stopped {
            tokio::time::sleep(WORD).await;
        }
        self.chat(run, &json!({"state": "aborted"}));
        tokio::time::sleep(LINGERS).await;
        let mut inner = self.inner();
        (inner.active, inner.stopped) = (None, false);
        let part = format!("<part of the answer to {text}>");
        self.add(&mut inner, json!({"role": "assistant", "content": part, "stopReason": "stop"}));
    }

    async fn run(self: Arc<Self>, run: String, mut text: String) {
        let mut said = Vec::new();
        loop {
            if text.contains(ENDLESSLY) {
                return self.toil(&run, &text).await;
            }
            for n in 0..WORDS {
                tokio::time::sleep(WORD).await;
                let (piece, whole) = (format!("w{n} "), "w ".repeat(n + 1));
                self.chat(
                    &run,
                    &json!({"state": "delta", "deltaText": piece,
                                        "message": {"content": whole}}),
                );
            }
            let mut inner = self.inner();
            said.push(format!("<answer to {text}>"));
            let row = json!({"role": "assistant", "content": said.last(), "stopReason": "stop"});
            self.add(&mut inner, row);
            if inner.waiting.is_empty() {
                inner.active = None;
                let message = json!({"content": said.join("\n\n")});
                return self.chat(&run, &json!({"state": "final", "message": message}));
            }
            let (key, more) = inner.waiting.remove(0);
            self.hear(&mut inner, &key, &more);
            self.chat(&key, &json!({"state": "final"}));
            text = more;
        }
    }

    fn hear(&self, inner: &mut Inner, key: &str, text: &str) {
        let key = format!("{key}:user");
        let row = json!({"role": "user", "content": text, "idempotencyKey": key});
        self.add(inner, row);
    }

    fn chat(&self, run: &str, fields: &Value) {
        let mut payload = json!({"runId": run, "sessionKey": SESSION});
        for (key, value) in fields.as_object().unwrap() {
            payload[key] = value.clone();
        }
        let event = json!({"type": "event", "event": "chat", "payload": payload});
        let _ = self.events.send(event.to_string());
    }

    fn jobs(&self) -> Vec<String> {
        lines(self.dir.join("jobs"))
    }

    /// Does what is due, unless it rests.
    async fn do_jobs(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WORD).await;
            let inner = self.inner();
            let now = crate::client::now().as_ms();
            let (due, left): (Vec<_>, Vec<_>) =
                self.jobs().into_iter().partition(|at| at.parse::<i64>().unwrap() <= now);
            if !due.is_empty() && !inner.rests {
                fs::write(self.dir.join("jobs"), left.join("\n")).unwrap();
                for at in &due {
                    self.append("fired", at);
                }
            }
        }
    }

    /// It rests when nothing is to do.
    fn prepare(&self) -> Value {
        let mut inner = self.inner();
        if inner.active.is_some() {
            return json!({"status": "busy"});
        }
        inner.rests = true;
        json!({"status": "ready", "suspensionId": "s"})
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let Ok(mut socket) = accept_async(stream).await else { return };
        let mut events = self.events.subscribe();
        let challenge = json!({"type": "event", "event": "connect.challenge", "payload": {}});
        let _ = socket.send(Message::text(challenge.to_string())).await;
        loop {
            let text = tokio::select! {
                event = events.recv() => event.unwrap(),
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        self.clone().answer(&serde_json::from_str(&text).unwrap()).to_string()
                    }
                    Some(Ok(_)) => continue,
                    _ => return,
                },
            };
            if socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    }

    fn answer(self: Arc<Self>, request: &Value) -> Value {
        let outcome = match request["method"].as_str().unwrap() {
            "connect" => Ok(json!({"server": {"version": self.version}})),
            "chat.send" => self.send(&request["params"]),
            "chat.abort" => {
                let mut inner = self.inner();
                inner.stopped = inner.active.is_some();
                Ok(json!({"ok": true}))
            }
            "chat.history" => {
                let inner = self.inner();
                let active = inner.active.is_some();
                Ok(json!({"messages": inner.rows, "sessionInfo": {"hasActiveRun": active}}))
            }
            "gateway.suspend.prepare" => Ok(self.prepare()),
            "gateway.suspend.resume" => {
                self.inner().rests = false;
                Ok(json!({"ok": true}))
            }
            "cron.list" => {
                let job =
                    |at: String| json!({"state": {"nextRunAtMs": at.parse::<i64>().unwrap()}});
                Ok(json!({"jobs": self.jobs().into_iter().map(job).collect::<Vec<_>>()}))
            }
            _ => Ok(json!({})),
        };
        let id = &request["id"];
        match outcome {
            Ok(payload) => json!({"type": "res", "id": id, "ok": true, "payload": payload}),
            Err(error) => json!({"type": "res", "id": id, "ok": false, "error": error}),
        }
    }

    fn send(self: Arc<Self>, params: &Value) -> Result<Value, Value> {
        let key = params["idempotencyKey"].as_str().unwrap().to_owned();
        let text = params["message"].as_str().unwrap().to_owned();
        let mut inner = self.inner();
        if inner.rests {
            self.append("told_asleep", &key);
            return Err(json!({"code": "UNAVAILABLE", "retryable": true, "retryAfterMs": 100}));
        }
        if inner.known.contains(&key) {
            return Ok(json!({"runId": key, "status": "in_flight"}));
        }
        let is_heard = inner.rows.iter().any(|row| row["idempotencyKey"] == format!("{key}:user"));
        if is_heard {
            self.append("told_twice", &key);
        }
        if inner.before.contains(&key) {
            return Err(json!({"code": "UNAVAILABLE", "message": "Pending input"}));
        }
        self.append("keys", &key);
        inner.known.insert(key.clone());
        if inner.active.is_some() {
            inner.waiting.push((key.clone(), text));
        } else {
            self.hear(&mut inner, &key, &text);
            inner.active = Some(key.clone());
            drop(inner);
            tokio::spawn(self.run(key.clone(), text));
        }
        Ok(json!({"runId": key, "status": "started"}))
    }
}
