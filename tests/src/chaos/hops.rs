//! A world with a proxy on every hop that a single hub has.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::seed::Seed;
use crate::edge::{self, Edge};
use crate::proxy::{Proxy, Side, Trouble};
use crate::world::own_address;
use crate::{ChannelKind, Setup, World};

/// What any connection may suffer without anything being said twice.
pub const CONNECTIONS: [Trouble; 8] = [
    Trouble::Refused,
    Trouble::Cut { within: 4000 },
    Trouble::Cut { within: 200 },
    Trouble::Late(Duration::from_millis(40)),
    Trouble::Silent,
    Trouble::Deaf(Side::Client),
    Trouble::Deaf(Side::Server),
    Trouble::Trickle(300, Duration::from_millis(5)),
];

/// What a server may say that is overloaded, starting, or has somebody before it who says so: for
/// hops of ours. What platforms say has words of its own.
pub const STORMS: [Trouble; 3] = [Trouble::Says(503), Trouble::Says(429), Trouble::Says(502)];

/// Proxies on the hops.
pub struct Hops {
    /// Hub to platform, by channel.
    pub platform: Vec<(ChannelKind, Proxy)>,
    /// Platform to hub.
    pub webhook: Proxy,
    /// Hub to edge.
    pub edge: Proxy,
    /// The edge at the end of the last.
    pub remote: Edge,
}

impl Hops {
    /// Starts a world with them: an edge of its own behind one, the platforms behind others.
    pub async fn start(setup: Setup, seed: Seed) -> Result<(World, Self)> {
        let hub = own_address();
        let webhook = Proxy::to(hub, seed).await?;
        let front = format!("http://{}", webhook.address());
        let setup = setup.at(&hub.to_string()).behind(&front).set("edge.key", edge::KEY);
        let mut world = setup.prepare().await?;
        let remote = Edge::start(&world.dir().join("edge")).await?;
        let edge = Proxy::to(remote.address(), seed).await?;
        world.reconfigure("edge.url", format!("http://{}", edge.address()))?;
        let mut platform = Vec::new();
        for channel in ChannelKind::ALL {
            platform.push((channel, between(&world, channel, seed).await?));
        }
        world.up().await?;
        Ok((world, Self { platform, webhook, edge, remote }))
    }

    /// All troubles on all hops at random, for `span`.
    pub async fn mix(&self, seed: Seed, span: Duration) {
        let twice = [&CONNECTIONS[..], &[Trouble::Twice]].concat();
        let ours = [&twice[..], &STORMS].concat();
        let lines = self.platform.iter().map(|(_, proxy)| proxy.mix(seed, &CONNECTIONS, span));
        let lines = futures::future::join_all(lines);
        tokio::join!(lines, self.webhook.mix(seed, &twice, span), self.edge.mix(seed, &ours, span));
    }
}

/// A proxy between the hub and a platform's API.
async fn between(world: &World, channel: ChannelKind, seed: Seed) -> Result<Proxy> {
    let url = world.platform(channel).url();
    let server: SocketAddr = url.trim_start_matches("http://").parse().context("no address")?;
    let proxy = Proxy::to(server, seed).await?;
    let path = match channel {
        ChannelKind::Telegram | ChannelKind::WhatsApp => "",
        ChannelKind::Discord => "/api/v10",
        ChannelKind::Slack => "/api/",
        ChannelKind::Web => crate::no_bot(),
    };
    let base = proxy.before(&format!("{url}{path}"));
    world.reconfigure(&format!("{channel}.main.api_base"), base)?;
    Ok(proxy)
}
