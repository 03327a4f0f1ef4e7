//! The edge that has the sandboxes: the one that runs, or one of our own while none does.

use std::{fs::File, time::Duration};

use anyhow::{Context, Result, bail};
use secrecy::ExposeSecret;
use zaki_edge_native::Edge;

use crate::{
    config::Config,
    data_dir::{self, Tenant},
    edge::{EdgeClient, EdgeError},
    local_edge,
};

/// Longer than an edge takes to stop a sandbox.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) struct Reached {
    pub(super) client: EdgeClient,
    /// Ours, which ends with this command, and what keeps others off meanwhile.
    ours: Option<(Edge, [File; 2])>,
}

/// The way to it.
pub(super) async fn reach(mut config: Config) -> Result<Reached> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = config.data_dir();
    let runs = [Tenant::Hub, Tenant::Edge].iter().any(|it| data_dir::is_locked(&dir, *it));
    if config.edge.url.is_none() && runs {
        let open = config.edge.listen.port() != 0 && !config.edge.key.expose_secret().is_empty();
        if !open {
            bail!(
                "the sandboxes are those of the running hub, whose edge nobody else can call: stop \
                 it and say this again, or set edge.key and edge.listen and start it anew"
            );
        }
        let url = format!("http://{}", config.edge.listen).parse();
        config.edge.url = Some(url.context("edge.listen")?);
    }
    let locks = match &config.edge.url {
        Some(_) => None,
        None => Some([data_dir::lock(&dir, Tenant::Hub)?, data_dir::lock(&dir, Tenant::Edge)?]),
    };
    let (edge, client) = local_edge::reach(&config).await?;
    Ok(Reached { client, ours: edge.zip(locks) })
}

impl Reached {
    /// Waits for a call, though not for ever.
    pub(super) async fn within(
        &self,
        call: impl Future<Output = Result<(), EdgeError>>,
    ) -> Result<()> {
        let done = tokio::time::timeout(PATIENCE, call).await;
        let done = done.context("the edge is still at it; say this again later")?;
        done.map_err(|error| match error {
            EdgeError::Lost(_) => anyhow::Error::from(error)
                .context("the edge does not answer: start it, then say this again"),
            error => error.into(),
        })
    }

    pub(super) async fn close(self) {
        if let Some((edge, _locks)) = self.ours {
            edge.shutdown().await;
        }
    }
}
