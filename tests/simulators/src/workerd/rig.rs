//! What workerd takes to run the Worker with containers: where it all is, and what to do where it
//! is not.

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::PREFIX;

/// The Worker as this machine serves it, in the source tree that this program was built from.
pub(super) const SERVE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../edge/worker/local/serve.mjs");
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../edge/worker/build/index_bg.wasm");
/// The image of a real sandbox.
const AGENT: &str = "ZAKI_TEST_IMAGE";

/// Where everything is that it takes.
#[derive(Clone)]
pub struct Rig {
    /// `node_modules` of `edge/worker/package-lock.json`.
    pub(super) modules: PathBuf,
    /// The engine, as `DOCKER_HOST` has it.
    pub(super) docker: String,
    /// The image of the stand-in for workerd's own sidecar.
    pub(super) sidecar: String,
    /// The image that containers run.
    pub(super) image: String,
}

impl Rig {
    /// From the environment, with containers that echo; `None`, and a line that says so, where it
    /// is not there.
    pub fn find() -> Option<Self> {
        let read = Self::read();
        read.map_err(|error| println!("SKIPPED: {error}; cargo xtask edge test does it")).ok()
    }

    /// The same with a real OpenClaw in each container.
    pub fn find_agent() -> Option<Self> {
        let rig = Self::find()?;
        let image = env::var(AGENT).ok();
        if image.is_none() {
            println!("SKIPPED: set {AGENT}; cargo xtask edge test does it");
        }
        image.map(|image| rig.with_image(&image))
    }

    fn read() -> Result<Self> {
        let read = |name: &str| env::var(name).ok().with_context(|| format!("set {name}"));
        Ok(Self {
            modules: read("ZAKI_TEST_WORKER")?.into(),
            docker: read("ZAKI_TEST_WORKER_DOCKER")?,
            sidecar: read("ZAKI_TEST_SIDECAR")?,
            image: read("ZAKI_TEST_BOX")?,
        })
    }

    /// For a demonstration, with a real OpenClaw in each container. An error says what is missing,
    /// and what to do.
    pub fn for_demo() -> Result<Self> {
        const ALL: &str = "`cargo xtask edge demo` in a checkout of the source builds and starts all \
                           that it takes, and then this";
        let rig = Self::read().with_context(|| format!("no Worker to run: {ALL}"))?;
        let image = env::var(AGENT).ok().with_context(|| {
            format!("no image of a sandbox ({AGENT}): `cargo xtask image` makes one; {ALL}")
        })?;
        let rig = rig.with_image(&image);
        for part in [SERVE, BUNDLE] {
            ensure!(
                Path::new(part).exists(),
                "{part} is not there: `cargo xtask edge build` bundles the Worker; {ALL}"
            );
        }
        let node = rig.node();
        ensure!(
            node.exists(),
            "no Node at {}: npm installs it with workerd as edge/worker/package-lock.json pins \
             them; {ALL}",
            node.display()
        );
        rig.engine().with_context(|| format!("no containers can be run; {ALL}"))?;
        Ok(rig)
    }

    /// An engine that answers, and has the images.
    fn engine(&self) -> Result<()> {
        if let Err(error) = self.docker(&["version"]) {
            bail!("no Docker engine answers at {}: start it ({error:#})", self.docker);
        }
        for image in [&self.sidecar, &self.image] {
            let found = self.docker(&["image", "inspect", "--format", "{{.Id}}", image]);
            found.with_context(|| format!("the engine at {} has no image {image}", self.docker))?;
        }
        Ok(())
    }

    /// The pinned Node.
    pub(super) fn node(&self) -> PathBuf {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        self.modules.join(format!("node-linux-{arch}/bin/node"))
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

    pub(super) fn docker(&self, arguments: &[&str]) -> Result<String> {
        let mut docker = Command::new("docker");
        let out = docker.args(["--host", &self.docker]).args(arguments).output();
        let out =
            out.context("there is no `docker`: install Debian's docker.io, or Docker's own")?;
        ensure!(out.status.success(), "docker: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    }

    /// This machine as containers see it.
    pub(super) fn gateway(&self) -> Result<IpAddr> {
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
    pub(super) fn sweep(&self) -> Result<()> {
        let mut left = self.containers(PREFIX)?;
        left.retain(|name| {
            let owner = name.split_once(PREFIX).and_then(|(_, rest)| rest.split('-').next());
            owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        });
        self.remove(&left)
    }
}
