//! The edge's Worker in the real workerd on this machine, with real containers: what `cargo xtask
//! edge build` has bundled, served by `edge/worker/local/serve.mjs`. Cloudflare, as far as it can be
//! had here.
//!
//! `cargo xtask edge` says in the environment where its parts are. Containers that a run before left
//! behind, because it was killed, carry the number of its process in their names and are removed.

mod rig;

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as Probe};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

pub use rig::Rig;

/// What it shares with its hubs, unless it is told another.
pub const KEY: &str = "a key that an edge and its hubs share: 0001";

/// Every name of ours begins so, followed by the number of the process.
const PREFIX: &str = "zaki-test-";
/// workerd is up within seconds, also on a machine that is busy.
const SOON: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Another worker in the same workerd, to compare it with: a script in `tests/yardstick`.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The script's, without its ending.
    pub name: &'static str,
    /// Its objects, each with a container of the rig's image: `{"BINDING": "Class"}`.
    pub objects: Value,
    /// Where it listens, on loopback.
    pub address: SocketAddr,
}

impl Beside {
    /// One at an address of ours.
    pub fn new(name: &'static str, objects: Value) -> Self {
        Self { name, objects, address: own_address() }
    }

    fn options(&self) -> Value {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../yardstick");
        json!({
            "name": self.name,
            "script": format!("{dir}/{}.mjs", self.name),
            "objects": self.objects,
            "port": self.address.port(),
        })
    }
}

/// A running Worker. Dropping it ends workerd and removes its containers.
pub struct Workerd {
    rig: Rig,
    name: String,
    address: SocketAddr,
    dir: PathBuf,
    /// Further variables and secrets.
    bindings: Value,
    beside: Vec<Beside>,
    direct: Option<SocketAddr>,
    running: Option<(Child, ChildStdin)>,
    way_out: Option<tokio::task::JoinHandle<()>>,
}

impl Workerd {
    /// Starts one that keeps everything in `dir`, with `bindings` beside the usual ones, and waits
    /// until it answers.
    pub async fn start(rig: &Rig, dir: &Path, bindings: Value) -> Result<Self> {
        let mut one = Self::prepare(rig, dir, bindings)?;
        one.up().await?;
        Ok(one)
    }

    /// The same for a measurement: with others beside it, and all of them without the Worker that
    /// miniflare puts before every other.
    pub async fn start_beside(rig: &Rig, dir: &Path, beside: &[Beside]) -> Result<Self> {
        let mut one = Self::prepare(rig, dir, json!({}))?;
        (one.beside, one.direct) = (beside.to_vec(), Some(own_address()));
        one.up().await?;
        Ok(one)
    }

    fn prepare(rig: &Rig, dir: &Path, bindings: Value) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        rig.sweep()?;
        fs::create_dir_all(dir)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let (rig, dir, address) = (rig.clone(), dir.to_owned(), own_address());
        let (beside, direct, running, way_out) = (Vec::new(), None, None, None);
        Ok(Self { rig, name, address, dir, bindings, beside, direct, running, way_out })
    }

    /// Starts it, again if need be: what its objects and its bucket have stored is there.
    pub async fn up(&mut self) -> Result<()> {
        self.rig.remove(&self.containers()?)?;
        let options = self.options().await?;
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut node = Command::new(self.rig.node());
        // Together they can be killed, and a Ctrl-C in the terminal is ours to handle.
        node.arg(rig::SERVE).process_group(0).current_dir(&self.dir).stdin(Stdio::piped());
        let mut child = node.stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        writeln!(input, "{options}")?;
        self.running = Some((child, input));
        self.ready().await
    }

    async fn options(&mut self) -> Result<Value> {
        let key = hex::encode(KEY);
        let mut bindings = json!({
            "ZAKI_EDGE_KEYS": format!("edge={key},hub={key}"),
            "ZAKI_SANDBOX_SECRET": "07".repeat(32),
            "ZAKI_EDGE_URL": self.way_out().await?,
            "ZAKI_HUB_URL": "",
        });
        if let (Some(all), Some(more)) = (bindings.as_object_mut(), self.bindings.as_object()) {
            all.extend(more.clone());
        }
        let Rig { modules, docker, sidecar, image } = &self.rig;
        Ok(json!({
            "env": "staging",
            "name": self.name,
            "host": self.address.ip(),
            "port": self.address.port(),
            "state": self.dir.join("state"),
            "modules": modules,
            "docker": docker,
            "sidecar": sidecar,
            "image": image,
            "bindings": bindings,
            "direct": self.direct.map(|address| address.port()),
            "beside": self.beside.iter().map(Beside::options).collect::<Vec<_>>(),
        }))
    }

    /// Where containers find the Worker, which itself listens on loopback alone.
    async fn way_out(&mut self) -> Result<String> {
        let listener = TcpListener::bind((self.rig.gateway()?, 0)).await?;
        let (url, to) = (format!("http://{}", listener.local_addr()?), self.address);
        let carry = tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut worker = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut caller, &mut worker).await
                });
            }
        });
        if let Some(before) = self.way_out.replace(carry) {
            before.abort();
        }
        Ok(url)
    }

    async fn ready(&mut self) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let (url, deadline) = (format!("http://{}/health", self.address), Instant::now() + SOON);
        loop {
            let answer = http.get(&url).timeout(Duration::from_secs(5)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            if let Some((child, _)) = &mut self.running
                && let Some(status) = child.try_wait()?
            {
                bail!("the Worker ended ({status}) instead of starting\n{}", self.log());
            }
            ensure!(Instant::now() < deadline, "the Worker is not ready\n{}", self.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.direct.unwrap_or(self.address)
    }

    /// The process that runs all of it.
    pub fn pid(&self) -> Result<i32> {
        let (node, _) = self.running.as_ref().context("the Worker is not up")?;
        let children = format!("/proc/{0}/task/{0}/children", node.id());
        let children = fs::read_to_string(children)?;
        Ok(children.split_whitespace().next().context("Node has started nothing")?.parse()?)
    }

    /// Its containers, and the sidecars of those.
    pub fn containers(&self) -> Result<Vec<String>> {
        self.rig.containers(&format!("{}-", self.name))
    }

    /// Ends every container as a crash of it does.
    pub fn kill_containers(&self) -> Result<()> {
        let mut names = self.containers()?;
        names.retain(|name| !name.ends_with("-proxy"));
        let mut arguments = vec!["kill"];
        arguments.extend(names.iter().map(String::as_str));
        if names.is_empty() { Ok(()) } else { self.rig.docker(&arguments).map(drop) }
    }

    /// The bucket takes nothing any more, or does again.
    pub fn bucket_is(&self, up: bool) -> Result<()> {
        for bucket in fs::read_dir(self.dir.join("state/r2"))? {
            let (blobs, away) = (bucket?.path().join("blobs"), "blobs-away");
            match up {
                // What is kept in it lies in a directory, and a file is none.
                false if blobs.is_dir() => {
                    fs::rename(&blobs, blobs.with_file_name(away))?;
                    fs::write(&blobs, "")?;
                }
                true if blobs.is_file() => {
                    fs::remove_file(&blobs)?;
                    fs::rename(blobs.with_file_name(away), &blobs)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is kept in the bucket and is such lies there no longer as it was.
    pub fn spoil(&self, is_such: impl Fn(&str) -> bool) -> Result<()> {
        for bucket in fs::read_dir(self.dir.join("state/r2"))? {
            // What else lies there is no bucket.
            let Ok(blobs) = fs::read_dir(bucket?.path().join("blobs")) else { continue };
            for blob in blobs {
                let blob = blob?.path();
                if fs::read_to_string(&blob).is_ok_and(|text| is_such(&text)) {
                    let size = usize::try_from(fs::metadata(&blob)?.len())?;
                    fs::write(blob, "?".repeat(size))?;
                }
            }
        }
        Ok(())
    }

    /// All objects are new, as after a move to another class or account. Nothing may run.
    pub fn forget_objects(&self) -> Result<()> {
        for kept in fs::read_dir(self.dir.join("state"))? {
            let kept = kept?.path();
            if !kept.ends_with("r2") {
                fs::remove_dir_all(kept)?;
            }
        }
        Ok(())
    }

    /// Fires the cron trigger.
    pub fn cron(&mut self) -> Result<()> {
        let (_, input) = self.running.as_mut().context("the Worker is not up")?;
        Ok(writeln!(input, "*/5 * * * *")?)
    }

    /// workerd dies as in a crash; its containers live on until it is up again.
    pub fn kill(&mut self) -> Result<()> {
        let (mut child, input) = self.running.take().context("the Worker is not up")?;
        drop(input);
        killpg(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGKILL)?;
        child.wait()?;
        Ok(())
    }

    /// All it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("workerd.log")
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        if self.running.is_some() {
            let _ = self.kill();
        }
        if let Some(way_out) = self.way_out.take() {
            way_out.abort();
        }
        if let Ok(left) = self.containers() {
            let _ = self.rig.remove(&left);
        }
    }
}

/// An address of loopback that is nobody else's, also after a crash: below the ports that the
/// system gives away by itself, and another one in every process.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(8) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + number % 20_000).unwrap_or(10_000);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if Probe::bind(address).is_ok() {
            return address;
        }
    }
}
