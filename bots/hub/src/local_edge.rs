//! The native edge inside this program, and how the hub reaches whichever edge there is.

mod whereabouts;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zaki_edge_native::{
    DockerConfig, Edge, EdgeConfig, Exec, HubClient, Isolation, Network, ProcessConfig, Reach,
    RuntimeChoice, RuntimePaths, Tier,
};
use zaki_envelope::signature::{Keyring, SigningKey};

use crate::{
    config::{self, Config},
    edge::EdgeClient,
};

pub(crate) use whereabouts::Whereabouts;

/// The way to the edge: to a remote one where configured, otherwise to one started here.
pub(crate) async fn reach(config: &Config) -> Result<(Option<Own>, EdgeClient)> {
    let key = key(config)?;
    let Some(base) = &config.edge.url else {
        let edge = start(config, &key).await?;
        let client = EdgeClient::new(Reach::InProcess(edge.router()), signing(&key));
        return Ok((Some(Own { edge, key }), client));
    };
    let reach = Reach::remote(base.clone())?;
    Ok((None, EdgeClient::new(reach, signing(&key))))
}

/// The edge in this process.
pub(crate) struct Own {
    pub edge: Edge,
    key: SecretString,
}

impl Own {
    /// Leaves word of it for the commands that are run on this machine by whoever runs this
    /// process, and may read everything it keeps anyway.
    pub(crate) fn announce(&self, config: &Config) -> Result<Whereabouts> {
        Whereabouts::leave(config, self.edge.local_addr(), &self.key)
    }

    /// From now on the hub, at the routes that are made for this key, hears what agents say by
    /// themselves.
    pub(crate) fn connect(&self, routes: impl FnOnce(Keyring) -> Router) {
        let key = || edge_key(&self.key);
        let reach = Reach::InProcess(routes(Keyring::new([key()])));
        self.edge.connect(HubClient::new(reach, key()));
    }
}

/// The way from an edge of its own process to the hubs, where one is configured.
pub(crate) fn hub(config: &Config, key: &SecretString) -> Result<Option<HubClient>> {
    let Some(base) = &config.edge.hub_url else { return Ok(None) };
    Ok(Some(HubClient::new(Reach::remote(base.clone())?, edge_key(key))))
}

/// What an edge proves itself by.
fn edge_key(key: &SecretString) -> SigningKey {
    SigningKey::new("edge", key.expose_secret().as_bytes())
}

/// Asks the edge at `base` whether it is there.
pub(crate) async fn ask(base: &Url) -> Result<()> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let asked = http.get(base.join("/health")?).send().await;
    if asked.is_ok_and(|answer| answer.status().is_success()) {
        return Ok(());
    }
    bail!("{base} cannot be reached: start `zaki edge` there, or set another edge.url")
}

/// What of the configuration would keep the edge from being started or reached.
pub(crate) fn check(config: &Config) -> Result<()> {
    key(config)?;
    if config.edge.url.is_none() {
        config.model.of_edge()?;
        config.backup.of_edge()?;
    }
    Ok(())
}

/// Starts the native edge, for hubs that hold `key`.
pub(crate) async fn start(config: &Config, key: &SecretString) -> Result<Edge> {
    let keys = Keyring::new([signing(key)]);
    let mut edge =
        EdgeConfig::new(config.data_dir(), keys, runtime(config)?, config.model.of_edge()?);
    edge.listen = config.edge.listen;
    edge.upgrades = config.sandbox.upgrade == config::Upgrade::Idle;
    edge.start_timeout = config.sandbox.start_timeout;
    edge.backup = config.backup.of_edge()?;
    (edge.freeze_after, edge.stop_after) = (config.sandbox.freeze_after, config.sandbox.stop_after);
    edge.memory_mb = Some(config.sandbox.memory_mb).filter(|mb| *mb > 0);
    edge.sandbox_mb = config.sandbox.sandbox_mb;
    edge.choices.clone_from(&config.model.choices);
    edge.prices.clone_from(&config.model.prices);
    if config.sandbox.max_parallel_starts > 0 {
        edge.max_parallel_starts = config.sandbox.max_parallel_starts;
    }
    Ok(Edge::start(edge).await?)
}

/// The configured key; a hub whose edge is in its own process needs none and gets a fresh one.
pub(crate) fn key(config: &Config) -> Result<SecretString> {
    if config.edge.url.is_none() && config.edge.key.expose_secret().is_empty() {
        return Ok(hex::encode(rand::random::<[u8; 32]>()).into());
    }
    shared_key(config)
}

/// The key that an edge and the hubs of other processes share.
pub(crate) fn shared_key(config: &Config) -> Result<SecretString> {
    if config.edge.key.expose_secret().len() < 32 {
        bail!("edge.key must be at least 32 characters, the same for the edge and its hubs");
    }
    Ok(config.edge.key.clone())
}

/// What a hub knows the edge of other processes by: the same secret, under another name.
pub(crate) fn edge_keys(config: &Config) -> Result<Keyring> {
    let key = shared_key(config)?;
    Ok(Keyring::new([edge_key(&key)]))
}

fn signing(key: &SecretString) -> SigningKey {
    SigningKey::new("hub", key.expose_secret().as_bytes())
}

fn runtime(config: &Config) -> Result<RuntimeChoice> {
    match config.sandbox.runtime {
        config::Runtime::Echo => Ok(RuntimeChoice::Echo),
        config::Runtime::Docker => docker(config),
        config::Runtime::Process => process(config),
    }
}

fn docker(config: &Config) -> Result<RuntimeChoice> {
    let sandbox = &config.sandbox;
    let mut docker = DockerConfig::new(&sandbox.docker.image);
    docker.socket.clone_from(&sandbox.docker.socket);
    docker.exec = exec(config);
    docker.tier = tier(config)?;
    Ok(RuntimeChoice::Docker(docker))
}

fn tier(config: &Config) -> Result<Tier> {
    let sandbox = &config.sandbox;
    let Some(tier) = sandbox.tiers.get(&sandbox.tier) else {
        let names: Vec<&str> = sandbox.tiers.keys().map(String::as_str).collect();
        bail!("sandbox.tier must be one of the tiers: {}", names.join(", "));
    };
    Ok(Tier { memory_mb: tier.memory_mb, cpu_percent: tier.cpu_percent, pids: tier.pids })
}

/// What is to keep processes apart.
pub(crate) const fn isolation(config: &Config) -> Isolation {
    match config.sandbox.isolation {
        config::Isolation::Auto => Isolation::Auto,
        config::Isolation::Require => Isolation::Require,
        config::Isolation::Off => Isolation::Off,
    }
}

/// Whether processes have a network.
pub(crate) const fn network(config: &Config) -> Network {
    match config.sandbox.network {
        config::Network::None => Network::None,
        config::Network::Host => Network::Host,
    }
}

const fn exec(config: &Config) -> Exec {
    match config.sandbox.exec {
        config::Exec::Deny => Exec::Deny,
        config::Exec::Ask => Exec::Ask,
        config::Exec::Full => Exec::Full,
    }
}

fn process(config: &Config) -> Result<RuntimeChoice> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let program = [program.display().to_string(), "container".to_owned()];
    let paths = RuntimePaths::in_dir(&config.runtime_dir());
    let mut process = ProcessConfig::new(program, paths);
    process.exec = exec(config);
    process.isolation = isolation(config);
    process.network = network(config);
    process.tier = tier(config)?;
    Ok(RuntimeChoice::Process(process))
}
