//! Everybody attacks everybody, from inside, where an agent's commands run. What is attempted on
//! others is attempted on oneself as well, and on everybody from outside of all walls: there it must
//! succeed, or it shows nothing.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use zaki_envelope::ZakiUserId;

use super::Place;
use crate::caller::user;
use crate::openclaw;

/// What can be attempted on a sandbox.
const ATTEMPTS: [&str; 6] = ["files", "writing", "environment", "memory", "signal", "socket"];

/// Where a sandbox can be attacked.
struct Target {
    user: ZakiUserId,
    state: PathBuf,
    socket: PathBuf,
    gateway: i32,
}

impl Target {
    fn find(place: &Place, n: u32) -> Result<Self> {
        let (user, state) = (user(n), place.sandbox(user(n)));
        let gateway = openclaw::gateways(&state).pop().context("it has no gateway")?.pid;
        let socket = place.edge.dir().join(format!("run/sandboxes/openclaw-{user}.sock"));
        Ok(Self { user, state, socket, gateway })
    }

    /// A line of words for a shell: what succeeds of [`ATTEMPTS`].
    fn attack(&self) -> String {
        let (state, pid) = (self.state.display(), self.gateway);
        let dial = format!(
            "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1; \
             connect(S, sockaddr_un(\"{}\")) or exit 1",
            self.socket.display()
        );
        let commands = [
            format!("ls {state}/openclaw"),
            format!("touch {state}/workspace/attempt && rm {state}/workspace/attempt"),
            format!("cat /proc/{pid}/environ"),
            format!("head -c1 /proc/{pid}/maps"),
            format!("kill -0 {pid}"),
            format!("perl -e '{dial}'"),
        ];
        let tried = ATTEMPTS.iter().zip(commands);
        let tried =
            tried.map(|(name, command)| format!("({command}) >/dev/null 2>&1 && printf '{name} '"));
        tried.collect::<Vec<_>>().join("; ")
    }
}

pub(super) async fn run(place: &Place, who: &[u32]) -> Result<Value> {
    let targets: Vec<Target> =
        who.iter().map(|n| Target::find(place, *n)).collect::<Result<_>>()?;
    let script: Vec<String> = targets.iter().map(|it| format!("{}; echo", it.attack())).collect();
    let script = script.join("\n");
    let outside = outside(&script).await?;
    let outside = lines(&outside);
    for succeeded in &outside {
        ensure!(*succeeded == ATTEMPTS, "from outside only {succeeded:?} succeed");
    }
    let mut made = 0;
    for (at, attacker) in targets.iter().enumerate() {
        let path = format!("/v1/users/{}/sandbox/exec", attacker.user);
        let run = json!({"command": ["sh", "-c", script]});
        let said = place.caller.call(Method::POST, &path, &run).await?;
        let said = lines(said["stdout"].as_str().context("it says nothing")?);
        ensure!(said.len() == targets.len(), "{} of {} lines", said.len(), targets.len());
        for (to, succeeded) in said.iter().enumerate() {
            let own: &[&str] = if to == at { &["files", "writing"] } else { &[] };
            ensure!(succeeded == own, "sandbox {at} reaches {to}: {succeeded:?}");
            made += if to == at { 0 } else { ATTEMPTS.len() };
        }
    }
    Ok(json!({
        "attempts_on_others": made,
        "succeeded": 0,
        "kinds": ATTEMPTS,
        "from_outside_succeed": outside.len() * ATTEMPTS.len(),
    }))
}

async fn outside(script: &str) -> Result<String> {
    let output = Command::new("sh").args(["-c", script]).output().await?;
    Ok(String::from_utf8(output.stdout)?)
}

/// What succeeded, a line for each target.
fn lines(said: &str) -> Vec<Vec<&str>> {
    said.lines().map(|line| line.split_whitespace().collect()).collect()
}
