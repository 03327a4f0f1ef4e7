//! Several hubs on one PostgreSQL, one edge for all of them, and a balancer before them. Each hub
//! reaches the database through a proxy of its own, so that it alone can be cut off.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use toml::Table;
use zaki_store::testkit::{Database, database};

use crate::balancer::Balancer;
use crate::chaos::Seed;
use crate::edge::{self, Edge};
use crate::proxy::Proxy;
use crate::setup::set;
use crate::up::Up;
use crate::world::own_address;
use crate::{SOON, Setup, World};

/// A world with several hubs.
pub struct Replicas {
    /// The platforms, and the ledger as an operator sees it; its own hub is not up.
    pub world: World,
    /// The hubs.
    pub hubs: Vec<Hub>,
    _balancer: Balancer,
    _edge: Edge,
    _database: Database,
}

/// One of them.
pub struct Hub {
    address: SocketAddr,
    /// Where an edge asks it about people on the web, if it may.
    pub web: Option<SocketAddr>,
    config: PathBuf,
    log: PathBuf,
    up: Option<Up>,
    /// Between it and the database.
    pub database: Proxy,
}

impl Replicas {
    /// Starts `count` hubs; `None` where PostgreSQL is not installed.
    pub async fn start(setup: Setup, count: usize, seed: Seed) -> Result<Option<Self>> {
        let Some(database) = database().await else { return Ok(None) };
        let addresses: Vec<SocketAddr> = (0..count).map(|_| own_address()).collect();
        let balancer = Balancer::before(&addresses).await?;
        let setup = setup.behind(&balancer.url()).set("edge.key", edge::KEY);
        let world = setup.set("ledger.url", database.address()).prepare().await?;
        let edge = Edge::start(&world.dir().join("edge")).await?;
        world.reconfigure("edge.url", format!("http://{}", edge.address()))?;
        let mut hubs = Vec::new();
        for address in addresses {
            hubs.push(Hub::prepare(&world, address, database.address(), seed).await?);
        }
        let before = world.met();
        for hub in &mut hubs {
            hub.begin()?;
        }
        for hub in &mut hubs {
            hub.ready().await?;
        }
        tokio::time::timeout(SOON, balancer.ready()).await.context("the balancer sees nobody")?;
        world.attach(before, count).await.with_context(|| logs(&hubs))?;
        Ok(Some(Self { world, hubs, _balancer: balancer, _edge: edge, _database: database }))
    }

    /// The end of every hub's log.
    pub fn log(&self) -> String {
        logs(&self.hubs)
    }
}

fn logs(hubs: &[Hub]) -> String {
    let logs = hubs.iter().filter_map(|hub| hub.up.as_ref()).map(Up::log);
    logs.collect::<Vec<_>>().join("\n")
}

impl Hub {
    /// Its own configuration, data directory and way to the database; not yet started.
    async fn prepare(world: &World, address: SocketAddr, url: &str, seed: Seed) -> Result<Self> {
        let dir = world.dir().join(format!("hub-{}", address.port()));
        fs::create_dir_all(&dir)?;
        let (server, rest) = host(url).context("no host in the database's address")?;
        let database = Proxy::to(server, seed).await?;
        let mut settings: Table = fs::read_to_string(world.config())?.parse()?;
        set(&mut settings, "hub.listen", address.to_string().into());
        set(&mut settings, "hub.data_dir", dir.display().to_string().into());
        set(&mut settings, "ledger.url", rest(&database.address().to_string()).into());
        let web = settings.contains_key("web").then(own_address);
        if let Some(web) = web {
            set(&mut settings, "web.listen", web.to_string().into());
        }
        let config = dir.join("zaki.toml");
        write_private(&config, &settings.to_string())?;
        Ok(Self { address, web, config, log: dir.join("zaki.log"), up: None, database })
    }

    /// Starts its process.
    pub fn begin(&mut self) -> Result<()> {
        self.up = Some(Up::run("hub", &self.config, &self.log, SOON, &[])?);
        Ok(())
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("http://{}/ready", self.address);
        self.up.as_mut().context("this hub is not up")?.ready(&url, 2 * SOON).await
    }

    /// It dies.
    pub fn kill(&mut self) -> Result<()> {
        self.up.take().context("this hub is not up")?.kill()
    }

    /// It is asked to end, and does.
    pub async fn end(&mut self) -> Result<()> {
        let status = self.up.take().context("this hub is not up")?.stop(Signal::SIGTERM).await?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.up.as_ref().context("this hub is not up")?.signal(signal)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // One that is stopped hears no request to end.
        let _ = self.signal(Signal::SIGCONT);
    }
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o600))?)
}

/// The host of `postgres://user:password@host/database`, a name or an address, and the URL with
/// another host.
fn host(url: &str) -> Option<(SocketAddr, impl Fn(&str) -> String)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, after) = rest.split_once('/')?;
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port { host.to_owned() } else { format!("{host}:5432") };
    let addresses: Vec<SocketAddr> = host.to_socket_addrs().ok()?.collect();
    // A server may listen on one family only, and most on this.
    let address = *addresses.iter().find(|it| it.is_ipv4()).or(addresses.first())?;
    let before =
        if user.is_empty() { format!("{scheme}://") } else { format!("{scheme}://{user}@") };
    let after = after.to_owned();
    Some((address, move |host: &str| format!("{before}{host}/{after}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_reached_through_another_host() {
        let (server, with) = host("postgres://a:b@127.0.0.1:5432/zaki?x=y").unwrap();
        assert_eq!(server.port(), 5432);
        assert_eq!(with("127.0.0.1:7"), "postgres://a:b@127.0.0.1:7/zaki?x=y");
        let (server, with) = host("postgres://a@localhost/zaki").unwrap();
        assert_eq!(server, "127.0.0.1:5432".parse().unwrap());
        assert_eq!(with("h:7"), "postgres://a@h:7/zaki");
        let (server, with) = host("postgresql://[::1]:6432/zaki").unwrap();
        assert_eq!(server, "[::1]:6432".parse().unwrap());
        assert_eq!(with("h:7"), "postgresql://h:7/zaki");
    }
}
