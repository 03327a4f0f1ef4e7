//! An edge of its own, as a subprocess: what replicas of the hub share.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::SOON;
use crate::up::Up;
use crate::world::own_address;

pub use crate::workerd::KEY;

/// `zaki edge`. Dropping it ends it.
pub struct Edge {
    address: SocketAddr,
    dir: PathBuf,
    up: Option<Up>,
}

impl Edge {
    /// Starts one with the echo runtime in `dir`, which it makes, and waits until it listens.
    pub async fn start(dir: &Path) -> Result<Self> {
        let mut edge = Self::prepare(dir, "[sandbox]\nruntime = \"echo\"\n")?;
        edge.up().await?;
        Ok(edge)
    }

    /// Writes the configuration of one in `dir`, which it makes: where it is, its key, and these
    /// lines.
    pub fn prepare(dir: &Path, settings: &str) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let edge = Self { address: own_address(), dir: dir.to_owned(), up: None };
        edge.configure(settings)?;
        Ok(edge)
    }

    /// From its next start on.
    pub fn configure(&self, settings: &str) -> Result<()> {
        let (dir, address) = (self.dir.display(), self.address);
        fs::write(
            self.config(),
            format!(
                "[hub]\ndata_dir = \"{dir}\"\n[edge]\nlisten = \"{address}\"\nkey = \"{KEY}\"\n\
                 {settings}"
            ),
        )?;
        Ok(fs::set_permissions(self.config(), Permissions::from_mode(0o600))?)
    }

    /// Starts it, again if need be, and waits until it listens.
    pub async fn up(&mut self) -> Result<()> {
        let up = Up::run("edge", &self.config(), &self.dir.join("edge.log"), 2 * SOON, &[])?;
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(self.address).await.is_err() {
            if Instant::now() > deadline {
                bail!("the edge does not listen\n{}", up.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.up = Some(up);
        Ok(())
    }

    /// It dies as in a crash.
    pub fn kill(&mut self) -> Result<()> {
        self.up.take().context("the edge is not up")?.kill()
    }

    /// It is asked to end, and does.
    pub async fn stop(&mut self) -> Result<()> {
        self.up.take().context("the edge is not up")?.stop(Signal::SIGTERM).await.map(drop)
    }

    /// Where hubs find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it keeps.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its sandboxes are, each in a directory of its name.
    pub fn sandboxes(&self) -> PathBuf {
        self.dir.join("sandboxes")
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.up.as_ref().map(Up::log).unwrap_or_default()
    }

    fn config(&self) -> PathBuf {
        self.dir.join("edge.toml")
    }
}
