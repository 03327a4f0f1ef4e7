//! The program under test: found, or built once; and run to its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

/// No command of the program but `up` takes this long: some have a sandbox started, which takes a
/// minute and more beside other starts.
const PATIENCE: Duration = Duration::from_mins(5);

/// The program: `ZAKI_BIN`, or what `cargo build -p zaki` makes beside this test.
pub fn path() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    found.as_deref().map_err(|error| anyhow!("{error}"))
}

fn find() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("ZAKI_BIN") {
        return Ok(std::path::absolute(given)?);
    }
    let this = std::env::current_exe()?;
    // target/<profile>/bench or target/<profile>/deps/<suite>-<hash>
    let dir = this.ancestors().skip(1).find(|dir| !dir.ends_with("deps"));
    let dir = dir.context("this test is in no directory")?;
    let target = dir.parent().context("no target directory")?;
    let profile = dir.file_name().unwrap_or_default();
    let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--package", "zaki"]);
    // What cargo tells this test about its own package would make build scripts run again.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    remove(&mut build, told);
    let status = build.arg("--profile").arg(profile).arg("--target-dir").arg(target).status()?;
    ensure!(status.success(), "cargo build --package zaki: {status}");
    Ok(dir.join("zaki"))
}

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Absent when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output of a command that must succeed.
    pub fn ok(self) -> Result<String> {
        ensure!(self.code == Some(0), "it failed: {self:?}");
        Ok(self.stdout)
    }

    /// Standard error of a command that must fail with a sentence and no backtrace.
    pub fn refusal(self) -> Result<String> {
        ensure!(self.code.is_some_and(|code| code != 0), "it did not refuse: {self:?}");
        ensure!(!self.stderr.contains("panicked"), "it panicked: {self:?}");
        Ok(self.stderr)
    }
}

/// The program with these arguments, ready to be run; nobody else's settings leak into it.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Command> {
    let mut command = Command::new(path()?);
    command.args(args).stdin(Stdio::null());
    remove(&mut command, |name| name.starts_with("ZAKI__"));
    Ok(command)
}

/// Takes variables out of what a command inherits.
fn remove(command: &mut Command, unwanted: impl Fn(&str) -> bool) {
    for (name, _) in std::env::vars_os() {
        if unwanted(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
}

/// Runs it to its end.
pub async fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Output> {
    finish(command(args)?).await
}

/// Runs a command to its end; ends it when it takes too long.
pub async fn finish(command: Command) -> Result<Output> {
    let shown = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).output();
    let late = || format!("still running after {PATIENCE:?}: {shown}");
    let output = tokio::time::timeout(PATIENCE, running).await.with_context(late)??;
    Ok(Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).context("its output is not UTF-8")?,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
