//! Edge, container and gateway killed at random, alone and together, while turns run and are
//! steered: every turn is answered once, whatever was steered in too, and nothing is told twice.
//!
//! The seed is printed; `ZAKI_TEST_SEED` replays it, `ZAKI_TEST_ROUNDS` makes it longer.

pub(crate) mod gateway;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::sleep;
use zaki_edge_native::{Edge, Isolation, RuntimeChoice, RuntimePaths};
use zaki_envelope::Part;
use zaki_envelope::wire::{SILENCE, SseDecoder, SteerRequest, TurnEvent, TurnEventKind};

use crate::client::*;
use crate::sandboxes::*;

const ROUNDS: u128 = 12;

/// Not a test: the edge that is killed. Tells where it listens in `address`.
#[tokio::test]
#[ignore = "started by the test that kills it"]
async fn an_edge() {
    let Some(dir) = std::env::var_os("ZAKI_TEST_DIR").map(PathBuf::from) else { return };
    let mut config = config(&dir, scripted_runtime(&dir));
    if let RuntimeChoice::Process(process) = &mut config.runtime {
        process.isolation = Isolation::Off;
    }
    let edge = Edge::start(config).await.unwrap();
    fs::write(dir.join("address.part"), edge.local_addr().to_string()).unwrap();
    fs::rename(dir.join("address.part"), dir.join("address")).unwrap();
    std::future::pending().await
}

/// How the script of a Node begins: past what is said to Node itself.
pub(crate) const NODE: &str = "#!/bin/sh\nwhile [ \"${1#--}\" != \"$1\" ]; do shift; done\n";

/// A Node that is the scripted gateway.
pub(crate) fn scripted_runtime(dir: &Path) -> RuntimePaths {
    let paths = idle_runtime(dir);
    let suite = std::env::current_exe().unwrap();
    let script = format!(
        "{NODE}ZAKI_TEST_PORT=$5 exec {} --exact scripted::gateway::a_gateway --ignored \
         --nocapture\n",
        suite.display()
    );
    let beside = dir.join("node.part");
    fs::write(&beside, script).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o755)).unwrap();
    fs::rename(beside, &paths.node).unwrap();
    paths
}

/// The edge as a process, started again whenever it has been killed.
struct Machine {
    dir: PathBuf,
    edge: Mutex<Child>,
    client: Client,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut edge = self.edge.lock().unwrap();
        let _ = edge.kill();
        let _ = edge.wait();
    }
}

fn start(dir: &Path) -> Child {
    let _ = fs::remove_file(dir.join("address"));
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scripted::an_edge", "--ignored", "--nocapture"])
        .env("ZAKI_TEST_DIR", dir)
        .env("ZAKI_CONTAINER", program())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Machine {
    fn new(dir: &Path) -> Self {
        let client = Client::builder().no_proxy().read_timeout(SILENCE).build().unwrap();
        Self { dir: dir.into(), edge: Mutex::new(start(dir)), client }
    }

    /// Bits: the gateway, the sandbox with its gateway, the edge.
    fn kill(&self, what: u8) {
        if what & 1 > 0 {
            self.kill_gateway();
        }
        if what & 2 > 0 {
            for found in containers(&self.dir) {
                end(found.pid);
            }
        }
        if what & 4 > 0 {
            self.kill_edge();
        }
    }

    fn kill_edge(&self) {
        let mut edge = self.edge.lock().unwrap();
        edge.kill().unwrap();
        edge.wait().unwrap();
        *edge = start(&self.dir);
    }

    fn kill_gateway(&self) {
        let noted = sandbox(&self.dir).and_then(|dir| fs::read(dir.join("gateway.json")).ok());
        let noted = noted.and_then(|noted| serde_json::from_slice::<Value>(&noted).ok());
        if let Some(pid) = noted.and_then(|noted| noted["pid"].as_u64()) {
            end(pid.try_into().unwrap());
        }
    }

    /// `None`: the edge is not there, or not there any more.
    async fn ask(&self, method: &str, path: &str, body: Vec<u8>) -> Option<Response> {
        let address = fs::read_to_string(self.dir.join("address")).ok()?;
        let (head, body) = signed(method, path, body).into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let asked = self.client.request(head.method, format!("http://{address}{path}"));
        asked.headers(head.headers).body(body).send().await.ok()
    }
}

/// The state of the one sandbox there is.
fn sandbox(dir: &Path) -> Option<PathBuf> {
    Some(fs::read_dir(dir.join("data/sandboxes")).ok()?.next()?.ok()?.path())
}

/// Ends a process, unless it has ended by itself.
fn end(pid: u32) {
    let mut kill = Command::new("kill");
    kill.args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
}

/// What the hub has read of a turn.
#[derive(Default)]
struct Read {
    last: u64,
    begun: bool,
    steered: bool,
    end: Option<TurnEventKind>,
}

impl Read {
    fn take(&mut self, event: TurnEvent) {
        if event.seq == 0 || event.seq <= self.last {
            return;
        }
        self.last = event.seq;
        self.steered |= matches!(event.kind, TurnEventKind::Steered { .. });
        if event.kind.is_end() {
            self.end = Some(event.kind);
        }
    }

    async fn read(&mut self, machine: &Machine, n: u128) -> Option<()> {
        let path = format!("/v1/users/{}/turns", user(1));
        let mut answer = if self.begun {
            let path = format!("{path}/{}?after={}", turn(n), self.last);
            machine.ask("GET", &path, vec![]).await?
        } else {
            let body = serde_json::to_vec(&request(turn(n), &format!("t{n}"))).unwrap();
            machine.ask("POST", &path, body).await?
        };
        self.begun = answer.status().is_success();
        assert!([200, 404, 503].contains(&answer.status().as_u16()), "{}", answer.status());
        if answer.status() == 404 {
            (self.last, self.steered) = (0, false);
        }
        if !self.begun {
            return None;
        }
        let mut decoder = SseDecoder::default();
        while let Some(bytes) = answer.chunk().await.ok()? {
            decoder.push(&bytes).unwrap().into_iter().for_each(|event| self.take(event));
        }
        Some(())
    }

    /// As a hub does: through every loss, to the end.
    async fn follow(mut self, machine: &Machine, n: u128, over: &Notify) -> Self {
        while self.end.is_none() {
            self.read(machine, n).await;
            sleep(Duration::from_millis(20)).await;
        }
        over.notify_waiters();
        self
    }
}

/// Says something more until it is clear what has become of it.
async fn steer(machine: &Machine, n: u128) {
    let path = format!("/v1/users/{}/turns/{}/steer", user(1), turn(n));
    let said = SteerRequest { steer: inbound(n), parts: vec![Part::text(format!("s{n}"))] };
    let said = serde_json::to_vec(&said).unwrap();
    loop {
        let answer = machine.ask("POST", &path, said.clone()).await;
        if answer.is_some_and(|answer| [202, 409].contains(&answer.status().as_u16())) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn whatever_dies_every_turn_is_answered_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("ZAKI_TEST_SEED").unwrap_or_else(|| rand::rng().random());
    let rounds = number("ZAKI_TEST_ROUNDS").map_or(ROUNDS, u128::from);
    println!("ZAKI_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let dir = directory();
    let machine = Machine::new(dir.path());
    for n in 1..=rounds {
        let mut wait = |most| Duration::from_millis(random.random_range(0..most));
        let (steer_after, kill_after) = (wait(400), wait(500));
        let what = 1 + random.random_range(0..7);
        let over = Notify::new();
        let killing = async {
            sleep(kill_after).await;
            machine.kill(what);
        };
        let steering = async {
            sleep(steer_after).await;
            tokio::select! {
                () = steer(&machine, n) => {}
                () = over.notified() => {}
            }
        };
        let reading = Read::default().follow(&machine, n, &over);
        let (read, (), ()) = tokio::join!(reading, steering, killing);
        let Some(TurnEventKind::Final { text, aborted: false, .. }) = &read.end else {
            panic!("turn {n} has no answer but {:?}", read.end);
        };
        let count = |what: String| text.matches(&format!("<answer to {what}>")).count();
        let told = format!("turn {n}, {steer_after:?}, {what} at {kill_after:?}: {text}");
        assert_eq!(count(format!("t{n}")), 1, "{told}");
        assert_eq!(count(format!("s{n}")), usize::from(read.steered), "{told}");
    }
    let state = sandbox(dir.path()).unwrap().join("openclaw");
    assert_eq!(fs::read_to_string(state.join("told_twice")).unwrap_or_default(), "");
    let transcript = fs::read_to_string(state.join("transcript")).unwrap();
    for n in 1..=rounds {
        let count = |what: &str| transcript.matches(&format!("<answer to {what}{n}>")).count();
        assert_eq!(count("t"), 1, "turn {n}: {transcript}");
        assert!(count("s") <= 1, "steered {n}: {transcript}");
    }
}
