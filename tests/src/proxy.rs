//! A TCP proxy that makes trouble: between the hub and whatever it talks to, or whoever talks to
//! it. Trouble befalls connections that are open as well as new ones.
//! Not a proxy for anybody's traffic but a test's: loopback, a few connections.

mod pump;
mod replay;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::chaos::Seed;
use pump::{Pump, reset};
use replay::Replay;

/// What a connection suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// New connections are closed at once, open ones are reset.
    Refused,
    /// Each connection is reset after at most so many more bytes, counted both ways; how many is
    /// chance.
    Cut {
        /// The most.
        within: u64,
    },
    /// Every piece takes so much longer.
    Late(Duration),
    /// What the server says takes so much longer.
    LateAnswer(Duration),
    /// Half open: whoever connects is heard by nobody, and nothing comes back. When the trouble
    /// is over, what waited arrives.
    Silent,
    /// Half open in one direction: what this side says is lost, and with it, in the end, the
    /// connection.
    Deaf(Side),
    /// So many bytes at a time, with this pause in between.
    Trickle(usize, Duration),
    /// One piece of a request of two, by chance, is answered with this status by the proxy itself,
    /// and its connection ends: a request of several pieces is refused more often, and sometimes
    /// after its first half has arrived. For HTTP/1.
    Says(u16),
    /// Every request arrives a second time over a connection of its own, and nobody hears what is
    /// answered to that.
    Twice,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connected.
    Client,
    /// Who was connected to.
    Server,
}

/// A running proxy; dropping it closes all its connections.
pub struct Proxy {
    address: SocketAddr,
    trouble: Arc<watch::Sender<Trouble>>,
    passed: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    /// A proxy to `server` without trouble.
    pub async fn to(server: SocketAddr, seed: Seed) -> Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), server, seed).await
    }

    /// The same on an address that was chosen before.
    pub async fn at(address: SocketAddr, server: SocketAddr, seed: Seed) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let trouble = Arc::new(watch::Sender::new(Trouble::None));
        let passed = Arc::new(AtomicUsize::new(0));
        let door = Door { server, trouble: trouble.subscribe(), passed: Arc::clone(&passed) };
        let server = tokio::spawn(door.serve(listener, seed));
        Ok(Self { address, trouble, passed, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url` with this proxy in the place of its host.
    pub fn before(&self, url: &str) -> String {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        format!("http://{}{path}", self.address)
    }

    /// From now on.
    pub fn make(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }

    /// Trouble for a while, and no more after it.
    pub async fn make_for(&self, trouble: Trouble, span: Duration) {
        self.make(trouble);
        tokio::time::sleep(span).await;
        self.make(Trouble::None);
    }

    /// Trouble of a menu, one after another with quiet in between, until `until` has passed.
    pub async fn mix(&self, seed: Seed, menu: &[Trouble], until: Duration) {
        let mut chance = seed.chance(u64::from(self.address.port()));
        let end = tokio::time::Instant::now() + until;
        while tokio::time::Instant::now() < end {
            if let Some(trouble) = chance.pick(menu) {
                self.make_for(*trouble, chance.millis(100..1500)).await;
            }
            tokio::time::sleep(chance.millis(100..1500)).await;
        }
    }

    /// How many connections have been opened so far.
    pub fn connections(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

/// What new connections are made of.
struct Door {
    server: SocketAddr,
    trouble: watch::Receiver<Trouble>,
    passed: Arc<AtomicUsize>,
}

impl Door {
    async fn serve(self, listener: TcpListener, seed: Seed) {
        let mut connections = JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    number += 1;
                    self.passed.fetch_add(1, Ordering::Relaxed);
                    let chance = seed.chance(1000 + number);
                    let pump = Pump::new(self.trouble.clone(), chance);
                    connections.spawn(pass(client, self.server, pump));
                }
            }
        }
    }
}

/// Passes one connection on until it ends at either side or by trouble.
async fn pass(client: TcpStream, server: SocketAddr, pump: Pump) {
    if !pump.admits().await {
        return reset(&client);
    }
    let Ok(upstream) = TcpStream::connect(server).await else { return reset(&client) };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    pump.run(client, upstream, Replay::to(server)).await;
}

#[cfg(test)]
mod tests;
