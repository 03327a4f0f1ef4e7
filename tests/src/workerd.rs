//! The Worker in the real workerd on this machine, with real containers: what `cargo xtask edge
//! build` has bundled, served by `edge/worker/local/serve.mjs`.
//!
//! `cargo xtask test` says in the environment where its parts are. Containers that a run before left
//! behind, because it was killed, carry the number of its process in their names and are removed.

use std::env;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::Write;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::SOON;
use crate::edge::KEY;
use crate::world::own_address;

/// Every name of ours begins so, followed by the number of the process.
const PREFIX: &str = "zaki-test-";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where everything is that it takes.
#[derive(Clone)]
pub struct Rig {
    /// `node_modules` of `edge/worker/package-lock.json`.
    modules: PathBuf,
    /// The engine, as `DOCKER_HOST` has it.
    docker: String,
    /// The image of the stand-in for workerd's own sidecar.
    sidecar: String,
    /// The image that containers run.
    image: String,
}

impl Rig {
    /// From the environment; `None`, and a line that says so, where it is not there.
    pub fn find() -> Option<Self> {
        let read = |name: &str| {
            let value = env::var(name).ok();
            if value.is_none() {
                println!("SKIPPED: set {name} (cargo xtask edge test does it)");
            }
            value
        };
        Some(Self {
            modules: read("ZAKI_TEST_WORKER")?.into(),
            docker: read("ZAKI_TEST_WORKER_DOCKER")?,
            sidecar: read("ZAKI_TEST_SIDECAR")?,
            image: read("ZAKI_TEST_BOX")?,
        })
    }

    /// Whether the suites are to have the Worker for their edge: `ZAKI_EDGE=workerd`.
    pub fn is_wanted() -> bool {
        env::var("ZAKI_EDGE").is_ok_and(|edge| edge == "workerd")
    }

    /// The same with containers that run something else.
    #[must_use]
    pub fn with_image(self, image: &str) -> Self {
        Self { image: image.to_owned(), ..self }
    }

    fn docker(&self, arguments: &[&str]) -> Result<String> {
        let mut docker = Command::new("docker");
        let out = docker.args(["--host", &self.docker]).args(arguments).output()?;
        ensure!(out.status.success(), "docker: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    }

    /// This machine as containers see it.
    fn gateway(&self) -> Result<IpAddr> {
        let format = "{{range .IPAM.Config}}{{.Gateway}}{{end}}";
        let gateway = self.docker(&["network", "inspect", "bridge", "--format", format])?;
        gateway.parse().with_context(|| format!("the bridge has no gateway: {gateway:?}"))
    }

    /// The names of the containers, workerd's sidecars among them, of workers whose names begin so.
    pub fn containers(&self, prefix: &str) -> Result<Vec<String>> {
        let filter = format!("name=-{prefix}");
        let all = self.docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"])?;
        Ok(all.lines().map(str::to_owned).collect())
    }

    /// Removes containers by name.
    pub fn remove(&self, names: &[String]) -> Result<()> {
        let names = names.iter().map(String::as_str);
        let arguments: Vec<&str> =
            ["rm", "--force", "--volumes"].into_iter().chain(names).collect();
        if arguments.len() > 3 { self.docker(&arguments).map(drop) } else { Ok(()) }
    }

    /// What processes that are gone have left behind.
    fn sweep(&self) -> Result<()> {
        let mut left = self.containers(PREFIX)?;
        left.retain(|name| {
            let owner = name.split_once(PREFIX).and_then(|(_, rest)| rest.split('-').next());
            owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        });
        self.remove(&left)
    }
}

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
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/yardstick");
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
        let serve = concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/worker/local/serve.mjs");
        let mut node = Command::new(self.node());
        // Together they can be killed, and a Ctrl-C in the terminal is ours to handle.
        node.arg(serve).process_group(0).current_dir(&self.dir).stdin(Stdio::piped());
        let mut child = node.stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        writeln!(input, "{options}")?;
        self.running = Some((child, input));
        self.ready().await
    }

    fn node(&self) -> PathBuf {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        self.rig.modules.join(format!("node-linux-{arch}/bin/node"))
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
