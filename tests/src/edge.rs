//! An edge of its own, as a subprocess: what replicas of the hub share.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::net::TcpStream;

use crate::SOON;
use crate::up::Up;
use crate::world::own_address;

/// What hubs and their edge share.
pub const KEY: &str = "a key that an edge and its hubs share: 0001";

/// `zaki edge` with the echo runtime. Dropping it ends it.
pub struct Edge {
    address: SocketAddr,
    up: Up,
}

impl Edge {
    /// Starts it in `dir`, which it makes, and waits until it listens.
    pub async fn start(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let address = own_address();
        let config = dir.join("edge.toml");
        fs::write(
            &config,
            format!(
                "[hub]\ndata_dir = \"{}\"\n[edge]\nlisten = \"{address}\"\nkey = \"{KEY}\"\n\
                 [sandbox]\nruntime = \"echo\"\n",
                dir.display()
            ),
        )?;
        fs::set_permissions(&config, Permissions::from_mode(0o600))?;
        let up = Up::run("edge", &config, &dir.join("edge.log"), SOON, &[])?;
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(address).await.is_err() {
            if Instant::now() > deadline {
                bail!("the edge does not listen\n{}", up.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, up })
    }

    /// Where hubs find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.up.log()
    }
}
