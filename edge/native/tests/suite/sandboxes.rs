//! What the suites need of the machine: the container program, an OpenClaw, processes to look at.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;
use zaki_edge_native::{
    EdgeConfig, Isolation, IsolationReport, ModelConfig, Network, ProcessConfig, RuntimeChoice,
    RuntimePaths,
};

use crate::client::keys;

/// Names the container program, so that nobody builds it again.
const PROGRAM: &str = "ZAKI_CONTAINER";

/// The container program, built when it is missing or old.
pub(crate) fn program() -> String {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let built = FOUND.get_or_init(|| {
        if let Some(given) = std::env::var_os(PROGRAM) {
            return given.into();
        }
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "zaki-container"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(build.unwrap().success(), "the container program does not build");
        let here = std::env::current_exe().unwrap();
        here.ancestors().nth(3).unwrap().join("debug/zaki-container")
    });
    built.to_str().unwrap().to_owned()
}

/// A real Node and OpenClaw, where somebody has installed them.
pub(crate) fn runtime() -> Option<RuntimePaths> {
    let found = std::env::var_os("ZAKI_RUNTIME").map(PathBuf::from);
    if found.is_none() {
        println!("SKIPPED: ZAKI_RUNTIME names no installed Node and OpenClaw");
    }
    found.map(|dir| RuntimePaths::in_dir(&dir))
}

/// Whether sandboxes get users of their own.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// A Node that never becomes a gateway: the container is there and stays `starting`.
pub(crate) fn idle_runtime(dir: &Path) -> RuntimePaths {
    let paths = RuntimePaths::in_dir(&dir.join("runtime"));
    fs::create_dir_all(paths.node.parent().unwrap()).unwrap();
    fs::create_dir_all(&paths.openclaw).unwrap();
    fs::write(&paths.node, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&paths.node, Permissions::from_mode(0o755)).unwrap();
    fs::write(paths.openclaw.join("openclaw.mjs"), "").unwrap();
    paths
}

/// A directory other users can pass, as a data directory's parent has to be. A test that fails
/// leaves no sandbox behind.
pub(crate) struct Directory(TempDir);

pub(crate) fn directory() -> Directory {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
    Directory(dir)
}

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        for left in started(self.path()) {
            let _ = Command::new("kill").args(["-KILL", &left.pid.to_string()]).status();
        }
    }
}

/// Ends a process at once; it takes its gateway along.
pub(crate) fn kill(pid: u32) {
    let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

pub(crate) fn config(dir: &Path, runtime: RuntimePaths) -> EdgeConfig {
    // ZAKI_LOG=info tells what the edge does; the second test in a process finds it set.
    if let Ok(filter) = std::env::var("ZAKI_LOG") {
        let log = tracing_subscriber::fmt().with_env_filter(filter);
        let _ = log.with_writer(std::io::stderr).try_init();
    }
    let process = ProcessConfig::new([program()], runtime);
    let choice = RuntimeChoice::Process(process);
    let config = EdgeConfig::new(dir.join("data"), keys(), choice, ModelConfig::Offline);
    // However few processors there are, two people have theirs.
    EdgeConfig { max_parallel_starts: config.max_parallel_starts.max(2), ..config }
}

/// A process of a sandbox of the edge in `dir`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) pid: u32,
    pub(crate) arguments: Vec<String>,
}

impl Found {
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let prefix = format!("{name}=");
        let found = environment.split('\0').find_map(|entry| entry.strip_prefix(&prefix));
        found.map(str::to_owned)
    }

    pub(crate) fn argument(&self, name: &str) -> String {
        let at = self.arguments.iter().position(|word| word == name).unwrap();
        self.arguments[at + 1].clone()
    }

    /// Where the edge calls it.
    pub(crate) fn socket(&self) -> PathBuf {
        let state = PathBuf::from(self.argument("--state"));
        let name = state.file_name().unwrap().to_str().unwrap().to_owned();
        state.ancestors().nth(2).unwrap().join(format!("run/sandboxes/{name}.sock"))
    }

    /// What it answers to `GET /v1/health` of whoever shows `token`.
    pub(crate) async fn health(&self, token: &str) -> Option<u16> {
        let client = reqwest::Client::builder().no_proxy().unix_socket(self.socket());
        let call = client.build().unwrap().get("http://sandbox/v1/health").bearer_auth(token);
        Some(call.send().await.ok()?.status().as_u16())
    }

    /// Who started it, while it is there (proc_pid_stat(5)).
    fn parent(&self) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    }

    /// A field of `/proc/<pid>/status`.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let prefix = format!("{field}:");
        let line = status.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap().trim().to_owned()
    }
}

/// The container programs that work for the edge in `dir`. What one of them starts looks just like it
/// until it has become another program, which takes a while on a busy machine.
pub(crate) fn containers(dir: &Path) -> Vec<Found> {
    let all = started(dir).into_iter().filter(|found| !found.arguments[0].ends_with("bwrap"));
    let all: Vec<Found> = all.collect();
    let is_started_by_one = |found: &Found| {
        found.parent().is_none_or(|parent| all.iter().any(|other| other.pid == parent))
    };
    all.iter().filter(|found| !is_started_by_one(found)).cloned().collect()
}

/// The same with the jails around them.
pub(crate) fn started(dir: &Path) -> Vec<Found> {
    let state = dir.join("data/sandboxes");
    let state = state.to_str().unwrap();
    let mut found: Vec<Found> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let arguments: Vec<String> = line.split_terminator('\0').map(str::to_owned).collect();
            let ours = arguments.iter().any(|word| word == "--listen")
                && arguments.iter().any(|word| word.starts_with(state));
            ours.then_some(Found { pid, arguments })
        })
        .collect();
    found.sort();
    found
}

/// Whether this machine offers sandboxes namespaces of their own.
pub(crate) fn has_jails() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let look = || IsolationReport::look(Isolation::Auto, Network::None).unwrap();
    let there = *FOUND.get_or_init(|| look().is_whole());
    if !there {
        println!("SKIPPED: no namespaces for sandboxes here: {}", look());
    }
    there
}

/// Returns when no process mentions `dir`. What has been ended may take a moment to be gone.
pub(crate) async fn nothing_is_left(dir: &Path) {
    until("the end of every process", || mentions(dir).is_empty().then_some(())).await;
}

/// Every process that mentions `dir`, gateways and guards included.
fn mentions(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let _: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        (line.contains(dir) || folder.starts_with(dir)).then_some(line)
    });
    lines.filter(|line| !line.contains("an_edge_to_be_killed")).collect()
}

/// Looks until `ready` gives something; the bound is reached only by a defect.
pub(crate) async fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2_400 {
        if let Some(found) = ready() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// What the sandboxes of a test hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gateway {
    Idle,
    Real,
}

/// An edge in a process of its own, to be killed without warning.
pub(crate) struct Victim {
    child: Child,
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Victim {
    /// Starts it with a gateway that never comes up, or with a real one; `text` is said to user 1
    /// as turn 1 (see `an_edge_to_be_killed`).
    pub(crate) fn start(dir: &Path, text: &str, gateway: Gateway) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::an_edge_to_be_killed", "--ignored", "--nocapture"])
            .env("ZAKI_TEST_DIR", dir)
            .env("ZAKI_TEST_TEXT", text)
            .env(PROGRAM, program())
            .env("ZAKI_TEST_REAL", if gateway == Gateway::Real { "1" } else { "" })
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
    }
}

#[test]
fn what_a_container_starts_is_no_container() {
    let dir = directory();
    let state = dir.path().join("data/sandboxes");
    let both = format!("sh -c 'read _; :' x --listen {}; :", state.display());
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &both, "x", "--listen"]).arg(&state).stdin(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    while started(dir.path()).len() < 2 {
        std::thread::yield_now();
    }
    let found: Vec<u32> = containers(dir.path()).iter().map(|found| found.pid).collect();
    assert_eq!(found, [shell.id()]);
    drop(shell.stdin.take());
    shell.wait().unwrap();
}
