//! The edge that has the sandboxes: the one that runs, or one of our own while none does.

use std::fs::File;

use anyhow::{Context, Result};
use secrecy::ExposeSecret;
use zaki_edge_native::Edge;

use crate::{
    config::Config,
    data_dir::{self, Tenant},
    edge::EdgeClient,
    local_edge,
};

pub(in crate::cli) struct Reached {
    /// `None`: it is in the process of a hub that runs, where nobody else can call it.
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
        if config.edge.listen.port() == 0 || config.edge.key.expose_secret().is_empty() {
            return Ok(Reached { client: None, ours: None });
        }
        let url = format!("http://{}", config.edge.listen).parse();
        config.edge.url = Some(url.context("edge.listen")?);
    }
    let locks = match &config.edge.url {
        Some(_) => None,
        None => Some([data_dir::lock(&dir, Tenant::Hub)?, data_dir::lock(&dir, Tenant::Edge)?]),
    };
    let (edge, client) = local_edge::reach(&config).await?;
    Ok(Reached { client: Some(client), ours: edge.zip(locks) })
}

impl Reached {
    /// Whether nobody else has anything under way: no hub runs on what is kept here.
    pub(super) const fn is_alone(&self) -> bool {
        self.ours.is_some()
    }

    pub(in crate::cli) async fn close(self) {
        if let Some((edge, _locks)) = self.ours {
            edge.shutdown().await;
        }
    }
}
