//! Other people's clients against the simulators: aiogram, slack_sdk, pywa, discord.js.
//!
//! `ZAKI_CLIENTS` names the folder with `venv/` and `node_modules/` (`cargo xtask test` makes it);
//! `ZAKI_NODE` names the node program, if not `node`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// More than any script needs, so that a stuck one ends.
const LIMIT: Duration = Duration::from_mins(3);

/// The program `simulators`, ended when dropped.
struct Program {
    child: Child,
    where_they_are: String,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_simulators"))
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut where_they_are = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut where_they_are).unwrap();
        Self { child, where_they_are }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit status, or a kill when the time is over.
fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            return child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a script against fresh simulators; `at_least` guards against a script that checks nothing.
fn judge(script: &str, at_least: usize) {
    let Some(clients) = std::env::var_os("ZAKI_CLIENTS").map(PathBuf::from) else {
        println!("SKIPPED: set ZAKI_CLIENTS (cargo xtask test does it)");
        return;
    };
    let program = Program::start();
    let is_python = Path::new(script).extension().is_some_and(|e| e == "py");
    let interpreter = if is_python {
        clients.join("venv/bin/python")
    } else {
        std::env::var_os("ZAKI_NODE").map_or_else(|| "node".into(), PathBuf::from)
    };
    let mut child = Command::new(&interpreter)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script))
        .env("SIMULATORS", program.where_they_are.trim())
        .env("ZAKI_CLIENTS", &clients)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{}: {why}", interpreter.display()));
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    let status = wait(&mut child);
    let text = reader.join().unwrap();
    println!("{text}");
    let passed = text.lines().filter(|line| line.starts_with("ok  ")).count();
    assert!(status.success(), "{script} ended with {status}");
    assert!(passed >= at_least, "{script} made only {passed} checks");
}

#[test]
fn telegram_by_aiogram() {
    judge("telegram.py", 20);
}

#[test]
fn slack_by_slack_sdk() {
    judge("slack.py", 29);
}

#[test]
fn whatsapp_by_pywa() {
    judge("whatsapp.py", 20);
}

#[test]
fn discord_by_discord_js() {
    judge("discord.mjs", 24);
}

#[test]
fn the_program_ends_when_its_input_does() {
    let mut program = Program::start();
    drop(program.child.stdin.take());
    assert!(wait(&mut program.child).success());
}
