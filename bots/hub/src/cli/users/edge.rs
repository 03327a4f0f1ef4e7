//! The edge that has the sandboxes: the one that runs, or one of our own while none does.

use std::fs::File;

use anyhow::{Context, Result, bail};
use secrecy::ExposeSecret;
use zaki_edge_native::Edge;

use crate::{
    config::Config,
    data_dir::{self, Tenant},
    edge::EdgeClient,
    local_edge::{self, Whereabouts},
};

pub(in crate::cli) struct Reached {
    /// `None`: it is in the process of a hub that runs, and does not say how to call it.
    pub(in crate::cli) client: Option<EdgeClient>,
    /// Ours, which ends with this command, and what keeps others off meanwhile.
    ours: Option<(Edge, [File; 2])>,
}

/// The way to it.
pub(in crate::cli) async fn reach(mut config: Config) -> Result<Reached> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = config.data_dir();
    let runs = [Tenant::Hub, Tenant::Edge].iter().any(|it| data_dir::is_locked(&dir, *it));
    if config.edge.url.is_none() && runs {
        let configured = (config.edge.listen, config.edge.key.clone());
        let is_whole = configured.0.port() != 0 && !configured.1.expose_secret().is_empty();
        let found = Whereabouts::find(&config).or_else(|| is_whole.then_some(configured));
        let Some((address, key)) = found else {
            return Ok(Reached { client: None, ours: None });
        };
        let url = format!("http://{address}").parse();
        (config.edge.url, config.edge.key) = (Some(url.context("edge.listen")?), key);
    }
    if config.edge.url.is_none() && !data_dir::is_used(&dir) {
        bail!("{}", data_dir::nothing(&dir));
    }
    let locks = match &config.edge.url {
        Some(_) => None,
        None => Some([data_dir::lock(&dir, Tenant::Hub)?, data_dir::lock(&dir, Tenant::Edge)?]),
    };
    let (own, client) = local_edge::reach(&config).await?;
    let ours = own.map(|own| own.edge).zip(locks);
    Ok(Reached { client: Some(client), ours })
}

impl Reached {
    /// Whether nobody else has anything under way: no hub runs on what is kept here.
    pub(in crate::cli) const fn is_alone(&self) -> bool {
        self.ours.is_some()
    }

    /// Ends an edge of ours. What a hub that died has left running goes on, for the next one to take
    /// up.
    pub(in crate::cli) async fn close(self) {
        if let Some((edge, _locks)) = self.ours {
            edge.leave().await;
        }
    }
}
