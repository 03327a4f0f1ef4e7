//! A Docker engine: the one that answers, or Debian's daemon on a socket and a data root of its own.
//!
//! Our own daemon has one bridge with an address, for workerd, which reaches its containers over it;
//! it leads nowhere but to this machine. Images are built, and sandboxes of the native edge live,
//! without any network. It touches neither the firewall nor another daemon. Whoever uses it last stops
//! it, by its pid.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cache::{Cache, is_root};
use crate::install;
use crate::step::output;

/// Where tests look for the engine.
const TOLD: &str = "ZAKI_TEST_DOCKER";
/// Where an engine of the machine listens unless `DOCKER_HOST` says otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";
/// Best first. `vfs` copies every layer whole, and works on every file system.
const DRIVERS: [&str; 2] = ["overlay2", "vfs"];
/// A daemon is up within seconds, and goes within seconds; longer only on a very busy machine.
const PATIENCE: u32 = 240;
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The bridge of our own daemon, and this machine's address on it.
const BRIDGE: &str = "zaki0";
const ADDRESS: &str = "172.31.79.1/24";
const NONE: [&str; 3] = ["--bridge=none", "--userland-proxy=false", "--ip=127.0.0.1"];

/// An engine that answers.
pub(crate) struct Engine {
    host: String,
    own: Option<Own>,
}

impl Engine {
    /// Finds one, or starts one.
    pub(crate) fn open(cache: &Cache) -> Result<Self> {
        install::require("docker", "docker.io")?;
        let usual = env::var("DOCKER_HOST").unwrap_or_else(|_| USUAL.to_owned());
        if let Some(version) = version(&usual) {
            println!("Docker engine {version} at {usual}");
            return Ok(Self { host: usual, own: None });
        }
        ensure!(
            is_root(),
            "no Docker engine answers at {usual}: start one, name one by DOCKER_HOST, or run this \
             as root to have one started"
        );
        let own = Own::start(cache.dir("docker")?)?;
        let host = own.host();
        println!("Docker engine {} at {host}", version(&host).unwrap_or_default());
        Ok(Self { host, own: Some(own) })
    }

    /// The client, speaking to it, with the builder that needs no plugin.
    pub(crate) fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_HOST", &self.host).env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
        docker
    }

    /// What the client prints; nothing when it fails.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Option<String> {
        output(self.docker().args(arguments).stderr(Stdio::null()))
    }

    /// Whether it is ours alone.
    pub(crate) const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// As `DOCKER_HOST` has it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Tells a command where it is.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env(TOLD, &self.host);
    }
}

/// The version of the engine at `host`, if one answers.
fn version(host: &str) -> Option<String> {
    let mut docker = Command::new("docker");
    docker.args(["--host", host, "version", "--format", "{{.Server.Version}}"]);
    let version = output(docker.stdin(Stdio::null()).stderr(Stdio::null()))?;
    Some(version.trim().to_owned())
}

/// Makes the bridge, if we may. Without it only workerd misses something.
fn has_bridge() -> bool {
    let ip = |words: &[&str]| {
        output(Command::new("ip").args(words).stdin(Stdio::null()).stderr(Stdio::null())).is_some()
    };
    ip(&["link", "show", BRIDGE])
        || ((ip(&["-V"]) || install::debian(&["iproute2"]).is_ok())
            && ip(&["link", "add", BRIDGE, "type", "bridge"])
            && ip(&["address", "add", ADDRESS, "dev", BRIDGE])
            && ip(&["link", "set", BRIDGE, "up"]))
}

/// Our own daemon. Each user of it holds a shared lock on `users`.
struct Own {
    dir: PathBuf,
    users: File,
}

impl Own {
    fn start(dir: PathBuf) -> Result<Self> {
        install::require("dockerd", "docker.io")?;
        let users = File::create(dir.join("users"))?;
        users.lock_shared()?;
        let own = Self { dir, users };
        if version(&own.host()).is_some() {
            return Ok(own);
        }
        let overlay =
            fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("overlay"));
        for driver in DRIVERS.iter().filter(|driver| overlay || **driver != "overlay2") {
            if own.try_start(driver)? {
                return Ok(own);
            }
        }
        bail!("dockerd does not start; see {}", own.log().display())
    }

    /// Starts a daemon with this storage driver; `false`: it ended.
    fn try_start(&self, driver: &str) -> Result<bool> {
        if self.pid().is_none() {
            let _ = fs::remove_file(self.pid_file());
        }
        let log = File::create(self.log())?;
        let mut daemon = Command::new("dockerd");
        daemon.arg("--data-root").arg(self.dir.join(format!("data-{driver}")));
        daemon.arg("--exec-root").arg(self.dir.join("exec"));
        daemon.arg("--pidfile").arg(self.pid_file()).args(["--host", &self.host()]);
        daemon.args(["--iptables=false", "--ip6tables=false", "--ip-masq=false"]);
        daemon.args(["--ip-forward=false", "--log-level=warn"]);
        // Ports of containers are for loopback, and carried there by a process: without a firewall
        // there is no other way.
        daemon.args(if has_bridge() { ["--bridge", BRIDGE, "--ip=127.0.0.1"] } else { NONE });
        daemon.args(["--storage-driver", driver]);
        // A Ctrl-C in the terminal is ours to handle.
        std::os::unix::process::CommandExt::process_group(&mut daemon, 0);
        daemon.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = daemon.spawn().context("cannot run dockerd")?;
        for _ in 0..PATIENCE {
            if version(&self.host()).is_some() {
                return Ok(true);
            }
            if child.try_wait()?.is_some() && self.pid().is_none() {
                return Ok(false);
            }
            sleep(LOOK_AGAIN);
        }
        bail!("dockerd does not answer; see {}", self.log().display())
    }

    fn host(&self) -> String {
        format!("unix://{}", self.dir.join("docker.sock").display())
    }

    fn log(&self) -> PathBuf {
        self.dir.join("dockerd.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("dockerd.pid")
    }

    /// The daemon that runs; a number that was given to another program since is not it.
    fn pid(&self) -> Option<Pid> {
        let pid: i32 = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        let program = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
        (program.ok()?.trim() == "dockerd").then_some(Pid::from_raw(pid))
    }

    fn stop(&self) {
        let Some(pid) = self.pid() else { return };
        println!("stopping dockerd, pid {pid}");
        let _ = kill(pid, Signal::SIGTERM);
        for _ in 0..PATIENCE {
            if self.pid().is_none() {
                return;
            }
            sleep(LOOK_AGAIN);
        }
        eprintln!("dockerd, pid {pid}, does not end");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Granted only when nobody else uses it.
        if self.users.unlock().is_ok() && self.users.try_lock().is_ok() {
            self.stop();
        }
    }
}
